"""Waiting for a condition, with a deadline: what tests do instead of sleeping.

And the time that the machine did not give: who measures how soon something happens leaves it out.
"""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Final, Self, TypeVar

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


class LostTime:
    """The seconds, while its block runs, in which a thread that was to run did not."""

    _LOOK: Final = 0.01
    _USUAL: Final = 0.02
    """Between two looks on a machine that does other things as well."""

    def __init__(self) -> None:
        self._sum = 0.0
        self._last = time.monotonic()
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    @property
    def seconds(self) -> float:
        """Up to now."""
        with self._lock:
            now = time.monotonic()
            gone, self._last = now - self._last, now
            if gone > self._LOOK + self._USUAL:
                self._sum += gone
            return self._sum

    def _watch(self) -> None:
        while not self._over.wait(self._LOOK):
            _ = self.seconds

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def _text(what: str | Callable[[], str], condition: object, seconds: float) -> str:
    described = what() if callable(what) else what
    return f"not within {seconds} s: {described or condition}"
