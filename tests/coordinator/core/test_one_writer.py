"""One writer: what is a change, who may make it, and how everyone hears of it."""

from typing import Any

import pytest

from coordinator.core.kit import QUEUE, House, Player
from soul_coordinator.core.effects import Publish, SavePlayback
from soul_coordinator.core.events import CommandRequested
from soul_coordinator.core.values import Address, Playback
from soul_protocol import limits


def stage() -> tuple[House, Player, Player]:
    """The kitchen plays, a second in; the phone looks on."""
    house = House()
    kitchen, phone = house.device("Kitchen"), house.device("Phone", can_render=False)
    kitchen.playing()
    house.pass_time(1_000)
    kitchen.report(position_ms=1_000)
    return house, kitchen, phone


def states(house: House) -> list[int]:
    return [one["state"]["sequence"] for one in house.events("playback_state")]


def playback(house: House) -> Playback:
    return house.core.users["ann"].playback


def test_sequences_are_dense_through_restarts_and_purges() -> None:
    house, kitchen, phone = stage()
    pause = phone.command("pause")
    kitchen.report(applied=[pause], is_playing=False)
    house.start()
    kitchen.register(resume=True)
    kitchen.report(is_playing=True)
    kitchen.leave()
    house.pass_time(limits.RESUME_WITHIN)
    kitchen.register()
    kitchen.playing()
    heard = states(house)
    assert list(dict.fromkeys(heard)) == list(range(1, heard[-1] + 1))
    assert heard[-1] >= 6


def test_a_change_is_saved_before_it_is_told() -> None:
    house = House()
    kitchen = house.device()
    request = CommandRequested(
        Address("ann", "device", kitchen.id),
        kitchen.new_id(),
        None,
        {"type": "set_queue", "tracks": ("a",), "start_index": 0},
        None,
        None,
        0,
    )
    effects = house.tell(request)
    kinds = [type(one) for one in effects]
    assert kinds.index(SavePlayback) < kinds.index(Publish)


def test_the_state_is_published_for_changes_and_at_start_only() -> None:
    house, kitchen, phone = stage()
    published = len(states(house))
    phone.ask("query", "request_state")
    phone.ask("query", "request_devices")
    phone.register()
    kitchen.register(again=True)
    phone.command("seek", position_ms=5)
    phone.raw("command", b"nonsense")
    house.pass_time(1_000)
    kitchen.report(position_ms=2_000)
    assert len(states(house)) == published
    house.start()
    assert len(states(house)) == published + 1
    assert states(house)[-1] == states(house)[-2]


def test_a_forwarded_command_changes_the_state_when_a_report_lists_it() -> None:
    house, kitchen, phone = stage()
    sequence = house.state()["sequence"]
    request = phone.command("set_repeat", mode="all")
    assert (house.state()["repeat_mode"], house.state()["sequence"]) == ("off", sequence)
    kitchen.report(applied=[request], repeat_mode="all", position_ms=1_000)
    state = house.state()
    assert (state["repeat_mode"], state["sequence"]) == ("all", sequence + 1)
    assert state["applied"][-1] == request


@pytest.mark.parametrize("repeated", [False, True])
def test_a_forwarded_queue_is_adopted_whether_or_not_the_report_repeats_it(repeated: bool) -> None:
    house, kitchen, phone = stage()
    rev = house.state()["queue_rev"]
    request = phone.command("set_queue", tracks=["a", "b"], start_index=1)
    assert house.state()["queue"] == QUEUE
    more: dict[str, Any] = {"queue": ["a", "b"]} if repeated else {}
    kitchen.report(applied=[request], queue_position=1, track_id="b", **more)
    state = house.state()
    assert (state["queue"], state["queue_position"], state["queue_rev"]) == (["a", "b"], 1, rev + 1)


@pytest.mark.parametrize(
    ("kind", "fields", "shown"),
    [
        ("set_queue", {"tracks": ["a", "b"], "start_index": 1}, {"queue": ["a", "b"], "track_id": "b"}),
        ("set_queue", {"tracks": [], "start_index": 0}, {"queue": [], "track_id": None}),
        (
            "set_queue",
            {"tracks": [QUEUE[0], "a"], "start_index": 0, "keep_position": True},
            {"queue": [QUEUE[0], "a"], "position_ms": 1_000},
        ),
        ("set_shuffle", {"enabled": True}, {"shuffle": True}),
        ("set_repeat", {"mode": "one"}, {"repeat_mode": "one"}),
        ("pause", {}, {"is_playing": False}),
        ("stop", {}, {"is_playing": False, "position_ms": 0}),
        ("seek", {"position_ms": 9}, {"position_ms": 9, "is_playing": True}),
        ("next", {}, {"queue_position": 1, "track_id": QUEUE[1], "position_ms": 0}),
    ],
)
def test_an_idle_report_that_lists_a_command_changes_the_state_too(
    kind: str, fields: dict[str, Any], shown: dict[str, Any]
) -> None:
    house, kitchen, phone = stage()
    request = phone.command(kind, **fields)
    kitchen.idle(0.5, applied=[request])
    assert phone.statuses(request) == ["accepted", "applied"]
    assert {name: house.state()[name] for name in shown} == shown
    assert house.state()["applied"][-1] == request


def test_an_idle_volume_of_the_active_device_is_a_change() -> None:
    house, kitchen, _ = stage()
    sequence = house.state()["sequence"]
    kitchen.idle(0.5)
    assert house.state()["sequence"] == sequence
    kitchen.idle(0.75)
    assert (house.state()["volume"], house.state()["sequence"]) == (0.75, sequence + 1)


def test_the_renderer_is_authoritative_for_what_is_playing() -> None:
    house, kitchen, _ = stage()
    kitchen.report(is_playing=False, track_id="radio", position_ms=7, repeat_mode="one", duration_ms=9_000)
    state = house.state()
    assert (state["is_playing"], state["track_id"], state["position_ms"]) == (False, "radio", 7)
    assert (state["repeat_mode"], state["duration_ms"]) == ("one", 9_000)


def test_a_local_change_of_the_queue_is_a_new_queue_rev() -> None:
    house, kitchen, _ = stage()
    rev = house.state()["queue_rev"]
    kitchen.report(queue=[*QUEUE, "more"], position_ms=1_000)
    assert (house.state()["queue"], house.state()["queue_rev"]) == ([*QUEUE, "more"], rev + 1)
    kitchen.report(queue=[*QUEUE, "more"], position_ms=1_000)
    assert house.state()["queue_rev"] == rev + 1


def test_a_local_change_meanwhile_never_gives_a_queue_rev_twice() -> None:
    house, kitchen, phone = stage()
    rev = house.state()["queue_rev"]
    request = phone.command("set_queue", tracks=["a"], start_index=0)
    kitchen.report(queue=QUEUE[:3])
    assert house.state()["queue_rev"] == rev + 1
    kitchen.report(applied=[request], queue_position=0, track_id="a")
    assert (house.state()["queue"], house.state()["queue_rev"]) == (["a"], rev + 2)


def test_a_queue_that_came_about_already_is_no_further_queue_rev() -> None:
    house, kitchen, phone = stage()
    rev = house.state()["queue_rev"]
    request = phone.command("set_queue", tracks=["a"], start_index=0)
    kitchen.report(queue=["a"], queue_position=0)
    assert house.state()["queue_rev"] == rev + 1
    kitchen.report(applied=[request], queue_position=0, track_id="a")
    assert (house.state()["queue"], house.state()["queue_rev"]) == (["a"], rev + 1)


def test_a_seq_counts_once() -> None:
    house, kitchen, _ = stage()
    kitchen.report(is_playing=False, position_ms=5)
    before = playback(house)
    for seq in (kitchen.seq, kitchen.seq - 1):
        kitchen.report(seq=seq, is_playing=True, position_ms=99)
    assert playback(house) == before


def test_reports_of_another_epoch_or_device_change_nothing_and_are_told_so_once_in_5_s() -> None:
    house, kitchen, _ = stage()
    bath = house.device("Bath")
    bath.playing(["x"])
    before, volume = playback(house), bath.volume
    stops = len(kitchen.all("stop_playback"))
    kitchen.report(epoch=1, position_ms=77, volume=0.1)
    kitchen.report(epoch=2, position_ms=77)
    bath.report(epoch=1, position_ms=77, volume=0.1)
    assert playback(house) == before
    assert [one["reason"] for one in kitchen.all("stop_playback")[stops:]] == ["not_active"]
    assert [one["reason"] for one in bath.all("stop_playback")] == ["not_active"]
    assert house.devices()["Bath"]["volume"] == volume
    house.pass_time(limits.COMPLAIN_EVERY)
    kitchen.report(epoch=1, position_ms=77)
    assert len(kitchen.all("stop_playback")) == stops + 2


def test_a_report_without_an_epoch_is_none_of_the_renderers() -> None:
    house, kitchen, _ = stage()
    before = playback(house)
    state = kitchen.picture(position_ms=99_000)
    kitchen.say("state", "state_update", conn=kitchen.conn, seq=kitchen.seq + 1, state=state)
    assert playback(house) == before
    assert kitchen.last("stop_playback") == {
        "type": "stop_playback",
        "epoch": before.epoch,
        "reason": "not_active",
    }


def test_of_an_epoch_that_is_over_a_device_is_told_to_stop_that_epoch() -> None:
    house, kitchen, _ = stage()
    bath = house.device("Bath").playing()
    kitchen.playing()
    kitchen.report(epoch=1)
    assert kitchen.last("stop_playback")["epoch"] == 1
    assert playback(house).epoch == 3
    bath.report(epoch=9)
    assert bath.last("stop_playback")["epoch"] == 9


def test_an_own_volume_is_applied_whatever_the_epoch() -> None:
    house, kitchen, phone = stage()
    bath = house.device("Bath")
    request = phone.command("set_volume", to=bath, volume=0.2)
    pause = phone.command("pause")
    bath.report(epoch=0, applied=[request, pause])
    assert phone.statuses(request) == ["accepted", "applied"]
    assert phone.statuses(pause) == ["accepted"]
    assert house.devices()["Bath"]["volume"] == 0.2
    assert kitchen.executed()["id"] == pause


def test_every_change_of_renderer_is_the_next_epoch() -> None:
    house = House()
    kitchen, bath, hall = (house.device(name) for name in ("Kitchen", "Bath", "Hall"))
    epochs = []
    kitchen.command("set_queue", tracks=QUEUE, start_index=0)
    epochs.append((house.state()["epoch"], house.state()["device_id"]))
    kitchen.transfer(bath)
    transfer = bath.last("prepare_playback")["transfer_id"]
    bath.outcome("ready", transfer)
    bath.outcome("started", transfer)
    epochs.append((house.state()["epoch"], house.state()["device_id"]))
    hall.claim()
    epochs.append((house.state()["epoch"], house.state()["device_id"]))
    kitchen.ask("manage", "delete_device", device_id=hall.id)
    epochs.append((house.state()["epoch"], house.state()["device_id"]))
    kitchen.command("play", to=kitchen)
    epochs.append((house.state()["epoch"], house.state()["device_id"]))
    assert epochs == [(1, kitchen.id), (2, bath.id), (3, hall.id), (4, None), (5, kitchen.id)]


def test_what_could_not_be_played_is_told_once() -> None:
    house, kitchen, _ = stage()
    error = {"code": "not_found", "track_id": QUEUE[0]}
    kitchen.report(error=error, queue_position=1)
    kitchen.report(error=error, queue_position=2)
    assert house.state()["error"] == error
    notices = [(one["code"], one["message"]) for one in house.events("notice")]
    assert notices == [("not_found", f"Kitchen could not play {QUEUE[0]}")]


def test_an_engine_that_was_started_again_is_told() -> None:
    house, kitchen, _ = stage()
    kitchen.report(error={"code": "engine_restarted", "track_id": QUEUE[0]})
    notices = [(one["level"], one["message"]) for one in house.events("notice")]
    assert notices == [("warning", "Kitchen had to start its player again")]


def test_music_that_goes_on_clears_the_reason_of_the_pause() -> None:
    house, kitchen, _ = stage()
    kitchen.leave()
    assert house.state()["paused_reason"] == "device_offline"
    kitchen.register(resume=True)
    assert house.state()["paused_reason"] == "device_offline"
    kitchen.report(is_playing=True)
    assert house.state()["paused_reason"] is None


def test_the_latest_16_applied_ids_are_shown() -> None:
    house, kitchen, phone = stage()
    requests = []
    for number in range(20):
        requests.append(phone.command("seek", position_ms=number))
        kitchen.report(applied=requests[-1:], position_ms=number)
    assert house.state()["applied"] == requests[-limits.APPLIED_IDS :]


def test_before_any_device_was_active_the_state_is_empty() -> None:
    house = House()
    answer = house.stranger().register()
    assert answer is not None
    state = answer["current_state"]
    assert state == {
        "device_id": None,
        "track_id": None,
        "position_ms": 0,
        "position_at": 0,
        "is_playing": False,
        "queue": [],
        "queue_position": 0,
        "volume": 1.0,
        "shuffle": False,
        "repeat_mode": "off",
        "duration_ms": None,
        "updated_at": 0,
        "epoch": 0,
        "sequence": 0,
        "queue_rev": 0,
        "paused_reason": None,
        "error": None,
        "applied": [],
    }


def test_nothing_of_one_user_reaches_another() -> None:
    house, kitchen, phone = stage()
    bob = house.device("Elsewhere", user="bob")
    said = len(house.everyone["bob"])
    request = phone.command("pause")
    kitchen.report(applied=[request], is_playing=False)
    assert phone.statuses(bob.command("pause", id=request)) == ["accepted", "applied"]
    assert bob.statuses(request) == ["rejected/no_active_device"]
    assert len(house.everyone["bob"]) == said
    assert playback(house).is_playing is False
