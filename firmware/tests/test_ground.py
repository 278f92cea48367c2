"""The ground that the other tests stand on: the same words mean the same under both interpreters."""

import asyncio
import time

from micropython import const
from umqtt.simple import MQTTClient

_HALF = const(1 << 29)


def test_ticks_wrap_and_their_difference_does_not():
    late = time.ticks_add(time.ticks_ms(), 1500)
    assert 1000 < time.ticks_diff(late, time.ticks_ms()) <= 1500
    assert time.ticks_diff(time.ticks_add(_HALF * 2 - 1, 2), _HALF * 2 - 1) == 2


async def test_a_wait_ends_at_its_deadline():
    start = time.ticks_ms()
    try:
        await asyncio.wait_for(asyncio.Event().wait(), 0.02)
    except asyncio.TimeoutError:
        assert time.ticks_diff(time.ticks_ms(), start) >= 15
    else:
        raise AssertionError("the wait went on")


def test_umqtt_is_the_one_with_the_known_traps():
    client = MQTTClient("id", "host", keepalive=30)
    assert client.pid == 0
    assert client.keepalive == 30
