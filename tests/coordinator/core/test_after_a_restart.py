"""What was asked for before the coordinator was killed counts after it, too."""

import pytest

from coordinator.core.kit import House, Player
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
