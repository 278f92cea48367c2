"""Two hardware players with one identity: a folder of `soul-connect provision` that was copied to both."""

from pathlib import Path

from firmware.houses import House
from firmware.pocket import Pocket, pocket
from waiting import until

TROUBLE = "status trouble this id is in use elsewhere"


def test_one_of_two_with_the_same_id_gives_way_until_someone_presses_a_button(
    house: House, user: str, tmp_path: Path
) -> None:
    token = house.account(user)
    with pocket(house, tmp_path, user, token, engine="simulated") as first:
        second = Pocket(tmp_path / "other" / "flash", first.config)
        try:
            players = (first, second)
            until(lambda: any(TROUBLE in each.process.lines for each in players), seconds=30)
            gave_way = first if TROUBLE in first.process.lines else second
            stays = second if gave_way is first else first
            seen = len(stays.process.lines)
            until(lambda: any("idle" in line for line in stays.process.lines[-3:]), seconds=15)
            assert gave_way.process.lines[-1] == TROUBLE
            assert gave_way.process.returncode is None
            # As a reset does: on the chip it starts again.
            gave_way.press("play", lambda: "machine reset" in gave_way.process.lines)
            assert TROUBLE not in stays.process.lines[seen:]
        finally:
            second.process.kill()
