"""A real Chromium, told what to do over its DevTools protocol."""

import asyncio
import json
import os
import re
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from waiting import until_async

QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""No window's business of its own, and no sandbox: tests may run as root."""

FLAGS = (
    *QUIET,
    "--autoplay-policy=no-user-gesture-required",
    "--ignore-certificate-errors",
    "--remote-debugging-port=0",
)


class Page:
    """One page: where it goes, what it evaluates, and what the console said."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.complaints: list[str] = []
        self._socket = socket
        self._number = 0
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._reading = asyncio.create_task(self._read())

    async def go(self, address: str) -> None:
        """Load a page, to its `load` event."""
        for domain in ("Page", "Runtime", "Log"):
            await self._call(f"{domain}.enable")
        await self._call("Page.navigate", url=address)
        await self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    async def evaluate(self, script: str) -> Any:
        """The value of an expression; of a promise, what it resolves to."""
        found = await self._call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def wait(self, script: str, *, seconds: float = 20) -> None:
        """Until an expression is true."""
        await until_async(
            lambda: self.evaluate(script), seconds=seconds, what=lambda: f"{script}: {self.complaints}"
        )

    async def begin_with(self, script: str) -> None:
        """Run a script in each document from now on, before its own ones."""
        await self._call("Page.enable")
        await self._call("Page.addScriptToEvaluateOnNewDocument", source=script)

    async def cover(self) -> None:
        """Open another tab in front of this one."""
        await self._call("Target.createTarget", url="about:blank")

    async def uncover(self) -> None:
        """Bring this tab to the front again."""
        await self._call("Page.bringToFront")

    async def freeze(self) -> None:
        """What a browser does with a hidden tab to save power: nothing of it runs."""
        await self._call("Page.setWebLifecycleState", state="frozen")

    async def thaw(self) -> None:
        await self._call("Page.setWebLifecycleState", state="active")

    async def close(self) -> None:
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        await self._socket.close()

    async def _call(self, method: str, **parameters: Any) -> Any:
        self._number += 1
        answer = self._answers[self._number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        async with asyncio.timeout(30):
            return await answer

    async def _read(self) -> None:
        async for message in self._socket:
            told = json.loads(message.data)
            if "id" in told:
                self._answers.pop(told["id"]).set_result(told.get("result", told))
            elif told["method"] == "Log.entryAdded":
                self.complaints.append(told["params"]["entry"]["text"])
            elif told["method"] == "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(told["params"]["exceptionDetails"]))


@asynccontextmanager
async def chromium(folder: Path, *flags: str, display: str | None = None) -> AsyncIterator[Page]:
    """A browser that nobody used before, with one empty page; on an X display, or headless."""
    shown = ["--headless"] if display is None else []
    env = os.environ if display is None else {**os.environ, "DISPLAY": display}
    profile = folder / "profile"
    with (folder / "chromium.log").open("wb") as log:
        browser = subprocess.Popen(  # noqa: ASYNC220 (a fork takes no time)
            ["chromium", *FLAGS, *flags, *shown, f"--user-data-dir={profile}", "about:blank"],
            stdout=log,
            stderr=log,
            env=env,
        )

    def port() -> str | None:
        assert browser.poll() is None, (folder / "chromium.log").read_text()
        found = re.search(r"ws://127\.0\.0\.1:(\d+)/", (folder / "chromium.log").read_text())
        return found[1] if found else None

    try:
        number = await until_async(port, seconds=30, what="the browser")
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{number}/json/list") as answer:
                pages = [each for each in await answer.json() if each["type"] == "page"]
            socket = await session.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=0)
            page = Page(socket)
            yield page
            await page.close()
    finally:
        browser.terminate()
        browser.wait(10)
