"""The writer's thread: who may use the store meanwhile."""

import asyncio
import threading

import pytest

from soul_coordinator.writer import Writer
from waiting import until_async


async def test_it_is_busy_until_the_call_has_ended_though_nobody_waits() -> None:
    writer, going_on = Writer(), threading.Event()
    assert writer.idle
    waiting = asyncio.ensure_future(writer.run(going_on.wait, 10))
    await until_async(lambda: not writer.idle)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not writer.idle
    going_on.set()
    await until_async(lambda: writer.idle)
    writer.shutdown()


async def test_calls_keep_their_order_and_their_errors() -> None:
    writer, done = Writer(), list[int]()
    calls = [asyncio.ensure_future(writer.run(done.append, number)) for number in range(20)]
    failing = asyncio.ensure_future(writer.run(int, "x"))
    await asyncio.gather(*calls)
    assert done == list(range(20))
    with pytest.raises(ValueError, match="invalid literal"):
        await failing
    assert writer.idle
    writer.shutdown()
