"""A tab that nobody looks at stays a device of the house."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from client.faulty_proxy import faulty_proxy
from e2e.album import SECONDS
from e2e.chromium import chromium
from e2e.tab import (
    CLOCK,
    DRAWN,
    EARLY_THROTTLING,
    NOT_DRAWN,
    device_of_page,
    display,
    sign_in,
    silences,
    told,
)
from e2e.traffic import Traffic
from serving import Server, serving
from soul_connect import ConnectClient
from soul_protocol.limits import KEEPALIVE_SECONDS
from waiting import until_async

USER = "anna"
TAKEN_FOR_DEAD = 1.5 * KEEPALIVE_SECONDS + 2
"""Whoever is silent for so long (s) is dropped."""
ASIDE = 3.0
"""So far (s) from every timer of the page, a message is not due to one."""


@pytest.fixture
def screen() -> Iterator[str]:
    with display() as number:
        yield number


@pytest.fixture
def traffic(server: Server) -> Iterator[Traffic]:
    server.add_user(USER)
    with Traffic(server, USER, server.token(USER, "--role", "observer")) as traffic:
        yield traffic


async def test_a_hidden_tab_whose_timers_are_held_back_stays_online_and_hears_what_changes(
    server: Server, traffic: Traffic, screen: str, tmp_path: Path
) -> None:
    token = server.token(USER)
    async with (
        ConnectClient(url=server.url, token=token, name="Desk", ephemeral=True) as hand,
        chromium(tmp_path, EARLY_THROTTLING, display=screen) as page,
    ):
        await sign_in(page, server.http, token, NOT_DRAWN, CLOCK)
        device = await device_of_page(traffic)
        before = traffic.count
        await page.cover()
        await page.wait("document.visibilityState === 'hidden'")
        hidden = time.monotonic()
        await page.evaluate(DRAWN)

        async def pinged_in_silence() -> Any:
            """Whether the page said something while its own clock was silent for long."""
            quiet = await silences(page, longer=20)
            since = time.time() - time.monotonic()
            pings = [at for at, topic, _ in traffic.messages(before) if topic.endswith(f"{device}/up/ping")]
            return any(one.holds(ping + since, margin=ASIDE) for one in quiet for ping in pings)

        await until_async(lambda: time.monotonic() - hidden > TAKEN_FOR_DEAD, seconds=TAKEN_FOR_DEAD + 5)
        await until_async(pinged_in_silence, seconds=60, what="a ping that no timer of the page made")
        await hand.rename_device(device, "Hidden")
        await page.wait("document.body.innerText.includes('Hidden')", seconds=15)
        assert await page.evaluate("document.visibilityState") == "hidden"
        await hand.rename_device(device, "Seen")
        await page.uncover()
        await page.wait("document.visibilityState === 'visible'")
        await page.wait("document.body.innerText.includes('Seen')", seconds=15)
        kinds = {message["type"] for _, _, message in traffic.messages(before)}
        assert kinds.isdisjoint({"device_offline", "device_online", "connection_lost", "register"}), kinds


async def test_a_frozen_tab_that_was_given_up_is_back_as_soon_as_it_goes_on(
    server: Server, traffic: Traffic, screen: str, tmp_path: Path
) -> None:
    async with faulty_proxy(server.http_port) as proxy, chromium(tmp_path, display=screen) as page:
        await sign_in(page, f"http://127.0.0.1:{proxy.port}", server.token(USER), CLOCK)
        device = await device_of_page(traffic)
        await page.cover()
        await page.wait("document.visibilityState === 'hidden'")
        await page.freeze()
        before = traffic.count
        # As the broker would after 45 s without a word.
        await proxy.cut()
        await proxy.restore()
        await told(traffic, "device_offline", device, after=before, seconds=15)
        assert await silences(page, longer=2.5)
        before = traffic.count
        await page.thaw()
        # By itself a page pings each 30 s.
        await told(traffic, "device_online", device, after=before, seconds=10)
        await page.uncover()
        await page.wait("document.querySelector('.banner') === null")


async def test_a_hidden_tab_that_plays_stays_the_player_goes_on_with_the_queue_and_says_so(
    tmp_path: Path, album: list[Path], screen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOUL_CONNECT_MUSIC_DIR", str(album[0].parent))
    with serving(tmp_path) as server:
        server.add_user(USER)
        token = server.token(USER)
        async with (
            ConnectClient(url=server.url, token=token, name="Desk", ephemeral=True) as hand,
            chromium(tmp_path, EARLY_THROTTLING, display=screen) as page,
        ):
            with Traffic(server, USER, server.token(USER, "--role", "observer")) as traffic:
                await sign_in(page, server.http, token, NOT_DRAWN, CLOCK)
                device = await device_of_page(traffic)
                await page.wait("document.querySelector('button.sound')")
                await page.evaluate("document.querySelector('button.sound').click()")
                await until_async(lambda: any(one.capabilities.can_render for one in hand.devices))
                await page.cover()
                await page.wait("document.visibilityState === 'hidden'")
                before = traffic.count
                await hand.set_queue([one.name for one in album], target_device=device)
                await hand.play()

                def reported(place: int) -> list[int]:
                    """The positions (ms) that it told while it played this place of the queue."""
                    states = [
                        message["state"]
                        for _, topic, message in traffic.messages(before)
                        if topic.endswith(f"{device}/up/state")
                    ]
                    return [
                        one["position_ms"]
                        for one in states
                        if one["is_playing"] and one["queue_position"] == place
                    ]

                await until_async(lambda: len(set(reported(0))) >= 5, seconds=30, what="reports of the first")
                await hand.seek(SECONDS * 1_000 - 2_000)
                await until_async(lambda: len(set(reported(1))) >= 5, seconds=30, what="and of the second")
                assert await page.evaluate("document.visibilityState") == "hidden"
                state = await hand.playback_state()
                assert (state.device_id, state.is_playing) == (device, True)
                kinds = {message["type"] for _, _, message in traffic.messages(before)}
                assert kinds & {"device_offline", "connection_lost", "register"} == set()
