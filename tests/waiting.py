"""Waiting for a condition, with a deadline: what tests do instead of sleeping."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

_PAUSE = 0.02


class WaitedTooLong(AssertionError):  # noqa: N818 (it reads as a sentence in a test's output)
    """The condition did not come true in time."""


def until(condition: Callable[[], T], *, seconds: float = 10.0, what: str | Callable[[], str] = "") -> T:
    """The condition's first true value; looked at every 20 ms, for `seconds` at most."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise WaitedTooLong(_text(what, condition, seconds))
        pause.wait(_PAUSE)
    return value


async def until_async(
    condition: Callable[[], Awaitable[T]] | Callable[[], T],
    *,
    seconds: float = 10.0,
    what: str | Callable[[], str] = "",
) -> T:
    """Likewise, while the event loop goes on."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        value = condition()
        result: T = await value if isinstance(value, Awaitable) else value
        if result:
            return result
        if loop.time() > deadline:
            raise WaitedTooLong(_text(what, condition, seconds))
        await asyncio.sleep(_PAUSE)


def _text(what: str | Callable[[], str], condition: object, seconds: float) -> str:
    described = what() if callable(what) else what
    return f"not within {seconds} s: {described or condition}"
