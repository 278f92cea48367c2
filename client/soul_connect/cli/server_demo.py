"""`--demo`: a user with two players that keep time in silence, an album, and how to look inside."""

import asyncio
import contextlib
import secrets
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import structlog

from soul_connect.cli.exits import CliError, Exit
from soul_connect.demo import album
from soul_connect.device_file import DeviceFile
from soul_connect.errors import SoulConnectError
from soul_connect.players.player import Player
from soul_connect.players.simulated import SimulatedEngine
from soul_connect.settings import default_data_dir
from soul_coordinator.accounts_errors import UserExists
from soul_protocol.roles import Role

if TYPE_CHECKING:
    from soul_connect.cli.server_parts import Parts

USER: Final = "demo"
NAMES: Final = ("Kitchen", "Living room")
_PASSWORD_CHARACTERS: Final = 12
_TTL: Final = 30 * 24 * 3600
_log = structlog.get_logger("soul_connect")


def add_music(parts: "Parts") -> None:
    """Let the page have the demo's album, unless the settings name other music."""
    if parts.settings.music_dir is None:
        parts.add_music(_folder(parts, "music")).expecting = True


@contextlib.asynccontextmanager
async def demo_players(parts: "Parts", stop: asyncio.Event) -> AsyncIterator[None]:
    """Two players online, and a word about them on stderr; gone again at the end."""
    password = await asyncio.to_thread(_account, parts)
    players = [await _player(parts, name) for name in NAMES]
    tasks = [asyncio.create_task(player.run(), name=f"demo {player}") for player in players]
    try:
        online = asyncio.gather(*(_online(player) for player in players))
        stopping = asyncio.ensure_future(stop.wait())
        waiting: set[asyncio.Future[Any]] = {online, stopping, *tasks}
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                task.result()
        online.cancel()
        stopping.cancel()
        if parts.settings.music_dir is None:
            tasks.append(asyncio.create_task(_put_on(parts, players[0], stop), name="demo album"))
        _explain(parts, password)
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _folder(parts: "Parts", *names: str) -> Path:
    folder = parts.settings.data_dir.joinpath("demo", *names)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CliError(Exit.USAGE, f"{folder} cannot be made: {error.strerror}.") from None
    return folder


def _account(parts: "Parts") -> str:
    """The demo's account, and the password that it has in this data directory."""
    file = _folder(parts) / "password"
    with contextlib.suppress(OSError, UnicodeDecodeError):
        if len(kept := file.read_text().strip()) >= _PASSWORD_CHARACTERS:
            return _known(parts, kept)
    file.touch(mode=0o600)
    file.write_text(made := _pronounceable())
    return _known(parts, made)


def _known(parts: "Parts", password: str) -> str:
    try:
        parts.accounts.add(USER, password)
    except UserExists:
        if not parts.accounts.verify(USER, password):
            parts.accounts.set_password(USER, password)
    return password


def _pronounceable() -> str:
    """A password of 49 random bits that can be typed on a phone: `nolu-reva-siko-tame`."""
    syllables = [secrets.choice("bdfgklmnprstvz") + secrets.choice("aeiou") for _ in range(8)]
    return "-".join(first + second for first, second in zip(syllables[::2], syllables[1::2], strict=True))


async def _put_on(parts: "Parts", player: Player, stop: asyncio.Event) -> None:
    """Make the album and, unless there is a queue already, put it on; paused."""
    music, client = parts.music, player.client
    assert music is not None  # noqa: S101 (`add_music`)
    try:
        made = await asyncio.to_thread(album.make, _folder(parts, "music"), ended=stop.is_set)
        if not made or client.device is None:
            return
        await asyncio.to_thread(music.look)
        music.expecting = False
        state = await client.playback_state()
        if not state.queue and state.device_id is None:
            device = client.device.id
            await client.set_queue(album.TRACKS, target_device=device, expect_rev=state.queue_rev)
    except (OSError, SoulConnectError) as error:
        _log.warning("the demo's album is missing", why=str(error))
    finally:
        music.expecting = False


async def _player(parts: "Parts", name: str) -> Player:
    file = DeviceFile(_folder(parts) / f"{name.lower().replace(' ', '-')}.json")
    token = await asyncio.to_thread(parts.accounts.issue, USER, Role.DEVICE, device=file.device_id, ttl=_TTL)
    engine = SimulatedEngine(name=name, durations=album.durations())
    return Player(engine, url=parts.url, token=token.token, name=name, device_file=file)


async def _online(player: Player) -> None:
    async for is_online in player.client.subscribe_online():
        if is_online:
            return


def _explain(parts: "Parts", password: str) -> None:
    """What to type next; on stderr, since stdout belongs to the `ready` line."""
    program = Path(sys.argv[0])
    with contextlib.suppress(ValueError):
        program = program.resolve().relative_to(Path.cwd())
    if program.name == "__main__.py":
        program = Path("soul-connect")
    where = "" if parts.settings.data_dir == default_data_dir() else f" --data-dir {parts.settings.data_dir}"
    port = parts.url.rsplit(":", 1)[1]
    observer = f'"$({program} token {USER} --role observer{where})"'
    traffic = (
        "  What crosses the broker:\n\n"
        f"    mosquitto_sub -h 127.0.0.1 -p {port} -u {USER} -P {observer} -t 'soul/v1/{USER}/#' -v\n\n"
        if parts.url.startswith("mqtt:")  # mosquitto_sub speaks no WebSocket
        else ""
    )
    page = f"  The page: {parts.page} (user {USER}, password {password})\n\n" if parts.page else ""
    sys.stderr.write(
        f"\n{page}"
        f"  Two players of the user {USER} are online: {' and '.join(NAMES)}. In another terminal:\n\n"
        f'    export SOUL_CONNECT_URL={parts.url} SOUL_CONNECT_TOKEN="$({program} token {USER}{where})"\n'
        f"    {program} devices\n"
        f"    {program} queue one two three --on Kitchen && {program} play\n"
        f'    {program} transfer "Living room"\n\n'
        f"{traffic}"
        f"  Ctrl-C ends it.\n\n"
    )
    sys.stderr.flush()
