"""What MicroPython has and CPython has not, for the unit tests under CPython: names and ticks."""

import asyncio
import binascii
import builtins
import socket
import struct
import sys
import time
import types

_TICKS_PERIOD = 1 << 30  # as on MicroPython: ticks wrap


def _ticks_diff(end, start):
    half = _TICKS_PERIOD // 2
    return (end - start + half) % _TICKS_PERIOD - half


def install():
    """Make the firmware importable: `time.ticks_ms`, `asyncio.sleep_ms`, `micropython.const`, u-names."""
    time.ticks_ms = lambda: time.monotonic_ns() // 1_000_000 % _TICKS_PERIOD
    time.ticks_us = lambda: time.monotonic_ns() // 1_000 % _TICKS_PERIOD
    time.ticks_diff = _ticks_diff
    time.ticks_add = lambda ticks, delta: (ticks + delta) % _TICKS_PERIOD
    time.sleep_ms = lambda ms: time.sleep(ms / 1000)
    asyncio.sleep_ms = lambda ms: asyncio.sleep(ms / 1000)
    asyncio.wait_for_ms = lambda awaitable, ms: asyncio.wait_for(awaitable, ms / 1000)
    micropython = types.ModuleType("micropython")
    micropython.const = lambda value: value
    builtins.const = micropython.const
    sys.modules.update(
        micropython=micropython, usocket=socket, ustruct=struct, ubinascii=binascii, utime=time
    )
