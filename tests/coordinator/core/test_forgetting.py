"""Why a device is forgotten, and what that means: for its tokens, its connection, its name."""

import json

from coordinator.core.kit import QUEUE, House
from soul_coordinator.core.effects import CloseConnection, ForgetDevice
from soul_coordinator.core.events import DeadlineReached, UserRemoved
from soul_protocol import limits


def test_the_store_is_told_who_was_deleted_unseen_or_ended() -> None:
    house = House()
    kitchen, attic = house.device("Kitchen"), house.device("Attic")
    guest = house.stranger("Guest", node="guest")
    house.invite(guest, lasts=limits.HOUR)
    guest.register()
    told: list[tuple[str, str]] = []
    commit = house.store.of("ann").apply

    def note(save: object) -> None:
        if isinstance(save, ForgetDevice):
            told.append((save.device, save.why))
        commit(save)  # type: ignore[arg-type]

    house.store.of("ann").apply = note  # type: ignore[method-assign]
    kitchen.ask("manage", "delete_device", device_id=kitchen.id)
    attic.leave()
    house.pass_time(limits.HOUR)
    house.pass_time(limits.DEVICE_KEPT)
    assert told == [(kitchen.id, "deleted"), (guest.id, "ended"), (attic.id, "unseen")]


def test_who_was_not_seen_for_a_month_has_nothing_to_close_and_may_come_back() -> None:
    house = House()
    kitchen = house.device()
    kitchen.leave()
    house.pass_time(limits.DEVICE_KEPT - 1)
    assert "Kitchen" in house.devices()
    house.pass_time(1)
    assert house.devices() == {}
    assert house.closed == []
    assert kitchen.register() is not None
    assert "Kitchen" in house.devices()


def test_an_answer_that_quotes_a_device_loses_its_name_with_it() -> None:
    house = House()
    kitchen, attic = house.device("Kitchen").playing(QUEUE), house.device("Gramophone")
    lost, failed = kitchen.transfer(attic), None
    attic.leave()
    assert "Gramophone" in kitchen.results(lost)[-1]["message"]
    attic.register()
    house.pass_time(limits.SECOND)
    failed = kitchen.transfer(attic)
    attic.outcome("failed", attic.last("prepare_playback")["transfer_id"], reason="Gramophone has no needle")
    assert kitchen.results(failed)[-1]["message"] == "Gramophone has no needle"
    kitchen.ask("manage", "delete_device", device_id=attic.id)
    assert "Gramophone" not in repr(house.store.of("ann").load())
    for request in (lost, failed):
        kitchen.transfer(attic, id=request)
        assert kitchen.statuses(request)[-1] == "rejected/transfer_failed"
        assert "Gramophone" not in kitchen.results(request)[-1]["message"]


def test_a_forgotten_requester_is_no_longer_in_the_transfer_that_it_asked_for() -> None:
    house = House()
    kitchen, attic, phone = (
        house.device("Kitchen").playing(QUEUE),
        house.device("Attic"),
        house.device("Phone"),
    )
    phone.transfer(attic)
    attic.outcome("ready", attic.last("prepare_playback")["transfer_id"])
    phone.ask("manage", "delete_device", device_id=phone.id)
    saved, handover = house.store.of("ann").load().transfer, house.core.users["ann"].handover
    assert saved is not None
    assert handover is not None
    assert handover.committed == saved
    assert (saved.requester, saved.request, saved.source) == (None, None, kitchen.id)
    assert phone.id not in json.dumps(house.state())


def test_a_removed_users_connections_are_closed_with_the_moment_of_the_removal() -> None:
    house = House()
    house.device()
    effects = house.tell(UserRemoved("ann", at=123))
    assert effects[-1] == CloseConnection("ann", None, "deleted", at=123)
    assert house.core.handle(DeadlineReached(), now=house.now) == ()
