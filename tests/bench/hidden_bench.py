"""A page in a hidden tab of a Chromium as it comes, for minutes: what runs, and whether it stays online.

    python -m bench hidden [--minutes 8]

By hand: it waits, and loads nothing. The control is a timer of the page's own that is to ring each second:
where it is silent for a minute, Chromium's intensive throttling is at work. At the end the tab is frozen
until the server gives it up, and goes on. Nothing is asserted.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from e2e.chromium import Page, chromium
from e2e.tab import CLOCK, device_of_page, display, sign_in, silences, told
from e2e.traffic import Traffic
from serving import Server, serving
from soul_connect import ConnectClient
from waiting import until_async

USER = "anna"
MINUTE = 60.0
THROTTLED = 30.0
"""A silence (s) of the control that is none of the ordinary throttling to a ring a second."""


def say(what: str, value: str) -> None:
    sys.stdout.write(f"| {what} | {value} |\n")
    sys.stdout.flush()


async def rename(hand: ConnectClient, page: Page, device: str, name: str) -> float:
    """How long (s) until the page shows another name of its own."""
    began = time.monotonic()
    await hand.rename_device(device, name)
    await page.wait(f"document.body.innerText.includes({json.dumps(name)})", seconds=90)
    return time.monotonic() - began


async def hidden(server: Server, traffic: Traffic, page: Page, minutes: float) -> None:
    """Hide the page for so long, and freeze it at last."""
    token = server.token(USER)
    async with ConnectClient(url=server.url, token=token, name="Desk", ephemeral=True) as hand:
        await sign_in(page, server.http, token, CLOCK)
        device = await device_of_page(traffic)
        await page.cover()
        await page.wait("document.visibilityState === 'hidden'")
        began, before = time.monotonic(), traffic.count
        heard = []
        for minute in range(1, int(minutes) + 1):
            await until_async(
                lambda due=minute * MINUTE - 5: time.monotonic() - began >= due, seconds=MINUTE + 5
            )
            heard.append(await rename(hand, page, device, f"Minute {minute}"))
        await until_async(lambda: time.monotonic() - began >= minutes * MINUTE, seconds=MINUTE)
        quiet = [one.seconds for one in await silences(page, longer=THROTTLED)]
        messages = traffic.messages(before)
        pings = [at for at, topic, _ in messages if topic.endswith(f"{device}/up/ping")]
        apart = [after - at for at, after in zip([began, *pings], pings, strict=False)]
        gone = sum(message["type"] in {"device_offline", "connection_lost"} for _, _, message in messages)
        say("hidden for", f"{minutes * MINUTE:.0f} s")
        say("control: silences over 30 s", ", ".join(f"{one:.0f} s" for one in quiet) or "none")
        say("pings of the page", f"{len(pings)}, {max(apart):.1f} s apart at most")
        say("times offline", str(gone))
        say(
            "a change is heard within",
            f"{max(heard):.2f} s (median {statistics.median(heard):.2f} s, each minute)",
        )
        before = traffic.count
        await page.freeze()
        frozen = time.monotonic()
        await told(traffic, "device_offline", device, after=before, seconds=90)
        say("frozen: given up after", f"{time.monotonic() - frozen:.1f} s")
        before, thawed = traffic.count, time.monotonic()
        await page.thaw()
        await told(traffic, "device_online", device, after=before, seconds=90)
        say("goes on: online again after", f"{time.monotonic() - thawed:.2f} s")


async def measure(minutes: float) -> None:
    with tempfile.TemporaryDirectory() as name, serving(Path(name)) as server, display() as screen:
        server.add_user(USER)
        with Traffic(server, USER, server.token(USER, "--role", "observer")) as traffic:
            async with chromium(Path(name), display=screen) as page:
                say("what", "seen")
                say("---", "---")
                await hidden(server, traffic, page, minutes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=8)
    asyncio.run(measure(parser.parse_args().minutes))


if __name__ == "__main__":
    main()
