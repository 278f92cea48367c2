"""A tab that nobody looks at: headless Chromium never says so of a page, one on an X display does."""

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.chromium import chromium
from serving import Server
from soul_connect import ConnectClient
from soul_protocol.limits import KEEPALIVE_SECONDS
from waiting import WaitedTooLong, until_async


@pytest.fixture
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


async def test_a_hidden_tab_stays_online_and_hears_what_changes(
    server: Server, display: str, tmp_path: Path
) -> None:
    server.add_user("anna")
    token = server.token("anna")
    async with (
        ConnectClient(url=server.url, token=token, name="Desk", ephemeral=True) as hand,
        chromium(tmp_path, display=display) as page,
    ):
        await page.go(f"{server.http}/")
        await page.evaluate(f"localStorage.setItem('soul-connect.token', {json.dumps(token)})")
        await page.go(f"{server.http}/#/devices")
        await page.evaluate("location.reload()")

        online: list[bool] = []
        pages: list[str] = []

        async def watch() -> None:
            """Each change of the list: whether the page's device was online."""
            async for devices in hand.subscribe_devices():
                for device in devices:
                    if device.name != "Desk":
                        pages.append(device.id)
                        online.append(device.is_online)

        watching = asyncio.create_task(watch())
        await until_async(lambda: True in online, seconds=20, what="the page is there")
        await page.cover()
        await page.wait("document.visibilityState === 'hidden'")
        # Whoever is silent for so long is taken for dead.
        with pytest.raises(WaitedTooLong):
            await until_async(lambda: False in online or watching.done(), seconds=1.5 * KEEPALIVE_SECONDS + 2)
        await hand.rename_device(pages[0], "Hidden")
        await page.wait("document.body.innerText.includes('Hidden')")
        assert await page.evaluate("document.visibilityState") == "hidden"
        assert online[-1]
        watching.cancel()
