"""`watch`: what plays, as it changes."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from json import dumps
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from soul_connect.cli import show
from soul_connect.cli.link import say
from soul_connect.cli.plain import plain
from soul_connect.cli.words import sentence

if TYPE_CHECKING:
    from soul_connect.client import ConnectClient

_FRAME_SECONDS = 0.25
"""How often a running bar is drawn: a bar of 60 cells moves less often than that."""

_NEXT_ROWS = 5
_LOST = "The connection was lost; it is tried again."


async def watch_terminal(client: "ConnectClient", console: Console) -> None:
    """Draw the state, what comes next and the devices; again at each change, and as the bar moves."""
    changed = asyncio.Event()
    changed.set()
    notice: list[str] = []

    async def notices() -> None:
        async for each in client.subscribe_notices():
            notice[:] = [each.message]
            changed.set()

    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        async with asyncio.TaskGroup() as group:
            group.create_task(notices())
            for source in (client.subscribe_state, client.subscribe_devices, client.subscribe_online):
                group.create_task(_note(source(), changed.set))
            while True:
                live.update(_view(client, console, notice), refresh=True)
                changed.clear()
                playing = client.state is not None and client.state.is_playing
                try:
                    async with asyncio.timeout(_FRAME_SECONDS if playing else None):
                        await changed.wait()
                except TimeoutError:
                    pass


async def watch_lines(client: "ConnectClient") -> None:
    """A sentence for each change, where nothing can be drawn."""
    lines: asyncio.Queue[str] = asyncio.Queue()

    async def states() -> None:
        last = None
        async for state in client.subscribe_state():
            # The tick of each second is no news.
            now = (state.epoch, state.sequence, state.is_playing, state.track_id)
            if now != last:
                last = now
                lines.put_nowait(sentence(state, client.devices, client.position_ms()))

    async def notices() -> None:
        async for notice in client.subscribe_notices():
            lines.put_nowait(notice.message)

    async def online() -> None:
        async for is_online in client.subscribe_online():
            if not is_online:
                lines.put_nowait(_LOST)

    async with asyncio.TaskGroup() as group:
        for task in (states(), notices(), online()):
            group.create_task(task)
        while True:
            say(await lines.get())


async def watch_json(client: "ConnectClient") -> None:
    """One object a line for each change: `state`, `devices`, `notice` or `online`."""
    objects: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def states() -> None:
        async for state in client.subscribe_state():
            objects.put_nowait(
                {
                    "type": "state",
                    "state": state.model_dump(mode="json"),
                    "position_now_ms": client.position_ms(),
                }
            )

    async def devices() -> None:
        async for each in client.subscribe_devices():
            objects.put_nowait(
                {"type": "devices", "devices": [device.model_dump(mode="json") for device in each]}
            )

    async def notices() -> None:
        async for notice in client.subscribe_notices():
            objects.put_nowait(notice.model_dump(mode="json"))

    async def online() -> None:
        async for is_online in client.subscribe_online():
            objects.put_nowait({"type": "online", "online": is_online})

    async with asyncio.TaskGroup() as group:
        for task in (states(), devices(), notices(), online()):
            group.create_task(task)
        while True:
            say(dumps(await objects.get()))


def _view(client: "ConnectClient", console: Console, notice: list[str]) -> RenderableType:
    icons = show.icons_fit(console)
    now_ms = client.server_now() or 0
    parts: list[RenderableType] = [
        show.status_view(client.state, client.devices, client.position_ms(), width=console.width, icons=icons)
    ]
    # Here, and not at the end: a low terminal shows no more than the beginning.
    if not client.is_online:
        parts.append(Text(_LOST, style="yellow"))
    elif notice:
        parts.append(Text(plain(notice[0]), style="yellow"))
    coming = show.queue_view(client.state, rows=_NEXT_ROWS)
    if coming is not None:
        parts += [Text(""), coming]
    parts += [
        Text(""),
        show.devices_view(client.devices, client.state, now_ms, width=console.width, icons=icons),
    ]
    return Group(*parts)


async def _note(source: AsyncIterator[Any], note: Callable[[], None]) -> None:
    async for _ in source:
        note()


async def until_closed(client: "ConnectClient", watching: Coroutine[Any, Any, None]) -> None:
    """Watch until the client ends for good, or SIGTERM.

    Raises:
        LinkError: what ended it.
    """
    shown = asyncio.ensure_future(watching)
    tasks = {shown, asyncio.ensure_future(client.wait_closed())}
    with contextlib.suppress(NotImplementedError):  # Windows has no such signal
        # The terminal gets its cursor back.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, shown.cancel)
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if not task.cancelled():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
