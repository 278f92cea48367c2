"""The pictures of docs/web: `PYTHONPATH=tests python -m e2e.browser.pictures docs/web`.

Taken of the real page on the real demo. The page uses the system's own font; with Roboto
(Debian: fonts-roboto-unhinted) the pictures look as on most phones.
"""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, StorageState, expect, sync_playwright

from e2e.browser.conftest import CHROMIUM, FLAGS
from e2e.browser.house import House, open_demo
from e2e.browser.screen import Screen
from waiting import until


def main(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as data,
        open_demo(Path(data)) as house,
        sync_playwright() as driver,
    ):
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        house.tidy()
        profile = _sign_in(browser, house)
        house.hand.play()
        for phone in (True, False):
            for dark in (False, True):
                _take(browser, house, profile, folder, phone=phone, dark=dark)
        browser.close()


def _sign_in(browser: Browser, house: House) -> StorageState:
    screen = Screen(browser, house)
    screen.open().sign_in().arrive()
    profile = screen.context.storage_state()
    screen.close()
    return profile


def _take(
    browser: Browser, house: House, profile: StorageState, folder: Path, *, phone: bool, dark: bool
) -> None:
    screen = Screen(browser, house, profile=profile, phone=phone, dark=dark)
    screen.open().arrive()
    house.hand.seek(27_000)
    expect(screen.where).to_have_text("Playing on Kitchen")
    look = f"{'phone' if phone else 'desktop'}-{'dark' if dark else 'light'}"
    until(
        lambda: screen.page.evaluate(
            "[...document.images].every((one) => one.complete || !one.checkVisibility())"
        )
    )
    screen.page.screenshot(path=folder / f"{look}.png")
    if phone:
        screen.where.click()
        expect(screen.places.first).to_be_visible()
        screen.page.screenshot(path=folder / f"{look}-where.png")
        screen.page.keyboard.press("Escape")
        screen.where.blur()  # the key would have a ring drawn that a finger does not
        screen.page.evaluate("location.hash = '#/queue'")
        expect(screen.page.locator(".queue .row").first).to_be_visible()
        screen.page.screenshot(path=folder / f"{look}-queue.png")
    screen.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
