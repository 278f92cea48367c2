"""Rate limits as the contract words them: at most N + N t / period in any t."""

from dataclasses import dataclass, field
from typing import Final

from soul_coordinator.core.values import Instant
from soul_protocol import limits

REQUEST_CHANNELS: Final = frozenset({"query", "command", "queue", "transfer", "manage"})
_KEPT: Final = 64


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
        elapsed = max(0, now - self._at)
        self._level = min(self._capacity * self._period, self._level + elapsed * self._capacity)
        self._at = max(self._at, now)
        if self._level >= self._period:
            self._level -= self._period
            return 0
        return -((self._level - self._period) // self._capacity)


@dataclass(slots=True)
class DeviceRates:
    """The buckets of one device, and when it was last told about them and other mistakes."""

    requests: Bucket
    others: Bucket
    states: Bucket
    told_rate_at: Instant = -limits.MINUTE
    told_unregistered_at: Instant = -limits.MINUTE
    told_inactive_at: Instant = -limits.MINUTE


@dataclass(slots=True)
class Rates:
    """All buckets of a user. Ids are free to invent, so only the latest few are kept."""

    devices: dict[str, DeviceRates] = field(default_factory=dict)
    transfers: Bucket | None = None

    def of(self, device: str, now: Instant) -> DeviceRates:
        """The buckets of a device, full if it is new."""
        rates = self.devices.pop(device, None)
        if rates is None:
            if len(self.devices) >= _KEPT:
                del self.devices[next(iter(self.devices))]
            rates = DeviceRates(
                Bucket(limits.REQUESTS_PER_MINUTE, limits.MINUTE, now),
                Bucket(limits.OTHER_PER_MINUTE, limits.MINUTE, now),
                Bucket(limits.STATES_PER_SECOND, limits.SECOND, now),
            )
        self.devices[device] = rates
        return rates

    def take_transfer(self, now: Instant) -> int:
        """Take one of the user's transfers. Returns 0, or in how many ms there will be one."""
        if self.transfers is None:
            self.transfers = Bucket(limits.TRANSFERS_PER_SECOND, limits.SECOND, now)
        return self.transfers.take(now)
