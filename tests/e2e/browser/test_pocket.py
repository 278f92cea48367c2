"""The hardware player on the page: listed, given the music by a click, and relieved of it again."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from e2e.browser.house import USER, House, open_house
from e2e.browser.screen import Screen
from firmware.houses import House as Home
from firmware.pocket import pocket
from waiting import until


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, demo_music: Path) -> Iterator[House]:
    """The demo, whose broker the player reaches over TLS."""
    with open_house(tmp_path_factory.mktemp("house"), demo_music, Home) as house:
        yield house


def test_the_page_plays_on_the_hardware_player_and_takes_the_music_back(
    screen: Screen, house: House, tmp_path: Path
) -> None:
    home = house.server
    assert isinstance(home, Home)
    with pocket(home, tmp_path, USER, home.token(USER), engine="simulated") as player:
        screen.button("Play").click()
        expect(screen.where).to_have_text("Playing on Kitchen")
        screen.pick("Pocket")
        expect(screen.where).to_have_text("Playing on Pocket")
        player.shows("playing")
        until(lambda: house.state.device_id == player.id and house.state.is_playing)
        assert house.device("Pocket").device_type == "dap"
        assert list(house.state.queue) == house.album
        position = house.state.position_ms
        screen.button("Next track").click()
        until(lambda: house.state.queue_position == 1, what=lambda: f"from {position}: {house.state}")
        count = len(player.process.lines)
        screen.pick("Kitchen")
        expect(screen.where).to_have_text("Playing on Kitchen")
        until(lambda: house.state.device_id == house.device("Kitchen").id and house.state.is_playing)
        player.shows("idle", after=count)
        assert house.state.queue_position == 1
    until(lambda: not house.device("Pocket").is_online, what="its power is off")


def test_that_its_power_failed_is_said_until_it_is_back(screen: Screen, house: House, tmp_path: Path) -> None:
    home = house.server
    assert isinstance(home, Home)
    token = home.token(USER)
    with pocket(home, tmp_path, USER, token, engine="simulated", name="Walkman") as player:
        screen.pick("Walkman")
        expect(screen.where).to_have_text("Paused on Walkman")
        trouble = screen.page.locator(".trouble")
        expect(trouble).to_have_count(0)
        player.process.kill()
        expect(trouble).to_have_text("Walkman went offline; the music waits where it stopped.")
        player.restart()
        expect(trouble).to_have_count(0)
        expect(screen.where).to_have_text("Paused on Walkman")
        screen.button("Play").click()
        expect(screen.where).to_have_text("Playing on Walkman")
        until(lambda: house.state.is_playing and house.state.device_id == player.id)
