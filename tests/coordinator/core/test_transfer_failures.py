"""Transfers that fail, are overtaken, or outlive the coordinator: one renderer an epoch, no queue lost."""

import pytest

from coordinator.core.kit import QUEUE, House, Player
from soul_coordinator.core.values import Playback
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


def playback(house: House) -> Playback:
    return house.core.users["ann"].playback


FAILED = ["accepted", "rejected/transfer_failed"]


# Before the commit


@pytest.mark.parametrize("how", ["silent", "failed", "goodbye", "killed"])
def test_before_the_commit_a_failure_leaves_the_source_untouched(how: str) -> None:
    house, kitchen, attic, phone = stage()
    before = playback(house)
    request = phone.transfer(attic)
    transfer = attic.last("prepare_playback")["transfer_id"]
    if how == "silent":
        house.pass_time(limits.TRANSFER_STEP - 1)
        assert phone.statuses(request) == ["accepted"]
        house.pass_time(1)
    elif how == "failed":
        attic.outcome("failed", transfer, reason="no such file")
        assert phone.results(request)[-1]["message"] == "no such file"
    elif how == "goodbye":
        attic.leave()
    else:
        attic.lose()
        house.pass_time(limits.LOSS_GRACE)
    assert phone.statuses(request) == FAILED
    assert playback(house) == before
    assert kitchen.all("stop_playback") == []
    aborted = attic.last("stop_playback")
    assert (aborted["reason"], aborted["transfer_id"], aborted["epoch"]) == ("aborted", transfer, 1)


def test_ready_after_an_abort_is_told_to_drop_it_and_starts_nothing() -> None:
    house, _, attic, phone = stage()
    request = phone.transfer(attic)
    house.pass_time(limits.TRANSFER_STEP)
    before, stops = playback(house), len(attic.all("stop_playback"))
    transfer = ready(attic)
    assert [one["reason"] for one in attic.all("stop_playback")[stops:]] == ["aborted"]
    assert attic.last("stop_playback")["transfer_id"] == transfer
    for late in ("started", "failed"):
        attic.outcome(late, transfer)
    assert attic.all("start_playback") == []
    assert playback(house) == before
    assert phone.statuses(request) == FAILED


def test_outcomes_of_another_transfer_or_device_change_nothing() -> None:
    house, kitchen, attic, phone = stage()
    request = phone.transfer(attic)
    transfer = attic.last("prepare_playback")["transfer_id"]
    before = playback(house)
    attic.outcome("failed", attic.new_id())
    kitchen.outcome("ready", transfer)
    kitchen.outcome("failed", transfer)
    attic.outcome("started", transfer)  # not before the commit
    assert playback(house) == before
    assert phone.statuses(request) == ["accepted"]
    ready(attic)
    after = playback(house)
    attic.outcome("ready", transfer)  # repeated
    assert playback(house) == after
    assert len(attic.all("start_playback")) == 1


def test_a_target_that_registers_again_is_asked_again() -> None:
    house, _, attic, phone = stage()
    request = phone.transfer(attic)
    attic.lose()
    attic.register()
    assert len(attic.all("prepare_playback")) == 2
    phone.register()
    attic.outcome("started", ready(attic))
    assert phone.statuses(request) == ["accepted", "applied"]
    assert house.state()["device_id"] == attic.id


def test_a_deleted_target_ends_its_transfer() -> None:
    house, _, attic, phone = stage()
    before = playback(house)
    request = phone.transfer(attic)
    phone.ask("manage", "delete_device", device_id=attic.id)
    assert phone.statuses(request) == FAILED
    assert playback(house) == before
    assert house.core.users["ann"].handover is None


@pytest.mark.parametrize("committed", [False, True])
@pytest.mark.parametrize("end", ["started", "failed", "superseded"])
def test_a_deleted_requester_leaves_its_transfer_to_itself(committed: bool, end: str) -> None:
    house, _, attic, phone = stage()
    bath = house.device("Bath")
    phone.transfer(attic)
    transfer: str = attic.last("prepare_playback")["transfer_id"]
    if committed:
        ready(attic)
    bath.ask("manage", "delete_device", device_id=phone.id)
    assert phone.id not in repr(house.store.of("ann"))
    heard = len(phone.heard)
    if not committed:
        ready(attic)
    if end == "superseded":
        bath.claim()
    else:
        attic.outcome(end, transfer)
    assert len(phone.heard) == heard
    assert phone.id not in repr(house.store.of("ann"))
    assert house.state()["device_id"] == (bath.id if end == "superseded" else attic.id)


def test_a_deleted_requester_of_what_failed_before_the_commit() -> None:
    house, kitchen, attic, phone = stage()
    phone.transfer(attic)
    kitchen.ask("manage", "delete_device", device_id=phone.id)
    heard = len(phone.heard)
    house.pass_time(limits.TRANSFER_STEP)
    assert len(phone.heard) == heard
    assert house.state()["device_id"] == kitchen.id


# After the commit


def test_started_that_never_comes_is_paused_on_the_target() -> None:
    house, _, attic, phone = stage()
    request = phone.transfer(attic)
    transfer = ready(attic)
    house.pass_time(limits.TRANSFER_STEP)
    assert phone.statuses(request) == FAILED
    state = house.state()
    assert (state["device_id"], state["is_playing"], state["epoch"]) == (attic.id, False, 2)
    assert (state["paused_reason"], state["queue"]) == ("playback_failed", QUEUE)
    assert attic.executed()["command"] == {"type": "pause"}  # it may play without saying so
    attic.outcome("started", transfer)
    assert phone.statuses(request) == FAILED


def test_failed_after_the_commit_is_paused_on_the_target() -> None:
    house, kitchen, attic, phone = stage()
    request = phone.transfer(attic)
    attic.outcome("failed", ready(attic), reason="no sound card")
    assert phone.statuses(request) == FAILED
    assert (house.state()["device_id"], house.state()["paused_reason"]) == (attic.id, "playback_failed")
    assert kitchen.last("stop_playback")["reason"] == "transferred"


@pytest.mark.parametrize("back", [False, True])
def test_a_target_that_dies_between_ready_and_started(back: bool) -> None:
    house, kitchen, attic, phone = stage()
    request = phone.transfer(attic)
    transfer = ready(attic)
    attic.lose()
    house.pass_time(4_000)
    assert not house.devices()["Attic"]["is_online"]
    assert phone.statuses(request) == ["accepted"]
    if back:
        attic.register()
        assert len(attic.all("start_playback")) == 2
        house.pass_time(limits.TRANSFER_STEP - 1)
        assert phone.statuses(request) == ["accepted"]
        attic.outcome("started", transfer)
        assert phone.statuses(request) == ["accepted", "applied"]
        assert house.state()["is_playing"] is True
    else:
        house.pass_time(1_000)
        assert phone.statuses(request) == FAILED
        state = house.state()
        assert (state["device_id"], state["is_playing"]) == (attic.id, False)
        assert (state["paused_reason"], state["queue"]) == ("playback_failed", QUEUE)
        assert attic.all("execute_command") == []
    # There is no way back to the source.
    assert kitchen.last("stop_playback")["reason"] == "transferred"


def test_a_deleted_target_after_the_commit_ends_the_transfer_and_keeps_the_queue() -> None:
    house, _, attic, phone = stage()
    request = phone.transfer(attic)
    ready(attic)
    phone.ask("manage", "delete_device", device_id=attic.id)
    assert phone.statuses(request) == FAILED
    state = house.state()
    assert (state["device_id"], state["epoch"], state["queue"]) == (None, 3, QUEUE)


def test_start_and_stop_are_sent_again_when_either_registers() -> None:
    house, kitchen, attic, phone = stage()
    phone.transfer(attic)
    transfer = ready(attic)
    stops = len(kitchen.all("stop_playback"))
    kitchen.register()
    assert len(kitchen.all("stop_playback")) == stops + 1
    assert len(attic.all("start_playback")) == 1
    house.pass_time(2_000)
    attic.register()
    assert len(attic.all("start_playback")) == 2
    assert len(kitchen.all("stop_playback")) == stops + 1
    # What it did not hear it did not play: the music starts where the commit left it.
    assert attic.last("start_playback")["state"]["position_ms"] == 0
    assert attic.last("start_playback")["state"]["position_at"] == house.now
    phone.register()
    attic.outcome("started", transfer)
    attic.register()
    kitchen.register()
    assert len(attic.all("start_playback")) == 2
    assert len(kitchen.all("stop_playback")) == stops + 1


def test_registrations_put_the_end_off_to_15_s_at_most() -> None:
    house, _, attic, phone = stage()
    request = phone.transfer(attic)
    ready(attic)
    for _ in range(4):
        house.pass_time(4_000)
        attic.register()
    assert phone.statuses(request) == FAILED


# Overtaken


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
    if not committed:
        assert attic.last("stop_playback")["reason"] == "aborted"
    bath.outcome("started", ready(bath))
    assert phone.statuses(second) == ["accepted", "applied"]
    assert house.state()["device_id"] == bath.id
    loser = attic if committed else kitchen
    assert loser.last("stop_playback")["reason"] == "transferred"


@pytest.mark.parametrize("committed", [False, True])
@pytest.mark.parametrize("claimant", ["Kitchen", "Attic", "Bath"])
def test_a_claim_supersedes_a_pending_transfer(committed: bool, claimant: str) -> None:
    house, kitchen, attic, phone = stage()
    bath = house.device("Bath")
    transfer = phone.transfer(attic)
    if committed:
        ready(attic)
    who = {"Kitchen": kitchen, "Attic": attic, "Bath": bath}[claimant]
    request = who.claim()
    assert phone.statuses(transfer) == ["accepted", "superseded"]
    assert who.statuses(request) == ["applied"]
    state = house.state()
    assert (state["device_id"], state["queue"]) == (who.id, QUEUE)
    house.pass_time(limits.MINUTE)
    assert house.state()["device_id"] == who.id
    assert phone.statuses(transfer) == ["accepted", "superseded"]


def test_a_transfer_back_to_the_source_ends_a_pending_one() -> None:
    house, kitchen, attic, phone = stage()
    first = phone.transfer(attic)
    house.pass_time(limits.SECOND)
    back = phone.transfer(kitchen)
    assert phone.statuses(first) == ["accepted", "superseded"]
    assert phone.statuses(back) == ["applied"]
    assert attic.last("stop_playback")["reason"] == "aborted"
    assert house.state()["device_id"] == kitchen.id


def test_a_transfer_to_where_it_starts_already_goes_on() -> None:
    house, _, attic, phone = stage()
    first = phone.transfer(attic)
    transfer = ready(attic)
    house.pass_time(limits.SECOND)
    second = phone.transfer(attic)
    assert phone.statuses(second) == ["applied"]
    attic.outcome("started", transfer)
    assert phone.statuses(first) == ["accepted", "applied"]


def test_play_where_nobody_is_active_supersedes_a_pending_transfer() -> None:
    house = House()
    kitchen, attic = house.device("Kitchen"), house.device("Attic")
    first = kitchen.transfer(attic)
    kitchen.command("set_queue", to=kitchen, tracks=QUEUE, start_index=0)
    assert kitchen.statuses(first) == ["accepted", "superseded"]
    assert house.state()["device_id"] == kitchen.id


def test_a_queue_changed_meanwhile_never_has_the_queue_rev_of_another() -> None:
    house, kitchen, attic, phone = stage()
    phone.command("set_queue", to=attic, tracks=["n"], start_index=0)
    kitchen.report(queue=QUEUE[:3])
    kitchen.report(queue=QUEUE[:2])
    rev = house.state()["queue_rev"]
    attic.outcome("started", ready(attic))
    assert (house.state()["queue"], house.state()["queue_rev"]) == (["n"], rev + 1)


# The coordinator is killed


@pytest.mark.parametrize("step", ["requested", "ready", "started"])
def test_the_coordinator_is_killed_after_any_step(step: str) -> None:
    house, kitchen, attic, phone = stage()
    request = phone.transfer(attic)
    transfer = attic.last("prepare_playback")["transfer_id"]
    if step != "requested":
        ready(attic)
    if step == "started":
        attic.outcome("started", transfer)
    attic.heard.clear()
    kitchen.heard.clear()
    house.start()
    committed = step == "ready"
    assert len(attic.all("start_playback")) == len(kitchen.all("stop_playback")) == committed
    kitchen.register(again=True)
    attic.register(again=True)
    phone.register(again=True)
    assert len(attic.all("start_playback")) == len(kitchen.all("stop_playback")) == 2 * committed
    if step == "requested":
        attic.outcome("ready", transfer)
        assert attic.all("start_playback") == []
        assert attic.last("stop_playback")["reason"] == "aborted"
    elif committed:
        attic.outcome("started", transfer)
    phone.transfer(attic, id=request)
    if step == "requested":
        attic.outcome("started", ready(attic))
    assert phone.statuses(request)[-1] == "applied"
    state = house.state()
    assert (state["device_id"], state["epoch"], state["queue"]) == (attic.id, 2, QUEUE)


@pytest.mark.parametrize("registers", [False, True])
def test_after_a_restart_a_committed_transfer_waits_15_s_at_most(registers: bool) -> None:
    house, _, attic, phone = stage()
    request = phone.transfer(attic)
    ready(attic)
    house.pass_time(2_000)
    house.start()
    house.pass_time(9_000)
    if registers:
        attic.register(again=True)
    phone.register(again=True)
    phone.transfer(attic, id=request)
    assert phone.statuses(request)[-1] == "accepted"
    house.pass_time(5_000)
    phone.transfer(attic, id=request)
    assert phone.statuses(request)[-1] == ("rejected/transfer_failed" if registers else "accepted")
    house.pass_time(1_000)
    phone.transfer(attic, id=request)
    assert phone.statuses(request)[-1] == "rejected/transfer_failed"
    assert house.state()["paused_reason"] == "playback_failed"


def test_a_transfer_whose_requester_was_deleted_survives_a_restart() -> None:
    house, kitchen, attic, phone = stage()
    phone.transfer(attic)
    transfer = ready(attic)
    kitchen.ask("manage", "delete_device", device_id=phone.id)
    house.start()
    attic.register(again=True)
    attic.outcome("started", transfer)
    assert house.state()["device_id"] == attic.id
    assert house.store.of("ann").record.transfer is None
