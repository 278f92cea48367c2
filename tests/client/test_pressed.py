"""Who presses play or pause on a player that ends is not left waiting."""

import asyncio
from collections.abc import Callable

import pytest

from client.simulation import device_id, token, world
from client.virtual_time import after, simulated, until
from soul_connect.players.engine import EngineError, EngineEvent
from soul_connect.players.player import Player
from soul_connect.players.simulated import SimulatedEngine


@simulated
async def test_what_was_pressed_on_a_player_that_is_cancelled_was_for_nothing() -> None:
    async with world() as here:
        kitchen = here.player(1, load_ms=5_000)
        await until(lambda: kitchen.player.client.is_online)
        pressed = [asyncio.create_task(kitchen.player.play_here((track,))) for track in ("k", "l")]
        paused = asyncio.create_task(kitchen.player.pause_here())
        await after(1)
        kitchen.task.cancel()
        async with asyncio.timeout(5):
            # The first was under way, the others had to wait for it.
            assert await asyncio.gather(*pressed) == [False, False]
            await paused
            await asyncio.wait({kitchen.task})
            assert not await kitchen.player.play_here(("k",))
            await kitchen.player.pause_here()


class Broken(SimulatedEngine):
    """Does not start, and takes a second of simulated time to find that out."""

    async def open(self, listener: Callable[[EngineEvent], None]) -> None:
        await super().open(listener)
        await asyncio.sleep(1)
        raise EngineError("engine_gone", "it does not start")


@simulated
async def test_what_was_pressed_on_a_player_whose_engine_does_not_start_was_for_nothing() -> None:
    async with world() as here:
        player = Player(
            Broken(clock=asyncio.get_running_loop().time),
            url="mqtt://memory",
            token=token(),
            name="Kitchen",
            device_id=device_id(1),
            wiring=here.wiring(),
        )
        running = asyncio.create_task(player.run())
        pressed = asyncio.create_task(player.play_here(("k",)))
        with pytest.raises(EngineError):
            await running
        async with asyncio.timeout(5):
            assert not await pressed
            assert not await player.play_here(("k",))
