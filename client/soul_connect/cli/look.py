"""Commands that only look: devices, status, watch."""

# ruff: noqa: PLC0415 (a command imports what it needs when it runs: see __init__)

import time
from json import dumps
from typing import TYPE_CHECKING, Any

import typer

from soul_connect.cli.arguments import Ca, Json, Token, Url
from soul_connect.cli.link import Server, ask, say

if TYPE_CHECKING:
    from soul_connect.client import ConnectClient

PANEL = "Music"
_RETAINED_SECONDS = 1.0


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for function in (devices, status, watch):
        app.command(rich_help_panel=PANEL)(function)


def devices(json: Json = False, url: Url = None, token: Token = None, ca: Ca = None) -> None:
    """Your devices, and which of them is active."""

    async def question(client: "ConnectClient") -> None:
        await _seen(client)
        state, now_ms = client.state, _now_ms(client)
        if json:
            active = state.device_id if state is not None else None
            say(dumps([{**plain(each), "is_active": each.id == active} for each in client.devices]))
            return
        from soul_connect.cli import show

        console = show.terminal()
        if console.is_terminal:
            console.print(
                show.devices_view(
                    client.devices, state, now_ms, width=console.width, icons=show.icons_fit(console)
                )
            )
        else:
            for line in show.devices_lines(client.devices, state, now_ms):
                say(line)

    ask(Server(url, token, ca), question)


def status(json: Json = False, url: Url = None, token: Token = None, ca: Ca = None) -> None:
    """What is playing, and where."""

    async def question(client: "ConnectClient") -> None:
        from soul_connect.cli.words import name_of

        await _seen(client)
        state, position_ms = client.state, client.position_ms()
        if json:
            facts = plain(state) if state is not None else {}
            name = name_of(state.device_id, client.devices) if state is not None else None
            say(dumps({**facts, "device_name": name, "position_now_ms": position_ms}))
            return
        from soul_connect.cli import show

        console = show.terminal()
        if console.is_terminal:
            console.print(
                show.status_view(
                    state,
                    client.devices,
                    position_ms,
                    width=console.width,
                    icons=show.icons_fit(console),
                )
            )
        else:
            for line in show.status_lines(state, client.devices, position_ms):
                say(line)

    ask(Server(url, token, ca), question)


def watch(json: Json = False, url: Url = None, token: Token = None, ca: Ca = None) -> None:
    """Watch the music live, until Ctrl-C.

    With --json, one object a line for each change.
    """

    async def question(client: "ConnectClient") -> None:
        from soul_connect.cli.live import until_closed, watch_json, watch_lines, watch_terminal
        from soul_connect.cli.show import terminal

        console = terminal()
        if json:
            watching = watch_json(client)
        elif console.is_terminal:
            watching = watch_terminal(client, console)
        else:
            watching = watch_lines(client)
        await until_closed(client, watching)

    try:
        ask(Server(url, token, ca), question)
    except KeyboardInterrupt:
        return  # that is how one stops watching


async def _seen(client: "ConnectClient") -> None:
    """Wait for state and devices: an observer gets them as retained messages, after it connected."""
    import asyncio
    from contextlib import suppress

    with suppress(TimeoutError):
        async with asyncio.timeout(_RETAINED_SECONDS):
            async for _ in client.subscribe_state():
                break
            async for devices in client.subscribe_devices():
                if devices or client.device is not None:
                    break


def plain(model: Any) -> dict[str, Any]:
    """A wire model as it is on the wire."""
    found: dict[str, Any] = model.model_dump(mode="json")
    return found


def _now_ms(client: "ConnectClient") -> int:
    now = client.server_now()
    return now if now is not None else round(time.time() * 1000)
