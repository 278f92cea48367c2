"""One Chromium and one demo for each file of tests; a profile of its own for each page, signed in once."""

import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, StorageState, sync_playwright

from e2e.browser.house import House, open_house
from e2e.browser.screen import Screen
from e2e.chromium import QUIET
from soul_connect.demo import album

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    *QUIET,
    "--autoplay-policy=user-gesture-required",  # headless Chromium allows any sound unless told not to
)

OpenScreen = Callable[..., Screen]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def demo_music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's album, made once for all workers of the run: it takes seconds of a core."""
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    with (root / "demo-music.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        album.make(root / "demo-music")
    return root / "demo-music"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, demo_music: Path) -> Iterator[House]:
    with open_house(tmp_path_factory.mktemp("house"), demo_music) as house:
        yield house


@pytest.fixture(scope="module")
def profiles(chromium: Browser, house: House) -> Callable[[int], StorageState]:
    """The n-th browser profile that is signed in: made when it is first asked for."""
    made: list[StorageState] = []

    def profile(number: int) -> StorageState:
        while len(made) <= number:
            screen = Screen(chromium, house)
            screen.open().sign_in().arrive()
            made.append(screen.context.storage_state())
            screen.close()
        return made[number]

    return profile


@pytest.fixture
def screens(chromium: Browser, house: House, profiles: Callable[[int], StorageState]) -> Iterator[OpenScreen]:
    """Opens pages: `screens()` the first signed-in one, `screens(1)` another, `screens(None)` a stranger."""
    opened: list[Screen] = []

    def open_screen(number: int | None = 0, **look: object) -> Screen:
        profile = None if number is None else profiles(number)
        screen = Screen(chromium, house, profile=profile, **look)  # type: ignore[arg-type] # Screen's own
        opened.append(screen)
        return screen

    house.tidy()
    yield open_screen
    for screen in opened:
        screen.close()


@pytest.fixture
def screen(screens: OpenScreen) -> Screen:
    """The page, signed in and there."""
    opened = screens()
    opened.open().arrive()
    return opened
