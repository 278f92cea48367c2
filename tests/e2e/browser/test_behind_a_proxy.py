"""Behind real Caddy and nginx, under a path: a server that is away is a proxy that has nobody behind it."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Response, expect

from e2e.browser.house import USER, House
from e2e.front import Front
from waiting import until

BAD_GATEWAY = 502


@pytest.mark.parametrize("proxy", ["caddy", "nginx"])
def test_the_page_asks_through_the_proxy_and_is_back_in_3_seconds(
    proxy: str, chromium: Browser, house: House, tmp_path: Path
) -> None:
    token = house.server.token(USER)
    with Front(proxy, house.server, tmp_path, prefix=True) as front:
        context = chromium.new_context(ignore_https_errors=True)
        context.add_init_script(f"localStorage.setItem('soul-connect.token', '{token}')")
        page = context.new_page()
        asked: list[int] = []
        sockets: list[str] = []

        def hear(response: Response) -> None:
            if response.url == f"{front.base}healthz":
                asked.append(response.status)

        page.on("response", hear)
        page.on("websocket", lambda socket: sockets.append(socket.url))
        page.goto(front.base)
        expect(page.locator(".playing-on .where")).to_be_visible(timeout=20_000)
        asked.clear()
        sockets.clear()
        house.server.kill()
        until(
            lambda: page.evaluate("true") and asked.count(BAD_GATEWAY) >= 5,
            seconds=30,
            what=lambda: f"that the page asks: {asked}",
        )
        assert set(asked) == {BAD_GATEWAY}
        assert len(sockets) <= 2, sockets
        house.server.start("--demo")
        expect(page.locator(".banner")).to_have_count(0, timeout=3_000)
        assert sockets[-1] == front.mqtt
        context.close()
    until(lambda: house.hand.is_online, seconds=20)
