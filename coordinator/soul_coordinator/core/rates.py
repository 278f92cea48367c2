"""Rate limits as the contract words them: at most N + N t / period in any t, or N in any second."""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from soul_coordinator.core.values import Address, Instant
from soul_protocol import limits

REQUEST_CHANNELS: Final = frozenset({"query", "command", "queue", "transfer", "manage"})
RATES_KEPT: Final = 64
"""Devices of a user whose rates are remembered: more than may be registered."""


class Bucket:
    """A token bucket in whole numbers: `capacity` requests, refilled over `period` ms."""

    __slots__ = ("_at", "_capacity", "_level", "_period")

    def __init__(self, capacity: int, period: int, now: Instant) -> None:
        self._capacity = capacity
        self._period = period
        # One request is `period` units, and each ms brings `capacity` of them: no fractions.
        self._level = capacity * period
        self._at = now

    def take(self, now: Instant) -> int:
        """Take one. Returns 0, or in how many ms there will be one."""
        self._level = min(self._capacity * self._period, self._level + (now - self._at) * self._capacity)
        self._at = now
        if self._level >= self._period:
            self._level -= self._period
            return 0
        return -((self._level - self._period) // self._capacity)


class Sliding:
    """At most `count` in any `period` ms, bursts included."""

    __slots__ = ("_count", "_period", "_taken")

    def __init__(self, count: int, period: int) -> None:
        self._count = count
        self._period = period
        self._taken: deque[Instant] = deque(maxlen=count)

    def take(self, now: Instant) -> int:
        """Take one. Returns 0, or in how many ms there will be one."""
        if len(self._taken) == self._count and now - self._taken[0] < self._period:
            return self._taken[0] + self._period - now
        self._taken.append(now)
        return 0


@dataclass(slots=True)
class DeviceRates:
    """The limits of one device, and when it was last told about them and other mistakes."""

    requests: Bucket
    others: Bucket
    states: Sliding
    told_rate_at: Instant = -limits.MINUTE
    told_unregistered_at: Instant = -limits.MINUTE
    told_inactive_at: Instant = -limits.MINUTE
    untold: tuple[Address, str, Instant] | None = None
    """The latest request over its rate that is not told so yet: who asks, its id, and when it may come."""

    @classmethod
    def fresh(cls, now: Instant) -> "DeviceRates":
        """Those of a device that was not heard of yet."""
        return cls(
            Bucket(limits.REQUESTS_PER_MINUTE, limits.MINUTE, now),
            Bucket(limits.OTHER_PER_MINUTE, limits.MINUTE, now),
            Sliding(limits.STATES_PER_SECOND, limits.SECOND),
        )


@dataclass(slots=True)
class Rates:
    """All limits of a user."""

    devices: dict[str, DeviceRates] = field(default_factory=dict)
    transfers: Sliding = field(default_factory=lambda: Sliding(limits.TRANSFERS_PER_SECOND, limits.SECOND))

    def take_transfer(self, now: Instant) -> int:
        """Take one of the user's transfers. Returns 0, or in how many ms there will be one."""
        return self.transfers.take(now)
