"""`--demo`: a user with two players that keep time in silence, and how to look inside."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from soul_connect.device_file import DeviceFile
from soul_connect.players.player import Player
from soul_connect.players.simulated import SimulatedEngine
from soul_connect.settings import default_data_dir
from soul_coordinator.accounts_errors import UserExists
from soul_protocol.roles import Role

if TYPE_CHECKING:
    from soul_connect.cli.server_parts import Parts

USER: Final = "demo"
NAMES: Final = ("Kitchen", "Living room")
_TTL: Final = 30 * 24 * 3600


@contextlib.asynccontextmanager
async def demo_players(parts: "Parts", stop: asyncio.Event) -> AsyncIterator[None]:
    """Two players online, and a word about them on stderr; gone again at the end."""
    with contextlib.suppress(UserExists):
        await asyncio.to_thread(parts.accounts.add, USER)
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
        _explain(parts)
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _player(parts: "Parts", name: str) -> Player:
    folder = parts.settings.data_dir / "demo"
    folder.mkdir(mode=0o700, exist_ok=True)
    file = DeviceFile(folder / f"{name.lower().replace(' ', '-')}.json")
    token = await asyncio.to_thread(parts.accounts.issue, USER, Role.DEVICE, device=file.device_id, ttl=_TTL)
    return Player(SimulatedEngine(name=name), url=parts.url, token=token.token, name=name, device_file=file)


async def _online(player: Player) -> None:
    async for is_online in player.client.subscribe_online():
        if is_online:
            return


def _explain(parts: "Parts") -> None:
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
    sys.stderr.write(
        f"\n  Two players of the user {USER} are online: {' and '.join(NAMES)}. In another terminal:\n\n"
        f'    export SOUL_CONNECT_URL={parts.url} SOUL_CONNECT_TOKEN="$({program} token {USER}{where})"\n'
        f"    {program} devices\n"
        f"    {program} queue one two three --on Kitchen && {program} play\n"
        f'    {program} transfer "Living room"\n\n'
        f"{traffic}"
        f"  Ctrl-C ends it.\n\n"
    )
    sys.stderr.flush()
