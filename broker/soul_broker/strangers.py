"""Who is not authenticated: how many sockets from one address, and how often a login failed.

A refusal is held back where (address, user) has failed often of late; who is admitted never
waits. Both tables are bounded: the one by the connections there are, the other by number
and age.
"""

from collections import OrderedDict
from typing import Final

_REMEMBERED: Final = 10_000
"""Pairs of (address, user)."""
_REMEMBERED_SECONDS: Final = 60.0
_FREE: Final = 5
"""Failures that are answered at once: a person who mistypes waits for nothing."""
_STEP: Final = 0.1
"""Seconds more for each further failure, up to the setting."""
_NAME: Final = 64
"""Characters of a user name that are looked at; a valid one has no more."""


class Strangers:
    """Sockets and failures by address. `limit` is for the sockets of one address, 0 for none.

    `longest` is how long a refusal is held back at most, in seconds.
    """

    __slots__ = ("_failures", "_limit", "_longest", "_waiting")

    def __init__(self, limit: int, longest: float) -> None:
        self._limit = limit
        self._longest = longest
        self._waiting: dict[str, int] = {}
        # (count, when), the oldest first.
        self._failures: OrderedDict[tuple[str, str], tuple[int, float]] = OrderedDict()

    def __len__(self) -> int:
        return sum(self._waiting.values())

    @property
    def remembered(self) -> int:
        """For how many (address, user) a failure is remembered."""
        return len(self._failures)

    def enter(self, address: str) -> bool:
        """One more socket; False where the address has too many already."""
        count = self._waiting.get(address, 0)
        if 0 < self._limit <= count:
            return False
        self._waiting[address] = count + 1
        return True

    def leave(self, address: str) -> None:
        """It is closed, or its client authenticated."""
        count = self._waiting[address] - 1
        if count:
            self._waiting[address] = count
        else:
            del self._waiting[address]

    def fail(self, address: str, user: str, now: float) -> float:
        """A login failed.

        Returns:
            For how many seconds to hold back the answer.
        """
        self.expire(now)
        key = (address, user[:_NAME])
        count = self._failures.pop(key, (0, now))[0] + 1
        self._failures[key] = (count, now)
        return max(0.0, min(self._longest, (count - _FREE) * _STEP))

    def succeed(self, address: str, user: str) -> None:
        """A login succeeded: what failed before was a mistake."""
        if self._failures:
            self._failures.pop((address, user[:_NAME]), None)

    def expire(self, now: float) -> None:
        """Forget failures that are old, and the oldest past the bound."""
        failures = self._failures
        while failures:
            key, (_, when) = next(iter(failures.items()))
            if now - when < _REMEMBERED_SECONDS and len(failures) < _REMEMBERED:
                return
            del failures[key]
