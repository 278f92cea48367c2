"""Transfers and claims: every way in which the music moves, or does not."""

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


def test_two_phases_carry_the_position_to_the_instant_of_the_commit() -> None:
    house, kitchen, attic, phone = stage()
    house.pass_time(4_000)
    request = phone.transfer(attic)
    prepared = attic.last("prepare_playback")
    assert (prepared["epoch"], prepared["state"]["position_ms"]) == (1, 4_000)
    assert house.state()["device_id"] == kitchen.id
    house.pass_time(1_500)
    transfer = ready(attic)
    started = attic.last("start_playback")
    assert (started["epoch"], started["state"]["position_ms"]) == (2, 5_500)
    assert started["state"]["is_playing"]
    assert started["state"]["volume"] == attic.volume
    stopped = kitchen.last("stop_playback")
    assert (stopped["epoch"], stopped["reason"]) == (2, "transferred")
    assert phone.statuses(request) == ["accepted"]
    attic.outcome("started", transfer)
    assert phone.results(request)[-1] | {"sequence": 0} == {
        "type": "command_result",
        "id": request,
        "status": "applied",
        "sequence": 0,
        "epoch": 2,
    }
    assert request in house.state()["applied"]
    assert house.state()["queue"] == QUEUE


def test_commands_meanwhile_go_to_the_source() -> None:
    _, kitchen, attic, phone = stage()
    phone.transfer(attic)
    pause = phone.command("pause")
    assert kitchen.executed()["id"] == pause
    kitchen.report(applied=[pause], is_playing=False)
    ready(attic)
    assert attic.last("start_playback")["state"]["is_playing"] is False  # `keep` is as it is at the commit


@pytest.mark.parametrize("how", ["silent", "failed", "lost"])
def test_before_the_commit_a_failure_leaves_the_source_untouched(how: str) -> None:
    house, kitchen, attic, phone = stage()
    before = house.core.users["ann"].playback
    request = phone.transfer(attic)
    if how == "silent":
        house.pass_time(limits.TRANSFER_STEP)
    elif how == "failed":
        attic.outcome("failed", attic.last("prepare_playback")["transfer_id"], reason="no such file")
    else:
        attic.lose()
        house.pass_time(limits.TRANSFER_STEP)
    assert phone.statuses(request) == ["accepted", "rejected/transfer_failed"]
    assert house.core.users["ann"].playback == before
    assert kitchen.all("stop_playback") == []
    if how != "lost":
        assert attic.last("stop_playback")["reason"] == "aborted"
    # Ready after all: nobody starts it.
    attic.register()
    ready(attic)
    assert attic.all("start_playback") == []
    assert attic.last("stop_playback")["reason"] == "aborted"


def test_after_the_commit_there_is_no_way_back() -> None:
    house, _, attic, phone = stage()
    request = phone.transfer(attic)
    transfer = ready(attic)
    house.pass_time(limits.TRANSFER_STEP)
    assert phone.statuses(request) == ["accepted", "rejected/transfer_failed"]
    state = house.state()
    assert (state["device_id"], state["is_playing"], state["epoch"]) == (attic.id, False, 2)
    assert state["paused_reason"] == "playback_failed"
    attic.outcome("started", transfer)
    assert phone.statuses(request) == ["accepted", "rejected/transfer_failed"]


def test_a_source_that_is_gone_or_none_does_not_block() -> None:
    house, kitchen, attic, phone = stage()
    house.pass_time(3_000)
    kitchen.leave()
    request = phone.transfer(attic, options={"play": "play"})
    transfer = ready(attic)
    attic.outcome("started", transfer)
    assert phone.statuses(request) == ["accepted", "applied"]
    empty = House()
    alone = empty.device("Alone")
    request = alone.transfer(alone)
    alone.outcome("started", ready(alone))
    assert alone.statuses(request) == ["accepted", "applied"]
    assert empty.state()["is_playing"] is False
    assert empty.state()["device_id"] == alone.id


def test_to_the_active_device_it_is_done_at_once_and_options_are_honoured() -> None:
    _, kitchen, _, phone = stage()
    request = phone.transfer(kitchen, options={"play": "pause", "position_ms": 9})
    assert phone.statuses(request) == ["applied"]
    kinds = [one["command"]["type"] for one in kitchen.all("execute_command")]
    assert kinds == ["seek", "pause"]
    assert kitchen.executed()["from_device"] == "coordinator"


def test_where_it_cannot_go() -> None:
    house, _, attic, phone = stage()
    assert phone.statuses(phone.transfer(phone)) == ["rejected/unsupported"]
    house.pass_time(limits.SECOND)
    attic.leave()
    assert phone.statuses(phone.transfer(attic)) == ["rejected/device_offline"]
    house.pass_time(limits.SECOND)
    request = phone.ask("transfer", "transfer_playback", to_device="00000000-0000-4000-8000-00000000ffff")
    assert phone.statuses(request) == ["rejected/device_not_found"]


def test_one_transfer_a_second() -> None:
    _, _, attic, phone = stage()
    phone.transfer(attic)
    second = phone.transfer(attic)
    assert phone.statuses(second) == []
    error = phone.last("error")
    assert (error["code"], error["id"]) == ("rate_limited", second)
    assert 0 < error["retry_after_ms"] <= 1_000


@pytest.mark.parametrize("committed", [False, True])
def test_a_second_transfer_supersedes_a_pending_one(committed: bool) -> None:
    house, kitchen, attic, phone = stage()
    bath = house.device("Bath")
    first = phone.transfer(attic)
    if committed:
        ready(attic)
    house.pass_time(limits.SECOND)
    second = phone.transfer(bath)
    assert phone.statuses(first) == ["accepted", "superseded"]
    bath.outcome("started", ready(bath))
    assert phone.statuses(second) == ["accepted", "applied"]
    assert house.state()["device_id"] == bath.id
    loser = attic if committed else kitchen
    assert loser.last("stop_playback")["reason"] == "transferred"


def test_a_claim_takes_over_and_supersedes() -> None:
    house, kitchen, attic, phone = stage()
    bath = house.device("Bath")
    transfer = phone.transfer(attic)
    request = bath.claim(["x", "y"], 1, position_ms=700)
    assert phone.statuses(transfer) == ["accepted", "superseded"]
    assert bath.results(request)[-1]["epoch"] == 2
    assert kitchen.last("stop_playback")["reason"] == "claimed"
    state = house.state()
    assert (state["device_id"], state["track_id"], state["position_ms"]) == (bath.id, "y", 700)
    assert state["queue"] == ["x", "y"]
    # The active device's own claim changes no epoch.
    again = bath.claim(["x", "y"], 0)
    assert bath.results(again)[-1]["epoch"] == 2
    assert phone.statuses(phone.claim()) == ["rejected/unsupported"]


@pytest.mark.parametrize("started", [False, True])
def test_a_committed_transfer_survives_the_coordinator(started: bool) -> None:
    house, kitchen, attic, phone = stage()
    request = phone.transfer(attic)
    transfer = ready(attic)
    if started:
        attic.outcome("started", transfer)
    house.start()
    starts = len(attic.all("start_playback"))
    assert starts == (1 if started else 2)
    assert len(kitchen.all("stop_playback")) == starts
    kitchen.register(again=True)
    phone.register(again=True)
    attic.register(again=True)
    if not started:
        attic.outcome("started", transfer)
    phone.transfer(attic, id=request)
    assert phone.statuses(request)[-1] == "applied"
    assert house.state()["device_id"] == attic.id


def test_an_uncommitted_transfer_dies_with_the_coordinator() -> None:
    house, kitchen, attic, phone = stage()
    phone.transfer(attic)
    transfer = attic.last("prepare_playback")["transfer_id"]
    house.start()
    for device in (kitchen, attic, phone):
        device.register(again=True, resume=device is kitchen)
    attic.outcome("ready", transfer)
    assert attic.all("start_playback") == []
    assert house.state()["device_id"] == kitchen.id


def test_a_set_queue_for_another_device_is_a_transfer_that_plays() -> None:
    house, kitchen, attic, phone = stage()
    kitchen.report(is_playing=False)
    request = phone.command("set_queue", to=attic, tracks=["n1", "n2"], start_index=1)
    prepared = attic.last("prepare_playback")["state"]
    assert (prepared["queue"], prepared["queue_position"]) == (["n1", "n2"], 1)
    assert prepared["is_playing"]
    assert house.state()["queue"] == QUEUE
    attic.outcome("started", ready(attic))
    assert phone.statuses(request) == ["accepted", "applied"]
    assert house.state()["queue"] == ["n1", "n2"]
    assert house.state()["track_id"] == "n2"
