"""What was asked for before the coordinator was killed counts after it, too."""

from typing import Any

import pytest

from coordinator.core.kit import START, House, Player
from soul_coordinator.core.records import Pending, Receipt, UserRecord
from soul_coordinator.core.user import ANY_COMMAND, User
from soul_coordinator.core.values import Address
from soul_protocol import limits


def own_plays(device: Player) -> list[object]:
    """The coordinator's own `play` commands."""
    orders = [one for one in device.all("execute_command") if one["from_device"] == "coordinator"]
    return [one for one in orders if one["command"]["type"] == "play"]


def stage() -> tuple[House, Player, Player]:
    house = House()
    kitchen, phone = house.device("Kitchen"), house.device("Phone", can_render=False)
    kitchen.playing()
    house.pass_time(1_000)
    kitchen.report(position_ms=1_000)
    house.pass_time(100)
    return house, kitchen, phone


@pytest.mark.parametrize("kind", ["pause", "stop"])
def test_no_music_for_who_asked_for_silence_before_the_kill(kind: str) -> None:
    house, kitchen, phone = stage()
    request = phone.command(kind)
    kitchen.say("state", "state_update", conn=kitchen.conn, seq=99, epoch=1, state=kitchen.picture())
    house.start()
    kitchen.register(resume=True, last_known_state=kitchen.picture(is_playing=False) | {"epoch": 1})
    assert kitchen.executed()["id"] == request
    assert own_plays(kitchen) == []


def test_no_music_by_itself_though_the_command_came_before_the_kill() -> None:
    house, kitchen, phone = stage()
    kitchen.lose()
    phone.command("next")
    house.start()
    house.pass_time(limits.RESTART_GRACE + limits.COMMAND_LIFETIME)
    kitchen.register(resume=True)
    assert own_plays(kitchen) == []


def test_music_that_nobody_asked_to_stop_starts_again_after_the_kill() -> None:
    house, kitchen, phone = stage()
    phone.command("next")
    house.pass_time(1_000)
    kitchen.report(applied=[kitchen.executed()["id"]], queue_position=1, position_ms=0)
    house.start()
    kitchen.register(resume=True)
    assert len(own_plays(kitchen)) == 1


def test_a_claim_that_was_saved_and_not_told_plays_on() -> None:
    house, kitchen, phone = stage()
    attic = house.device("Attic")
    phone.command("seek", position_ms=5_000)
    attic.playing()
    house.start()
    answer = attic.register(resume=True)
    assert answer is not None
    assert answer["should_resume"] is True
    assert len(own_plays(attic)) == 1
    assert kitchen.executed()["command"]["type"] == "seek"


@pytest.mark.parametrize(("kind", "fields"), [("set_volume", {"volume": 0.25}), ("seek", {"position_ms": 7})])
def test_the_newest_of_its_class_is_known_though_it_still_waits(kind: str, fields: dict[str, Any]) -> None:
    house, kitchen, phone = stage()
    newer = phone.command(kind, issued_at=house.now, **fields)
    house.start()
    for device in (kitchen, phone):
        device.register()
    late = phone.command(kind, issued_at=house.now - 10, **fields)
    assert phone.statuses(late) == ["superseded"]
    assert phone.statuses(phone.command(kind, id=newer, **fields)) == ["accepted", "accepted"]
    kitchen.report(applied=[newer])
    house.start()
    for device in (kitchen, phone):
        device.register()
    assert phone.statuses(phone.command(kind, issued_at=house.now - 10, **fields)) == ["superseded"]


def test_the_coordinators_own_play_is_nobodys_command_after_the_kill() -> None:
    house, kitchen, phone = stage()
    kitchen.lose()
    house.pass_time(limits.LOSS_GRACE)
    kitchen.register(resume=True)
    (own,) = own_plays(kitchen)
    house.start()
    assert ANY_COMMAND not in house.core.users["ann"].issued
    kitchen.register()
    assert own_plays(kitchen) == [own, own]
    assert phone.all("command_result") == []


def test_a_volume_asked_for_before_another_began_to_render_is_no_command_to_that() -> None:
    house, kitchen, phone = stage()
    attic = house.device("Attic")
    phone.command("set_volume", to=kitchen, volume=0.25)
    attic.playing()
    before = dict(house.core.users["ann"].issued)
    house.start()
    assert house.core.users["ann"].issued == before
    assert ANY_COMMAND not in before


def test_what_still_waits_when_the_state_is_purged_counts_on() -> None:
    house, kitchen, phone = stage()
    attic = house.device("Attic")
    kitchen.lose()
    house.pass_time(limits.RESUME_WITHIN - 1_000)
    for device in (attic, phone):
        device.register()
    phone.command("set_volume", to=attic, volume=0.25)
    asked = house.now
    house.pass_time(2_000)
    assert house.state()["queue"] == []
    assert house.core.users["ann"].issued == {ANY_COMMAND: asked}
    house.start()
    assert house.core.users["ann"].issued == {ANY_COMMAND: asked}


def test_answers_of_before_pending_commands_carried_them_are_kept() -> None:
    asker, request = Address("ann", "device", "1"), "r"
    answer = Receipt(asker, request, "accepted", None, None, None, None, START)
    pending = Pending(asker, request, "gone", {"type": "set_volume"}, None, 0, START, START + 5_000, 1)
    user = User.restored(UserRecord("ann", receipts=(answer,), pending=(pending,)), restart_until=START)
    assert user.receipts == {"1": {request: answer}}
