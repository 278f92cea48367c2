"""A transfer that is asked for while the one before it is committed and its target has not started yet."""

import pytest

from coordinator.core.kit import QUEUE, House, Player
from soul_protocol import limits


def stage() -> tuple[House, Player, Player, Player, str]:
    """The attic was told to start and is silent; the kitchen, where the music was, is asked for it again."""
    house = House()
    kitchen, attic = house.device("Kitchen"), house.device("Attic")
    phone = house.device("Phone", can_render=False)
    kitchen.playing()
    first = phone.transfer(attic)
    transfer: str = attic.last("prepare_playback")["transfer_id"]
    attic.outcome("ready", transfer)
    house.pass_time(1_000)
    again = phone.transfer(kitchen)
    assert phone.statuses(first) == ["accepted", "superseded"]
    assert phone.statuses(again) == ["accepted"]
    return house, kitchen, attic, phone, transfer


def prepared(kitchen: Player) -> str:
    transfer: str = kitchen.last("prepare_playback")["transfer_id"]
    return transfer


def shown(house: House) -> tuple[object, object, object]:
    state = house.state()
    return state["device_id"], state["is_playing"], state["paused_reason"]


def test_a_target_that_never_started_is_not_shown_as_playing_once_the_second_failed() -> None:
    house, kitchen, attic, _, _ = stage()
    kitchen.outcome("failed", prepared(kitchen))
    assert shown(house) == (attic.id, True, None)  # it has its 5 s
    house.pass_time(limits.TRANSFER_STEP - 1_000)
    assert shown(house) == (attic.id, False, "playback_failed")
    assert house.state()["queue"] == QUEUE
    assert attic.executed()["command"] == {"type": "pause"}
    assert house.core.users["ann"].handover is None


def test_both_are_silent() -> None:
    house, _, attic, _, _ = stage()
    house.pass_time(limits.TRANSFER_STEP)
    assert shown(house) == (attic.id, False, "playback_failed")
    assert house.core.users["ann"].handover is None


@pytest.mark.parametrize("late", [False, True])
def test_a_target_that_starts_meanwhile_plays_on(late: bool) -> None:
    house, kitchen, attic, _, transfer = stage()
    if not late:
        attic.outcome("ready", transfer)  # repeated
        attic.outcome("started", transfer)
    kitchen.outcome("failed", prepared(kitchen))
    if late:
        attic.outcome("started", transfer)
    house.pass_time(2 * limits.TRANSFER_STEP)
    assert shown(house) == (attic.id, True, None)
    assert house.store.of("ann").load().transfer is None


def test_a_target_that_says_that_it_cannot_is_paused_and_the_second_goes_on() -> None:
    house, kitchen, attic, phone, transfer = stage()
    attic.outcome("failed", transfer)
    assert shown(house) == (attic.id, False, "playback_failed")
    kitchen.outcome("ready", prepared(kitchen))
    assert (house.state()["device_id"], house.state()["epoch"]) == (kitchen.id, 3)
    kitchen.outcome("started", prepared(kitchen))
    assert house.store.of("ann").load().transfer is None
    assert phone.last("command_result")["status"] == "applied"


def test_the_second_that_is_committed_is_the_only_one_waited_for() -> None:
    house, kitchen, attic, _, transfer = stage()
    kitchen.outcome("ready", prepared(kitchen))
    assert attic.last("stop_playback")["reason"] == "transferred"
    saved = house.store.of("ann").load().transfer
    assert saved is not None
    assert saved.id == prepared(kitchen)
    attic.outcome("started", transfer)  # too late
    kitchen.outcome("started", prepared(kitchen))
    house.pass_time(2 * limits.TRANSFER_STEP)
    assert shown(house) == (kitchen.id, True, None)


def test_to_where_it_starts_ends_the_second_and_the_start_is_waited_for() -> None:
    house, kitchen, attic, phone, _ = stage()
    house.pass_time(1_000)
    stays = phone.transfer(attic)
    assert phone.statuses(stays)[-1] == "applied"
    assert kitchen.last("stop_playback")["reason"] == "aborted"
    house.pass_time(limits.TRANSFER_STEP - 2_000)
    assert shown(house) == (attic.id, False, "playback_failed")


def test_a_claim_ends_both() -> None:
    house, kitchen, _, _, _ = stage()
    kitchen.claim()
    assert house.core.users["ann"].handover is None
    assert house.store.of("ann").load().transfer is None
    house.pass_time(2 * limits.TRANSFER_STEP)
    assert shown(house) == (kitchen.id, True, None)


def test_start_and_stop_are_sent_again_to_both_and_the_preparation_too() -> None:
    house, kitchen, attic, _, _ = stage()
    kitchen.register()
    assert kitchen.last("stop_playback")["reason"] == "transferred"
    assert len(kitchen.all("prepare_playback")) == 2
    attic.lose()
    house.pass_time(limits.LOSS_GRACE)
    attic.register()
    assert len(attic.all("start_playback")) == 2
    assert shown(house) == (attic.id, True, None)


def test_a_third_one_waits_for_the_first_still() -> None:
    house, _, attic, phone, _ = stage()
    bath = house.device("Bath")
    house.pass_time(1_000)
    phone.transfer(bath)
    assert shown(house) == (attic.id, True, None)
    house.pass_time(limits.TRANSFER_STEP)
    assert shown(house) == (attic.id, False, "playback_failed")


@pytest.mark.parametrize("silent", [False, True])
def test_after_a_restart_the_start_is_sent_again_and_waited_for(silent: bool) -> None:
    house, _, attic, _, transfer = stage()
    house.start()
    assert len(attic.all("start_playback")) == 2
    attic.register(again=True)
    if not silent:
        attic.outcome("started", transfer)
    house.pass_time(limits.TRANSFER_RESTART)
    assert shown(house) == ((attic.id, False, "playback_failed") if silent else (attic.id, True, None))


@pytest.mark.parametrize("which", ["Attic", "Kitchen"])
def test_a_device_that_is_deleted_meanwhile(which: str) -> None:
    house, kitchen, attic, phone, _ = stage()
    gone = attic if which == "Attic" else kitchen
    phone.ask("manage", "delete_device", device_id=gone.id)
    assert gone.id not in repr(house.store.of("ann").load().transfer)
    house.pass_time(limits.TRANSFER_STEP)
    left = (None, False, "device_deleted") if gone is attic else (attic.id, False, "playback_failed")
    assert shown(house) == left
    assert house.core.users["ann"].handover is None
