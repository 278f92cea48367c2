"""Privacy: what is deleted leaves nothing behind, and nobody hears its name again."""

import json

import pytest

from coordinator.core.kit import QUEUE, House, Player
from soul_coordinator.core.effects import CloseConnection, Reply
from soul_coordinator.core.events import DeletionRequested
from soul_coordinator.core.values import Address
from soul_protocol import limits


def stage() -> tuple[House, Player, Player]:
    house = House()
    kitchen, phone = house.device("Kitchen"), house.device("Phone")
    kitchen.playing()
    house.pass_time(2_000)
    kitchen.report(position_ms=2_000)
    return house, kitchen, phone


def delete(by: Player, device: Player) -> str:
    return by.ask("manage", "delete_device", device_id=device.id)


def traces(house: House, device: Player) -> str:
    """Everything saved and shown, if the device is in it."""
    shown = json.dumps([house.state(), *house.devices().values()])
    kept = repr(house.store.of("ann")) + repr(house.store.of("ann").__dict__) + shown
    return kept if device.id in kept else ""


def test_deleting_the_active_device_keeps_the_queue_and_nothing_else_of_it() -> None:
    house, kitchen, phone = stage()
    house.pass_time(1_000)
    request = delete(phone, kitchen)
    assert phone.statuses(request) == ["applied"]
    state = house.state()
    assert (state["device_id"], state["is_playing"], state["epoch"]) == (None, False, 2)
    assert (state["paused_reason"], state["queue"]) == ("device_deleted", QUEUE)
    assert state["position_ms"] == 3_000
    assert kitchen.last("stop_playback")["epoch"] == 2
    assert house.events("device_offline")[-1] == {
        "type": "device_offline",
        "device_id": kitchen.id,
        "reason": "deleted",
    }
    assert set(house.devices()) == {"Phone"}
    assert traces(house, kitchen) == ""


def test_deleting_another_device_leaves_the_music_alone() -> None:
    house, kitchen, phone = stage()
    sequence = house.state()["sequence"]
    kitchen.ask("manage", "delete_device", device_id=phone.id)
    assert house.state()["sequence"] == sequence
    assert phone.all("stop_playback") == []


def test_commands_that_wait_for_it_end() -> None:
    house, kitchen, phone = stage()
    waiting = phone.command("pause")
    delete(phone, kitchen)
    assert phone.statuses(waiting) == ["accepted", "rejected/device_not_found"]
    assert house.store.of("ann").pending == {}


@pytest.mark.parametrize("end", ["applied", "refused", "timeout"])
def test_what_it_asked_of_others_goes_on_without_its_name(end: str) -> None:
    house, kitchen, phone = stage()
    bath = house.device("Bath")
    request = phone.command("pause")
    other = bath.command("seek", position_ms=5)
    delete(bath, phone)
    heard = len(phone.heard)
    assert traces(house, phone) == ""
    if end == "applied":
        kitchen.report(applied=[request], is_playing=False)
        assert house.state()["is_playing"] is False
    elif end == "refused":
        kitchen.report(refused=[{"id": request, "code": "unsupported"}])
    else:
        house.pass_time(limits.COMMAND_LIFETIME)
    assert len(phone.heard) == heard
    assert request not in {one.id for one in house.core.users["ann"].pending.values()}
    assert bath.statuses(other)[0] == "accepted"
    assert traces(house, phone) == ""


def test_the_connection_is_closed_after_the_answer_went_out() -> None:
    house, kitchen, phone = stage()
    effects = house.tell(DeletionRequested(Address("ann", "device", phone.id), phone.new_id(), kitchen.id))
    kinds = [type(one) for one in effects]
    assert kinds[-1] is CloseConnection
    assert kinds.index(Reply) < kinds.index(CloseConnection)
    assert house.closed == [("ann", kitchen.id, "deleted")]


def test_a_device_may_delete_itself_and_hears_that_it_was_done() -> None:
    house, kitchen, _ = stage()
    request = delete(kitchen, kitchen)
    assert kitchen.statuses(request) == ["applied"]
    assert traces(house, kitchen) == ""
    assert house.closed == [("ann", kitchen.id, "deleted")]


def test_what_a_deleted_device_still_says_is_not_heard() -> None:
    house, kitchen, phone = stage()
    delete(phone, kitchen)
    heard = len(kitchen.heard)
    kitchen.ping()
    kitchen.report(position_ms=5)
    kitchen.lose()
    assert kitchen.register() is None
    assert len(kitchen.heard) == heard
    assert set(house.devices()) == {"Phone"}
    assert traces(house, kitchen) == ""


def test_an_offline_device_is_deleted_without_an_event() -> None:
    house, kitchen, phone = stage()
    kitchen.leave()
    told = len(house.events("device_offline"))
    assert phone.statuses(delete(phone, kitchen)) == ["applied"]
    assert len(house.events("device_offline")) == told
    assert set(house.devices()) == {"Phone"}


def test_another_users_device_is_not_found() -> None:
    house, _, phone = stage()
    other = house.device("Elsewhere", user="bob")
    assert phone.statuses(delete(phone, other)) == ["rejected/device_not_found"]
    rename = phone.ask("manage", "rename_device", device_id=other.id, name="Mine")
    assert phone.statuses(rename) == ["rejected/device_not_found"]
    assert set(house.devices("bob")) == {"Elsewhere"}


def test_what_is_held_back_of_a_deleted_device_does_not_come_back() -> None:
    house, kitchen, phone = stage()
    for number in range(limits.STATES_PER_SECOND + 2):
        kitchen.report(position_ms=10_000 * number)
    delete(phone, kitchen)
    sequence = house.state()["sequence"]
    house.pass_time(limits.MINUTE)
    assert house.state()["sequence"] == sequence
    assert traces(house, kitchen) == ""
