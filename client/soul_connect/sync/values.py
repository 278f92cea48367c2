"""Values that change, for any number of threads, none of whom can hold up another."""

import threading
import time
import weakref
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Subscription(Iterator[T], Generic[T]):
    """What came since the last look: an iterator that waits, or `get` with a timeout."""

    def __init__(self, changed: threading.Condition, keep: int) -> None:
        self._changed = changed
        self._items: deque[T] = deque(maxlen=keep)
        self._ended: tuple[Exception | None] | None = None

    def get(self, timeout: float | None = None) -> T:
        """The next value.

        Raises:
            TimeoutError: none within `timeout` seconds.
            StopIteration: the client was disconnected.
            LinkError: it ended by itself, for good; this is why.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while not self._items and self._ended is None:
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    raise TimeoutError(f"nothing new within {timeout:g} s")
                self._changed.wait(left)
            if self._items:
                return self._items.popleft()
            error = None if self._ended is None else self._ended[0]
            if error is not None:
                raise error
            raise StopIteration

    def __next__(self) -> T:
        return self.get()

    def _put(self, item: T) -> None:
        self._items.append(item)
        self._changed.notify_all()

    def _end(self, error: Exception | None) -> None:
        self._ended = (error,)
        self._changed.notify_all()


class Changes(Generic[T]):
    """Something that changes. With `keep` 1 a slow subscriber gets the newest value only."""

    def __init__(self, *, keep: int, now: bool) -> None:
        """`now`: a new subscriber begins with the present value, if there is one."""
        self.value: T | None = None
        self._keep = keep
        self._now = now
        self._changed = threading.Condition()
        self._subscriptions: weakref.WeakSet[Subscription[T]] = weakref.WeakSet()
        self._ended: tuple[Exception | None] | None = None

    def set(self, value: T) -> None:
        """Another value."""
        with self._changed:
            self.value = value
            for subscription in self._subscriptions:
                subscription._put(value)  # noqa: SLF001 (its own)

    def add(self, item: T) -> None:
        """Something happened."""
        self.set(item)

    def begin(self) -> None:
        """Values may come again."""
        with self._changed:
            self._ended = None

    def end(self, error: Exception | None) -> None:
        """No more values: subscribers get what they have not seen, then the error, or just stop."""
        with self._changed:
            self._ended = (error,)
            for subscription in self._subscriptions:
                subscription._end(error)  # noqa: SLF001 (its own)
            self._subscriptions.clear()

    def subscribe(self) -> Subscription[T]:
        """One more who wants to know."""
        with self._changed:
            subscription: Subscription[T] = Subscription(self._changed, self._keep)
            if self._now and self.value is not None:
                subscription._put(self.value)  # noqa: SLF001 (its own)
            if self._ended is None:
                self._subscriptions.add(subscription)
            else:
                subscription._end(self._ended[0])  # noqa: SLF001 (its own)
            return subscription
