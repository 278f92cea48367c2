"""The queue is always in play order: next, previous, shuffle, and changes of the queue."""

import pytest

from coordinator.core.kit import QUEUE, House, Json, Player
from soul_coordinator.core import order
from soul_protocol import limits


def stage(position: int = 0) -> tuple[House, Player, Player]:
    house = House()
    kitchen, phone = house.device("Kitchen"), house.device("Phone")
    kitchen.playing(QUEUE, position)
    return house, kitchen, phone


def asked(kitchen: Player) -> Json:
    command: Json = kitchen.executed()["command"]
    return command


def shuffle(kitchen: Player, phone: Player) -> Json:
    """Shuffle is on; the command as it was forwarded."""
    request = phone.command("set_shuffle", enabled=True)
    carried = asked(kitchen)
    kitchen.report(applied=[request], shuffle=True, queue_position=0, track_id=carried["queue"][0])
    return carried


# Steps


@pytest.mark.parametrize("mode", ["off", "one", "all"])
def test_next_is_the_next_place_and_one_does_not_hold_it(mode: str) -> None:
    _, kitchen, phone = stage(3)
    kitchen.report(repeat_mode=mode)
    phone.command("next")
    assert asked(kitchen) == {"type": "next", "queue_position": 4}


@pytest.mark.parametrize("mode", ["off", "one"])
def test_past_the_end_it_pauses_at_0_of_the_last_track(mode: str) -> None:
    _, kitchen, phone = stage(7)
    kitchen.report(repeat_mode=mode)
    phone.command("next")
    assert asked(kitchen) == {"type": "next", "queue_position": 7, "is_playing": False}


def test_past_the_end_it_wraps_with_all() -> None:
    _, kitchen, phone = stage(7)
    kitchen.report(repeat_mode="all")
    phone.command("next")
    assert asked(kitchen) == {"type": "next", "queue_position": 0}


@pytest.mark.parametrize(
    ("position_ms", "place"), [(0, 4), (limits.PREVIOUS_RESTARTS_AFTER, 4), (3_001, 5), (60_000, 5)]
)
def test_previous_restarts_the_track_after_3_s(position_ms: int, place: int) -> None:
    _, kitchen, phone = stage(5)
    kitchen.report(position_ms=position_ms)
    phone.command("previous")
    assert asked(kitchen) == {"type": "previous", "queue_position": place}


def test_previous_goes_by_where_the_music_is_by_now() -> None:
    house, kitchen, phone = stage(5)
    house.pass_time(3_001)
    phone.command("previous")
    assert asked(kitchen)["queue_position"] == 5


@pytest.mark.parametrize("mode", ["off", "all"])
def test_previous_at_the_first_track_restarts_it(mode: str) -> None:
    _, kitchen, phone = stage(0)
    kitchen.report(repeat_mode=mode)
    phone.command("previous")
    assert asked(kitchen)["queue_position"] == 0


def test_steps_count_from_what_was_forwarded() -> None:
    house, kitchen, phone = stage(4)
    house.pass_time(60_000)
    phone.ping()
    kitchen.report(position_ms=60_000)
    phone.command("next")
    phone.command("next")
    phone.command("previous")
    places = [one["command"]["queue_position"] for one in kitchen.all("execute_command")]
    assert places == [5, 6, 5]


def test_a_step_after_a_new_queue_counts_from_its_start() -> None:
    house, kitchen, phone = stage(4)
    house.pass_time(60_000)
    phone.command("set_queue", tracks=["a", "b", "c"], start_index=1)
    phone.command("previous")
    assert asked(kitchen)["queue_position"] == 0


def test_a_step_after_a_queue_that_goes_on_knows_how_long_it_plays() -> None:
    house, kitchen, phone = stage(4)
    house.pass_time(60_000)
    phone.command("set_queue", tracks=["a", QUEUE[4]], start_index=1, keep_position=True)
    phone.command("previous")
    assert asked(kitchen)["queue_position"] == 1


def test_a_step_after_a_seek_or_a_stop_counts_from_where_that_leads() -> None:
    house, kitchen, phone = stage(5)
    phone.command("seek", position_ms=60_000)
    phone.command("previous")
    assert asked(kitchen)["queue_position"] == 5
    house, kitchen, phone = stage(5)
    house.pass_time(60_000)
    phone.ping()
    kitchen.report(position_ms=60_000)
    phone.command("stop")
    phone.command("previous")
    assert asked(kitchen)["queue_position"] == 4


def test_a_step_counts_with_the_modes_that_were_forwarded() -> None:
    _, kitchen, phone = stage(7)
    phone.command("set_repeat", mode="all")
    phone.command("next")
    assert asked(kitchen)["queue_position"] == 0


@pytest.mark.parametrize("kind", ["next", "previous"])
def test_there_is_no_step_in_an_empty_queue(kind: str) -> None:
    house = House()
    kitchen = house.device()
    queued = kitchen.command("set_queue", tracks=[], start_index=0)
    kitchen.idle(0.5, applied=[queued])
    assert kitchen.statuses(kitchen.command(kind)) == ["rejected/invalid_command"]


def test_a_seek_past_a_known_end_goes_to_the_end() -> None:
    house, kitchen, phone = stage()
    phone.command("seek", position_ms=900_000)
    assert asked(kitchen)["position_ms"] == 200_000
    kitchen.report(duration_ms=None, queue_position=1)
    phone.command("seek", position_ms=900_000)
    assert asked(kitchen)["position_ms"] == 900_000
    assert house.state()["duration_ms"] is None


def test_a_seek_behind_a_step_is_one_in_the_track_that_this_leads_to() -> None:
    """Nobody knows yet how long that is."""
    _, kitchen, phone = stage(5)
    phone.command("next")
    phone.command("seek", position_ms=900_000)
    assert asked(kitchen)["position_ms"] == 900_000


def test_a_step_that_waits_beyond_a_queue_shortened_meanwhile() -> None:
    """A report of a local change comes while a command waits that counted on the longer queue."""
    _, kitchen, phone = stage(6)
    phone.command("next")
    assert asked(kitchen)["queue_position"] == 7
    kitchen.report(queue=QUEUE[:2], queue_position=1)
    request = phone.command("set_queue", tracks=[QUEUE[1], "more"], start_index=0, keep_position=True)
    assert phone.statuses(request) == ["accepted"]
    assert asked(kitchen)["keep_position"]


# Shuffle


def test_shuffle_permutes_with_the_current_track_first() -> None:
    house, kitchen, phone = stage(3)
    rev = house.state()["queue_rev"]
    carried = shuffle(kitchen, phone)
    assert (carried["queue_position"], carried["queue"][0]) == (0, QUEUE[3])
    assert sorted(carried["queue"]) == QUEUE
    assert carried["queue"][1:] != [track for track in QUEUE if track != QUEUE[3]]
    assert carried["queue_rev"] == rev + 1
    state = house.state()
    assert (state["queue"], state["shuffle"], state["queue_rev"]) == (carried["queue"], True, rev + 1)


def test_off_gives_the_original_order_back_restarts_and_transfers_included() -> None:
    house, kitchen, phone = stage(3)
    shuffle(kitchen, phone)
    house.start()
    kitchen.register(again=True, resume=True)
    phone.register(again=True)
    phone.transfer(phone)
    transfer = phone.last("prepare_playback")["transfer_id"]
    phone.outcome("ready", transfer)
    phone.outcome("started", transfer)
    off = phone.command("set_shuffle", enabled=False)
    assert (asked(phone)["queue"], asked(phone)["queue_position"]) == (QUEUE, 3)
    phone.report(applied=[off], shuffle=False, queue_position=3)
    state = house.state()
    assert (state["queue"], state["queue_position"], state["shuffle"]) == (QUEUE, 3, False)


@pytest.mark.parametrize("enabled", [False, True])
def test_shuffle_as_it_is_already_changes_nothing(enabled: bool) -> None:
    house, kitchen, phone = stage(3)
    if enabled:
        shuffle(kitchen, phone)
    state = house.state()
    phone.command("set_shuffle", enabled=enabled)
    carried = asked(kitchen)
    assert (carried["queue"], carried["queue_rev"]) == (state["queue"], state["queue_rev"])


def test_an_empty_queue_can_be_shuffled() -> None:
    house = House()
    kitchen = house.device()
    queued = kitchen.command("set_queue", tracks=[], start_index=0)
    kitchen.idle(0.5, applied=[queued])
    on = kitchen.command("set_shuffle", enabled=True)
    assert asked(kitchen)["queue"] == []
    kitchen.idle(0.5, applied=[on])
    kitchen.command("set_shuffle", enabled=False)
    assert asked(kitchen)["queue"] == []
    assert house.state()["shuffle"] is True


def test_a_new_queue_while_shuffled_is_permuted_and_its_order_kept() -> None:
    house, kitchen, phone = stage()
    shuffle(kitchen, phone)
    tracks = [f"new-{n}" for n in range(8)]
    request = phone.command("set_queue", tracks=tracks, start_index=2)
    carried = asked(kitchen)
    assert (carried["start_index"], carried["tracks"][0]) == (0, tracks[2])
    assert sorted(carried["tracks"]) == tracks
    assert carried["tracks"][1:] != [track for track in tracks if track != tracks[2]]
    kitchen.report(applied=[request], shuffle=True, queue_position=0, track_id=tracks[2])
    off = phone.command("set_shuffle", enabled=False)
    kitchen.report(applied=[off], shuffle=False, queue_position=2)
    assert house.state()["queue"] == tracks


def test_a_queue_edited_while_shuffled_stays_as_it_is_and_what_is_new_comes_last_in_the_order() -> None:
    _, kitchen, phone = stage(3)
    shown = shuffle(kitchen, phone)["queue"]
    edited = [shown[0], "extra", *shown[1:]]
    request = phone.command("set_queue", tracks=edited, start_index=0, keep_position=True)
    assert (asked(kitchen)["tracks"], asked(kitchen)["keep_position"]) == (edited, True)
    kitchen.report(applied=[request], shuffle=True, queue_position=0)
    phone.command("set_shuffle", enabled=False)
    assert asked(kitchen)["queue"] == [*QUEUE, "extra"]


def test_a_queue_edited_on_the_device_while_shuffled_keeps_its_order_too() -> None:
    house, kitchen, phone = stage(3)
    shown = shuffle(kitchen, phone)["queue"]
    kitchen.report(queue=[*shown, "extra"])
    assert house.state()["queue"] == [*shown, "extra"]
    phone.command("set_shuffle", enabled=False)
    assert asked(kitchen)["queue"] == [*QUEUE, "extra"]


def test_a_shuffle_of_the_devices_own_has_the_queue_as_it_is_for_its_order() -> None:
    house, kitchen, phone = stage()
    kitchen.report(shuffle=True)
    kitchen.report(shuffle=True, queue=[*QUEUE, "extra"])
    off = phone.command("set_shuffle", enabled=False)
    assert asked(kitchen)["queue"] == [*QUEUE, "extra"]
    kitchen.report(applied=[off], shuffle=False)
    assert house.state()["queue"] == [*QUEUE, "extra"]


def test_the_same_track_twice_keeps_both_its_places() -> None:
    shown, ranks = order.shuffled(("a", "b", "a"), None, 2, entropy=7)
    assert shown[0] == "a"
    carried = order.carried_order(shown, ranks, (*shown, "c"))
    assert order.restored((*shown, "c"), carried, 0) == (("a", "b", "a", "c"), 2)


def test_every_order_comes_from_its_entropy_alone() -> None:
    orders = {order.shuffled(tuple("abcd"), None, 0, entropy=n)[0] for n in range(200)}
    assert len(orders) == 6
    assert order.shuffled(tuple("abcd"), None, 0, 5) == order.shuffled(tuple("abcd"), None, 0, 5)


# The queue itself


def test_a_new_queue_is_forwarded_with_its_start_and_the_next_queue_rev() -> None:
    house, kitchen, phone = stage()
    rev = house.state()["queue_rev"]
    request = phone.command("set_queue", tracks=["a", "b"], start_index=1)
    assert asked(kitchen) == {
        "type": "set_queue",
        "tracks": ["a", "b"],
        "start_index": 1,
        "queue_rev": rev + 1,
    }
    phone.command("set_queue", tracks=["c"], start_index=0)
    assert asked(kitchen)["queue_rev"] == rev + 2
    kitchen.report(refused=[{"id": request, "code": "unsupported"}])
    assert house.state()["queue_rev"] == rev


@pytest.mark.parametrize(
    ("tracks", "start", "goes_on"),
    [([QUEUE[0], "a"], 0, True), (["a", QUEUE[0]], 0, False), (["a"], 0, False)],
)
def test_with_keep_position_and_the_current_track_at_its_start_the_track_goes_on(
    tracks: list[str], start: int, goes_on: bool
) -> None:
    _, kitchen, phone = stage()
    phone.command("set_queue", tracks=tracks, start_index=start, keep_position=True)
    assert asked(kitchen).get("keep_position", False) is goes_on


def test_without_a_current_track_nothing_goes_on() -> None:
    house = House()
    kitchen = house.device()
    kitchen.command("set_queue", tracks=["a"], start_index=0, keep_position=True)
    assert "keep_position" not in asked(kitchen)


def test_an_empty_queue_clears() -> None:
    house, kitchen, phone = stage()
    request = phone.command("set_queue", tracks=[], start_index=0)
    assert asked(kitchen)["tracks"] == []
    kitchen.report(applied=[request], track_id=None, queue_position=0, is_playing=False, duration_ms=None)
    state = house.state()
    assert (state["queue"], state["track_id"], state["device_id"]) == ([], None, kitchen.id)


@pytest.mark.parametrize("start", [2, 8, -1])
def test_a_bad_index_is_an_invalid_command(start: int) -> None:
    house, _, phone = stage()
    request = phone.command("set_queue", tracks=["a", "b"], start_index=start)
    assert phone.statuses(request) == ["rejected/invalid_command"]
    assert house.state()["queue"] == QUEUE


@pytest.mark.parametrize("to_another", [False, True])
def test_another_queue_than_expected_is_superseded(to_another: bool) -> None:
    house, kitchen, phone = stage()
    bath = house.device("Bath")
    to = bath if to_another else kitchen
    rev = house.state()["queue_rev"]
    first = phone.command("set_queue", tracks=["a"], start_index=0, expect_rev=rev)
    kitchen.report(applied=[first], queue_position=0, track_id="a")
    second = phone.command("set_queue", to=to, tracks=["b"], start_index=0, expect_rev=rev)
    third = phone.command("set_queue", to=to, tracks=["c"], start_index=0, expect_rev=rev + 1)
    assert phone.statuses(second) == ["superseded"]
    assert phone.statuses(third) == ["accepted"]


def test_a_queue_that_waits_counts_for_what_is_expected() -> None:
    house, _, phone = stage()
    rev = house.state()["queue_rev"]
    phone.command("set_queue", tracks=["a"], start_index=0, expect_rev=rev)
    second = phone.command("set_queue", tracks=["b"], start_index=0, expect_rev=rev)
    assert phone.statuses(second) == ["superseded"]


def test_ten_thousand_tracks_and_no_more() -> None:
    house, kitchen, phone = stage()
    tracks = [f"t{n}" for n in range(limits.QUEUE_TRACKS + 1)]
    many = phone.command("set_queue", tracks=tracks[1:], start_index=9_999)
    assert phone.statuses(many) == ["accepted"]
    kitchen.report(applied=[many], queue_position=9_999, track_id=tracks[-1])
    assert house.state()["queue"] == tracks[1:]
    assert phone.statuses(phone.command("set_queue", tracks=tracks, start_index=0)) == [
        "rejected/payload_too_large"
    ]
    assert house.state()["queue"] == tracks[1:]
