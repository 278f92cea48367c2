"""A tab that nobody looks at: headless Chromium never says so of a page, one on an X display does."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from e2e.chromium import Page
from e2e.traffic import Traffic
from waiting import until_async

EARLY_THROTTLING: Final = "--enable-features=IntensiveWakeUpThrottling:grace_period_seconds/1"
"""Chromium lets the timers of a hidden page ring once a minute, a minute after it was hidden; of one that was
not yet drawn then, after this time (its source: PageSchedulerImpl::UpdatePolicyOnVisibilityChange)."""

NOT_DRAWN: Final = """
document.adoptedStyleSheets = [new CSSStyleSheet()];
document.adoptedStyleSheets[0].replaceSync("html { visibility: hidden }");
"""
"""Before the page's own scripts: it loads and is not drawn, until `DRAWN`."""
DRAWN: Final = "document.adoptedStyleSheets = []"

CLOCK: Final = """
window.rung = [];
(function ring() { window.rung.push(Date.now()); setTimeout(ring, 1000); })();
"""
"""Notes when a timer of the page's own rings, which is to be each second."""


class Silence(NamedTuple):
    """Between two rings of `CLOCK`, or since the last one: seconds since the epoch."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        return self.end - self.start

    def holds(self, moment: float, *, margin: float) -> bool:
        """Whether a moment lies in it, so far (s) from both ends."""
        return self.start + margin <= moment <= self.end - margin


async def silences(page: Page, *, longer: float) -> list[Silence]:
    """Those that took longer than so many seconds."""
    rung: list[float] = [one / 1_000 for one in await page.evaluate("window.rung")]
    both = zip(rung, [*rung[1:], time.time()], strict=True)
    return [one for one in (Silence(*ends) for ends in both) if one.seconds > longer]


async def sign_in(page: Page, address: str, token: str, *scripts: str) -> None:
    """Open the page as one who has signed in."""
    await page.begin_with("".join(scripts))
    await page.begin_with(f"localStorage.setItem('soul-connect.token', {json.dumps(token)})")
    await page.go(f"{address}/#/devices")


async def device_of_page(traffic: Traffic) -> str:
    """The id of the page's device, once it is there."""

    def arrived() -> str | None:
        for _, _, message in traffic.messages():
            if message["type"] == "device_online" and message["device"]["device_type"] == "web":
                return str(message["device"]["id"])
        return None

    found = await until_async(arrived, seconds=20, what="the page's device")
    assert found is not None
    return found


async def told(traffic: Traffic, kind: str, device: str, *, after: int, seconds: float) -> None:
    """Everyone was told that a device came or went."""
    await until_async(
        lambda: any(
            message["type"] == kind and device in json.dumps(message)
            for _, _, message in traffic.messages(after)
        ),
        seconds=seconds,
        what=f"{kind} of the page",
    )


@contextmanager
def display() -> Iterator[str]:
    """A free X display without a screen."""
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x900x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, pass_fds=(write,), stderr=subprocess.DEVNULL) as server:
        os.close(write)
        try:
            with os.fdopen(read) as told:
                yield f":{told.readline().strip()}"
        finally:
            server.terminate()
