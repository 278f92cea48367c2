"""The page in Chromium while its server is away: how soon it is back once the server is.

    python -m bench outage [--outages 10 30 60 120] [--pages 5]

By hand (4 minutes of waiting): it is no part of `make bench`. Each page has a browser profile of its own; the
time runs from the server's `ready` line to the moment at which its banner is gone. Nothing is asserted.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from playwright.sync_api import Browser, Page, sync_playwright

from bench.figures import table
from e2e.browser.conftest import CHROMIUM, FLAGS
from serving import Server, serving
from waiting import until

_BACK: Final = """() => {
  const look = () => {
    if (document.querySelector(".banner") === null) window.back = Date.now();
    else setTimeout(look, 10);
  };
  look();
}"""


def opened(browser: Browser, server: Server, token: str) -> Page:
    """A page that is signed in and online."""
    page = browser.new_context().new_page()
    page.add_init_script(f"localStorage.setItem('soul-connect.token', '{token}')")
    page.goto(f"{server.http}/")
    page.locator(".playing-on .where").wait_for()
    return page


def away(server: Server, pages: list[Page], seconds: float) -> list[float]:
    """How long (s) each page took to be back after an outage; infinite: not within 30 s."""
    server.kill()
    gone = time.monotonic()
    for page in pages:
        page.locator(".banner").wait_for()
        page.evaluate(_BACK)
    until(lambda: time.monotonic() - gone >= seconds, seconds=seconds + 5)
    server.start()
    ready = time.time()

    def back(page: Page) -> float:
        return float(page.evaluate("window.back ?? Infinity")) / 1_000 - ready

    end = time.monotonic() + 30
    times = [back(page) for page in pages]
    while max(times) == float("inf") and time.monotonic() < end:
        pages[0].wait_for_timeout(200)
        times = [back(page) for page in pages]
    return [max(0.0, one) for one in times]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--outages", type=float, nargs="+", default=[10, 30, 60, 120], help="seconds each")
    parser.add_argument("--pages", type=int, default=5, help="at a time")
    options = parser.parse_args()
    rows = []
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Path(folder)) as server,
        sync_playwright() as driver,
    ):
        for number, outage in enumerate(options.outages):
            server.add_user(f"user{number}")
            token = server.token(f"user{number}")
            # A browser of its own: Chromium counts the failures of the last minutes.
            browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
            pages = [opened(browser, server, token) for _ in range(options.pages)]
            times = away(server, pages, outage)
            rows.append((f"{outage:g} s", f"{statistics.median(times):.2f}", f"{max(times):.2f}"))
            sys.stderr.write(f"{rows[-1]}: {sorted(times)}\n")
            browser.close()
    head = ("server away for", "back after, median (s)", "slowest page (s)")
    sys.stdout.write(f"{table(head, rows)}\n")


if __name__ == "__main__":
    main()
