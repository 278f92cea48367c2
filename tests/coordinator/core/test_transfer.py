"""Transfers that arrive: two phases, and what each tells whom."""

import pytest

from coordinator.core.kit import QUEUE, House, Player
from soul_protocol import limits


def stage() -> tuple[House, Player, Player, Player]:
    house = House()
    kitchen, attic = house.device("Kitchen"), house.device("Attic")
    phone = house.device("Phone", can_render=False)
    kitchen.playing()
    return house, kitchen, attic, phone


def ready(attic: Player) -> str:
    transfer: str = attic.last("prepare_playback")["transfer_id"]
    attic.outcome("ready", transfer)
    return transfer


def test_preparing_changes_nothing_yet() -> None:
    house, kitchen, attic, phone = stage()
    house.pass_time(4_000)
    before = house.state()
    request = phone.transfer(attic)
    prepared = attic.last("prepare_playback")
    assert (prepared["epoch"], prepared["state"]["position_ms"]) == (1, 4_000)
    assert prepared["state"]["queue"] == QUEUE
    assert phone.statuses(request) == ["accepted"]
    assert house.state() == before
    assert kitchen.all("stop_playback") == []


def test_the_commit_carries_the_position_to_its_instant_and_tells_both() -> None:
    house, kitchen, attic, phone = stage()
    house.pass_time(4_000)
    request = phone.transfer(attic)
    house.pass_time(1_500)
    sequence = house.state()["sequence"]
    transfer = ready(attic)
    started = attic.last("start_playback")
    assert (started["transfer_id"], started["epoch"]) == (transfer, 2)
    assert (started["state"]["position_ms"], started["state"]["position_at"]) == (5_500, house.now)
    assert started["state"]["is_playing"] is True
    stopped = kitchen.last("stop_playback")
    assert (stopped["epoch"], stopped["reason"], stopped["transfer_id"]) == (2, "transferred", transfer)
    state = house.state()
    assert (state["device_id"], state["epoch"], state["sequence"]) == (attic.id, 2, sequence + 1)
    assert house.store.of("ann").playback.epoch == 2
    assert phone.statuses(request) == ["accepted"]


def test_started_is_told_to_all_and_then_applied() -> None:
    house, _, attic, phone = stage()
    request = phone.transfer(attic)
    transfer = ready(attic)
    sequence = house.state()["sequence"]
    attic.outcome("started", transfer)
    state = house.state()
    assert (state["sequence"], state["applied"][-1]) == (sequence + 1, request)
    assert phone.results(request)[1:] == [
        {
            "type": "command_result",
            "id": request,
            "status": "applied",
            "sequence": sequence + 1,
            "epoch": 2,
        }
    ]
    assert state["queue"] == QUEUE
    assert house.store.of("ann").record.transfer is None


def test_commands_meanwhile_go_to_the_source_and_the_start_has_their_end() -> None:
    _, kitchen, attic, phone = stage()
    phone.transfer(attic)
    pause = phone.command("pause")
    step = phone.command("next")
    assert [one["id"] for one in kitchen.all("execute_command")] == [pause, step]
    kitchen.report(applied=[pause, step], is_playing=False, queue_position=1)
    ready(attic)
    start = attic.last("start_playback")["state"]
    assert (start["is_playing"], start["queue_position"], start["track_id"]) == (False, 1, QUEUE[1])


@pytest.mark.parametrize(
    ("was_playing", "play", "plays"),
    [
        (True, "keep", True),
        (False, "keep", False),
        (False, "play", True),
        (True, "pause", False),
        (True, None, True),
    ],
)
def test_keep_play_and_pause(was_playing: bool, play: str | None, plays: bool) -> None:
    house, kitchen, attic, phone = stage()
    kitchen.report(is_playing=was_playing, position_ms=7_000)
    options = {} if play is None else {"options": {"play": play}}
    phone.transfer(attic, **options)
    attic.outcome("started", ready(attic))
    state = house.state()
    assert (state["is_playing"], state["position_ms"]) == (plays, 7_000)
    assert attic.last("start_playback")["state"]["is_playing"] is plays


def test_keep_is_playing_or_not_at_the_commit() -> None:
    _, kitchen, attic, phone = stage()
    phone.transfer(attic)
    kitchen.report(is_playing=False)
    ready(attic)
    assert attic.last("start_playback")["state"]["is_playing"] is False


@pytest.mark.parametrize(("asked", "meant"), [(90_000, 90_000), (900_000, 200_000)])
def test_a_position_may_be_asked_for_and_ends_with_the_track(asked: int, meant: int) -> None:
    house, kitchen, attic, phone = stage()
    phone.transfer(attic, options={"position_ms": asked})
    ready(attic)
    assert attic.last("start_playback")["state"]["position_ms"] == meant
    assert house.state()["position_ms"] == meant
    kitchen.playing()
    kitchen.report(queue_position=1, duration_ms=None)
    house.pass_time(limits.SECOND)
    phone.transfer(attic, options={"position_ms": asked})
    ready(attic)
    assert attic.last("start_playback")["state"]["position_ms"] == asked


def test_a_volume_belongs_to_its_device() -> None:
    house, kitchen, attic, phone = stage()
    attic.idle(0.9)
    phone.transfer(attic)
    assert attic.last("prepare_playback")["state"]["volume"] == 0.9
    ready(attic)
    assert attic.last("start_playback")["state"]["volume"] == house.state()["volume"] == 0.9
    assert house.devices()["Kitchen"]["volume"] == kitchen.volume == 0.5


@pytest.mark.parametrize("how", ["offline", "deleted", "mid_way"])
def test_a_source_that_is_gone_does_not_block(how: str) -> None:
    house, kitchen, attic, phone = stage()
    house.pass_time(3_000)
    kitchen.report(position_ms=3_000)
    if how == "offline":
        kitchen.leave()
    elif how == "deleted":
        phone.ask("manage", "delete_device", device_id=kitchen.id)
    request = phone.transfer(attic, options={"play": "play"})
    if how == "mid_way":
        kitchen.leave()
    attic.outcome("started", ready(attic))
    assert phone.statuses(request) == ["accepted", "applied"]
    state = house.state()
    assert (state["device_id"], state["is_playing"], state["position_ms"]) == (attic.id, True, 3_000)
    assert (state["queue"], state["paused_reason"]) == (QUEUE, None)


def test_a_source_deleted_after_the_commit_is_nowhere_kept() -> None:
    house, kitchen, attic, phone = stage()
    request = phone.transfer(attic)
    transfer = ready(attic)
    phone.ask("manage", "delete_device", device_id=kitchen.id)
    assert kitchen.id not in repr(house.store.of("ann"))
    attic.outcome("started", transfer)
    assert phone.statuses(request) == ["accepted", "applied"]


def test_without_a_source_and_with_an_empty_queue_it_ends_paused() -> None:
    house = House()
    alone = house.device("Alone")
    request = alone.transfer(alone, options={"play": "play"})
    alone.outcome("started", ready(alone))
    assert alone.statuses(request) == ["accepted", "applied"]
    assert (house.state()["device_id"], house.state()["is_playing"]) == (alone.id, False)


def test_to_the_active_device_it_is_applied_at_once_and_options_are_honoured() -> None:
    house, kitchen, _, phone = stage()
    request = phone.transfer(kitchen, options={"play": "pause", "position_ms": 9})
    assert phone.statuses(request) == ["applied"]
    orders = kitchen.all("execute_command")
    assert [one["command"]["type"] for one in orders] == ["seek", "pause"]
    assert {one["from_device"] for one in orders} == {"coordinator"}
    kitchen.report(applied=[one["id"] for one in orders], is_playing=False, position_ms=9)
    house.pass_time(limits.SECOND)
    assert phone.statuses(phone.transfer(kitchen, options={"play": "play"})) == ["applied"]
    assert kitchen.executed()["command"] == {"type": "play"}
    assert kitchen.all("prepare_playback") == kitchen.all("stop_playback") == []


@pytest.mark.parametrize("play", ["keep", "play"])
def test_to_the_active_device_as_it_is_nothing_is_sent(play: str) -> None:
    house, kitchen, _, phone = stage()
    sequence = house.state()["sequence"]
    assert phone.statuses(phone.transfer(kitchen, options={"play": play})) == ["applied"]
    assert kitchen.all("execute_command") == []
    assert house.state()["sequence"] == sequence


def test_where_it_cannot_go() -> None:
    house, kitchen, attic, phone = stage()
    assert phone.statuses(phone.transfer(phone)) == ["rejected/unsupported"]
    attic.leave()
    assert phone.statuses(phone.transfer(attic)) == ["rejected/device_offline"]
    kitchen.leave()
    assert phone.statuses(phone.transfer(kitchen)) == ["rejected/device_offline"]
    request = phone.ask("transfer", "transfer_playback", to_device="00000000-0000-4000-8000-00000000ffff")
    assert phone.statuses(request) == ["rejected/device_not_found"]
    elsewhere = house.device("Elsewhere", user="bob")
    assert phone.statuses(phone.transfer(elsewhere)) == ["rejected/device_not_found"]
    assert house.core.users["ann"].handover is None


def test_one_transfer_a_second_a_user() -> None:
    house, kitchen, attic, phone = stage()
    first = phone.transfer(attic)
    second, third = phone.transfer(attic), kitchen.transfer(attic)
    assert phone.statuses(first) == ["accepted"]
    assert phone.statuses(second) == kitchen.statuses(third) == []
    assert (phone.last("error")["code"], phone.last("error")["id"]) == ("rate_limited", second)
    assert phone.last("error")["retry_after_ms"] == limits.SECOND
    house.pass_time(limits.SECOND)
    assert kitchen.statuses(kitchen.transfer(attic)) == ["accepted"]


# Claims


def test_a_claim_takes_the_music_here() -> None:
    house, kitchen, attic, _ = stage()
    request = attic.claim(["x", "y"], 1, position_ms=700, repeat_mode="all")
    assert attic.results(request) == [
        {
            "type": "command_result",
            "id": request,
            "status": "applied",
            "sequence": house.state()["sequence"],
            "epoch": 2,
        }
    ]
    stopped = kitchen.last("stop_playback")
    assert (stopped["epoch"], stopped["reason"]) == (2, "claimed")
    state = house.state()
    assert (state["device_id"], state["track_id"], state["position_ms"]) == (attic.id, "y", 700)
    assert (state["queue"], state["queue_rev"], state["repeat_mode"]) == (["x", "y"], 2, "all")
    assert state["applied"][-1] == request


def test_a_claim_without_a_queue_goes_on_with_the_one_there_is() -> None:
    house, _, attic, _ = stage()
    state = attic.picture(is_playing=True, queue_position=3)
    attic.ask("transfer", "claim_playback", state=state)
    assert (house.state()["queue"], house.state()["queue_rev"]) == (QUEUE, 1)
    assert house.state()["track_id"] == QUEUE[3]


def test_the_first_claim_makes_a_device_active() -> None:
    house = House()
    kitchen = house.device()
    kitchen.claim()
    assert (house.state()["device_id"], house.state()["epoch"], house.state()["queue"]) == (
        kitchen.id,
        1,
        QUEUE,
    )


def test_the_active_devices_own_claim_changes_no_epoch() -> None:
    house, kitchen, _, _ = stage()
    request = kitchen.claim(["x"], 0)
    assert kitchen.results(request)[-1]["epoch"] == house.state()["epoch"] == 1
    assert house.state()["queue"] == ["x"]
    assert kitchen.all("stop_playback") == []


def test_a_claim_while_shuffled_keeps_the_order_of_what_stays() -> None:
    house, kitchen, attic, phone = stage()
    on = phone.command("set_shuffle", enabled=True)
    shown = kitchen.executed()["command"]["queue"]
    kitchen.report(applied=[on], shuffle=True)
    attic.claim([*shown, "extra"], shuffle=True)
    phone.command("set_shuffle", enabled=False)
    assert attic.executed()["command"]["queue"] == [*QUEUE, "extra"]
    attic.claim(shown, shuffle=False)
    assert house.core.users["ann"].playback.order is None


def test_a_claim_too_old_or_by_one_that_cannot_render_changes_nothing() -> None:
    house, _, attic, phone = stage()
    before = house.core.users["ann"].playback
    assert phone.statuses(phone.claim()) == ["rejected/unsupported"]
    old = attic.claim(issued_at=house.now - limits.ISSUED_AT_MAX_AGE - 1)
    assert attic.statuses(old) == ["expired"]
    assert house.core.users["ann"].playback == before
    just = attic.claim(issued_at=house.now - limits.ISSUED_AT_MAX_AGE)
    assert attic.statuses(just) == ["applied"]
