"""Running a player until someone ends it."""

import asyncio
import contextlib
import logging
import os
import re
import signal
import socket
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from soul_connect.cli.account import keep_in_place_of, renew
from soul_connect.cli.collector import settle_collector
from soul_connect.cli.exits import CliError, Exit
from soul_connect.cli.link import Server, say
from soul_connect.cli.loop import run_for_long
from soul_connect.client import TokenSource
from soul_connect.device_file import DeviceFile
from soul_connect.identity import read_token
from soul_connect.players.engine import Engine
from soul_connect.players.mpv import MpvEngine
from soul_connect.players.player import Player
from soul_connect.players.simulated import SimulatedEngine

if TYPE_CHECKING:
    from soul_connect.cli.player import EngineName
    from soul_connect.settings import ClientSettings

_RENEW_SECONDS: Final = 5.0
"""How long to wait for a web port that is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What kind of player. `volume` is 0.0-1.0, None as it was; `log` is the simulated engine's."""

    name: str | None
    engine: "EngineName"
    device_file: Path | None
    library: str | None
    only_library: bool
    volume: float | None
    mpv_arguments: tuple[str, ...]
    log: Path | None


def run_player(server: Server, wanted: Wanted, *, json: bool) -> None:
    """Play what is asked, until SIGINT or SIGTERM.

    Raises:
        EngineError: the engine cannot start, or is gone for good.
        LinkError: the server refuses this device for good.
        DeviceFileError, OSError, SettingsError, CliError: bad settings.
    """
    logging.basicConfig(level=logging.WARNING, format="soul-connect: %(message)s")
    settings, token = server.settings_with_token()
    name = wanted.name or socket.gethostname() or "Player"
    with _engine(wanted, name) as engine:
        player = Player(
            engine,
            url=settings.url,
            token=token,
            name=name,
            volume=wanted.volume,
            ca_file=settings.ca,
            new_token=_renewing(settings, token),
            device_file=_device_file(wanted.device_file, name, token),
        )
        run_for_long(_until_signal(_playing(player, wanted.engine, json=json)))


def _renewing(settings: "ClientSettings", token: str) -> TokenSource | None:
    """Tokens in place of those that end. Only the web port gives them, so the address must be of that."""
    if not settings.url.startswith(("ws://", "wss://")):
        return None
    current = token

    async def next_token() -> str | None:
        nonlocal current
        while True:
            try:
                granted = await asyncio.to_thread(renew, settings.url, current, settings.ca)
            except CliError as error:
                if error.code is not Exit.UNREACHABLE:
                    return None
                await asyncio.sleep(_RENEW_SECONDS)
                continue
            keep_in_place_of(current, granted.token)
            current = granted.token
            return current

    return next_token


@contextlib.contextmanager
def _engine(wanted: Wanted, name: str) -> Iterator[Engine]:
    if wanted.engine == "mpv":
        yield MpvEngine(
            library=wanted.library, only_library=wanted.only_library, arguments=wanted.mpv_arguments
        )
        return
    with contextlib.ExitStack() as files:
        log = None
        if wanted.log is not None:
            # By the line, so that whoever reads along sees what is happening now.
            log = files.enter_context(wanted.log.open("a", buffering=1, encoding="utf-8"))
        yield SimulatedEngine(name=name, log=log)


def _device_file(chosen: Path | None, name: str, token: str) -> DeviceFile | None:
    if chosen is None and read_token(token).device is not None:
        return None  # the token says who this is
    return DeviceFile(chosen or _own_file(name))


def _own_file(name: str) -> Path:
    """A file for each name: two players on one computer are two devices."""
    states = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    word = re.sub(r"[^\w.-]+", "-", name.casefold()).strip("-.") or "player"
    return states / "soul-connect" / f"player-{word}.json"


async def _playing(player: Player, engine: str, *, json: bool) -> None:
    """Run it, and say once that it is there."""
    running = asyncio.ensure_future(player.run())
    telling = asyncio.ensure_future(_tell(player, engine, json=json))
    try:
        await running
    finally:
        telling.cancel()
        running.cancel()
        await asyncio.gather(running, telling, return_exceptions=True)


async def _tell(player: Player, engine: str, *, json: bool) -> None:
    async for is_online in player.client.subscribe_online():
        device = player.client.device
        if not is_online or device is None:
            continue
        settle_collector()
        if json:
            say(dumps({"device_id": device.id, "name": device.name, "engine": engine}))
        else:
            say(f"{device.name} is ready to play ({engine}). Ctrl-C ends it.")
        return


async def _until_signal(main: Coroutine[Any, Any, None]) -> None:
    """Run `main`; SIGINT and SIGTERM end it cleanly."""
    loop = asyncio.get_running_loop()
    task = loop.create_task(main)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task
