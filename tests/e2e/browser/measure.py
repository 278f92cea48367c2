"""How soon the page is there: `PYTHONPATH=tests python -m e2e.browser.measure [LOADS]`.

Each load is a new browser profile that is signed in, with an empty cache, on this machine: what it shows is
the page's own work, not a network. First contentful paint, total blocking time (what tasks take beyond 50 ms)
until the page shows what plays, and that moment.
"""

import statistics
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from e2e.browser.conftest import CHROMIUM, FLAGS
from e2e.browser.house import open_demo
from e2e.browser.screen import Screen

_WATCH = """
window.blocking = 0;
new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) window.blocking += Math.max(0, duration - 50);
}).observe({ type: "longtask", buffered: true });
new MutationObserver((_, watch) => {
  if (!document.querySelector(".song h1")) return;
  window.there = performance.now();
  watch.disconnect();
}).observe(document, { childList: true, subtree: true });
"""
_RESULT = """() => [
  performance.getEntriesByName("first-contentful-paint")[0].startTime, window.blocking, window.there
]"""


def main(loads: int) -> None:
    found: list[list[float]] = []
    with tempfile.TemporaryDirectory() as data, open_demo(Path(data)) as house, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        house.tidy()
        first = Screen(browser, house)
        first.open().sign_in().arrive()
        profile = first.context.storage_state()
        first.close()
        for _ in range(loads):
            screen = Screen(browser, house, profile=profile, phone=True)
            screen.page.add_init_script(_WATCH)
            screen.open().arrive()
            found.append(screen.page.evaluate(_RESULT))
            screen.close()
        browser.close()
    names = ("first contentful paint", "total blocking time", "what plays is shown")
    for name, values in zip(names, zip(*found, strict=True), strict=True):
        spread = f"of {loads}: {min(values):.0f}-{max(values):.0f}"
        sys.stdout.write(f"{name:24}{statistics.median(values):7.0f} ms   ({spread})\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
