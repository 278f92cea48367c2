"""Values that change, for any number of listeners, none of whom can hold up another."""

import asyncio
import weakref
from collections import deque
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Latest(Generic[T]):
    """One value. A listener gets the newest one, and misses what came while it was busy."""

    def __init__(self) -> None:
        self._value: T | None = None
        self._version = 0
        self._ended: tuple[Exception | None] | None = None
        self._waiting: set[asyncio.Future[None]] = set()

    @property
    def value(self) -> T | None:
        """The newest value; None before the first."""
        return self._value

    def set(self, value: T) -> None:
        """Another value."""
        self._value = value
        self._version += 1
        self._wake()

    def end(self, error: Exception | None) -> None:
        """No more values: listeners get the last one, then the error, or just stop."""
        if self._ended is None:
            self._ended = (error,)
            self._wake()

    def begin(self) -> None:
        """Values may come again."""
        self._ended = None

    def __aiter__(self) -> AsyncIterator[T]:
        return _Listener(self)

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, set()
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def after(self, version: int) -> tuple[int, T]:
        """The newest value once it is another than that of `version` (0: any)."""
        while True:
            if self._version > version:
                value: T = self._value  # type: ignore[assignment] # set together with the version
                return self._version, value
            if self._ended is not None:
                raise self._ended[0] or StopAsyncIteration
            future = asyncio.get_running_loop().create_future()
            self._waiting.add(future)
            try:
                await future
            finally:
                self._waiting.discard(future)


class _Listener(AsyncIterator[T]):
    def __init__(self, source: Latest[T]) -> None:
        self._source = source
        self._version = 0

    async def __anext__(self) -> T:
        self._version, value = await self._source.after(self._version)
        return value


class News(Generic[T]):
    """A stream. Each listener has a short queue of its own; a slow one misses the oldest."""

    def __init__(self, *, keep: int) -> None:
        self._keep = keep
        self._count: Latest[int] = Latest()
        self._readers: weakref.WeakSet[_Reader[T]] = weakref.WeakSet()

    def add(self, item: T) -> None:
        """Something happened."""
        for reader in self._readers:
            reader.queue.append(item)
        self._count.set(0)

    def end(self, error: Exception | None) -> None:
        """Nothing more will happen."""
        self._count.end(error)

    def begin(self) -> None:
        """Things may happen again."""
        self._count.begin()

    def __aiter__(self) -> AsyncIterator[T]:
        reader = _Reader[T](deque(maxlen=self._keep), self._count)
        self._readers.add(reader)
        return reader


class _Reader(AsyncIterator[T]):
    def __init__(self, queue: deque[T], count: Latest[int]) -> None:
        self.queue = queue
        self._count = count
        self._version = 0

    async def __anext__(self) -> T:
        while not self.queue:
            self._version, _ = await self._count.after(self._version)
        return self.queue.popleft()
