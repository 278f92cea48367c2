"""An event loop whose clock jumps: a story of minutes is told in milliseconds, and always the same way."""

import asyncio
import functools
import selectors
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ParamSpec

P = ParamSpec("P")


TURN = 1e-6
"""Every turn of the loop takes a little (s), as in the world: who waits for time to pass does not hang."""


class _Jump(selectors.SelectSelector):
    """Instead of waiting for a timeout, moves the loop's clock there."""

    loop: "VirtualLoop"

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("nothing will ever happen again")
            self.loop.virtual += timeout
        self.loop.virtual += TURN
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """For code without real I/O."""

    def __init__(self) -> None:
        self.virtual = 1_000.0
        selector = _Jump()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.virtual


def simulated(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an async test in virtual time."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(test(*args, **kwargs))

    return run


async def until(condition: Callable[[], object], *, seconds: float = 60.0, what: object = "") -> None:
    """Let time pass until the condition holds; fail after so many virtual seconds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not condition():
        assert loop.time() < deadline, f"not within {seconds} s: {what() if callable(what) else what}"
        await asyncio.sleep(0.005)


async def after(seconds: float) -> None:
    """Let virtual time pass."""
    await asyncio.sleep(seconds)


async def raises(kind: type[BaseException], action: Awaitable[object]) -> BaseException:
    """The exception that an action ends with."""
    try:
        await action
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")
