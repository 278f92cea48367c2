"""Clocks off by an hour, links that jitter: everyone draws the same moment of the music."""

import asyncio

import pytest

from client.memory_broker import MemoryBroker
from client.simulation import EPOCH_MS, device_id, world
from client.virtual_time import after, simulated, until

HOUR = 3_600.0
TRACK = ("a?duration_ms=600000",)


def jittery(broker: MemoryBroker) -> None:
    """Each way takes 100 ms, give or take 50."""
    broker.latency, broker.jitter = 0.1, 0.05


@pytest.mark.parametrize("seed", range(8))
def test_the_clock_is_within_20_ms_of_the_truth(seed: int) -> None:
    estimate(seed)


@simulated
async def estimate(seed: int) -> None:
    async with world() as here:
        jittery(here.broker)
        here.broker._chance.seed(seed)
        loop = asyncio.get_running_loop()
        clients = [here.client(skew=skew) for skew in (-HOUR, 0.0, HOUR)]
        for client in clients:
            await client.connect()
        await after(15)
        for client in clients:
            known, uncertainty = client.server_now(), client.clock_uncertainty_ms
            assert known is not None
            assert uncertainty is not None
            error = abs(known - (EPOCH_MS + loop.time() * 1_000))
            assert error <= 20
            assert error <= uncertainty + 1
        for client in clients:
            await client.disconnect()


@simulated
async def test_three_clients_draw_the_renderers_position() -> None:
    async with world() as here:
        jittery(here.broker)
        kitchen = here.player(1, skew=HOUR)
        clients = [here.client(skew=skew) for skew in (-HOUR, 0.0, HOUR / 2)]
        for client in clients:
            await client.connect()
        await until(lambda: kitchen.player.client.is_online)
        await clients[0].set_queue(TRACK, target_device=device_id(1))
        await clients[0].play()
        await after(15)
        await clients[1].seek(30_000)
        for _ in range(100):
            await after(0.37)
            truth = await kitchen.engine.position_ms()
            assert all(abs(client.position_ms() - truth) <= 50 for client in clients)
        for client in clients:
            await client.disconnect()
