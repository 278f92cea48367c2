"""The one thread that waits for the database."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

_T = TypeVar("_T")


class Writer:
    """Runs calls of the store one after the other, in a thread of its own.

    Only the loop's thread hands them over; so it knows when the store is free to be used from
    the loop itself, which saves two changes of threads where the call takes no wait.
    """

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        self._last: Future[Any] | None = None

    @property
    def idle(self) -> bool:
        """Whether every call so far has ended, those included whose caller was cancelled."""
        return self._last is None or self._last.done()

    async def run(self, call: Callable[..., _T], *arguments: object) -> _T:
        """Call it, after those before it."""
        self._last = future = self._executor.submit(call, *arguments)
        return await asyncio.wrap_future(future)

    def shutdown(self) -> None:
        """Return once the last call has ended; no more are taken."""
        self._executor.shutdown()
