"""A real player at a real server."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from soul_connect.players.player import Player
from soul_connect.players.simulated import SimulatedEngine
from waiting import until_async


@asynccontextmanager
async def playing(url: str, token: str, name: str) -> AsyncIterator[tuple[Player, SimulatedEngine]]:
    engine = SimulatedEngine(name=name)
    player = Player(engine, url=url, token=token, name=name, device_id=str(uuid.uuid4()))
    task = asyncio.create_task(player.run())
    try:
        await until_async(lambda: player.client.is_online or task.done())
        yield player, engine
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
