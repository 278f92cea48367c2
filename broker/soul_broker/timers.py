"""One wheel of deadlines for every connection, instead of a timer for each.

A slot of the wheel is `RESOLUTION` seconds; a deadline fires in the slot that follows
it, never before it. Times are seconds of one monotonic clock, passed in by the caller.
"""

from typing import Final, Generic, Protocol, TypeVar

RESOLUTION: Final = 0.1
"""Seconds in one slot: how late a deadline may fire, beside the caller's own delay."""


class Timed(Protocol):
    """What waits in the wheel. `slot` is the wheel's own: -1 while it is not waiting."""

    slot: int


T = TypeVar("T", bound=Timed)


class TimerWheel(Generic[T]):
    """Deadlines, at most one for each waiting thing."""

    __slots__ = ("_now", "_slots")

    def __init__(self) -> None:
        self._slots: dict[int, set[T]] = {}
        self._now: int | None = None

    def __len__(self) -> int:
        return sum(map(len, self._slots.values()))

    def schedule(self, thing: T, deadline: float) -> None:
        """Wake `thing` at `deadline`, in place of the deadline that it had."""
        slot = int(deadline / RESOLUTION) + 1
        if self._now is not None and slot <= self._now:
            slot = self._now + 1
        if thing.slot == slot:
            return
        self.cancel(thing)
        self._slots.setdefault(slot, set()).add(thing)
        thing.slot = slot

    def cancel(self, thing: T) -> None:
        """Forget `thing`; it is not kept alive by the wheel any more."""
        if thing.slot < 0:
            return
        waiting = self._slots[thing.slot]
        waiting.discard(thing)
        if not waiting:
            del self._slots[thing.slot]
        thing.slot = -1

    def due(self, now: float) -> list[T]:
        """Whose deadline has passed. They wait no more; who is to wait again is scheduled again."""
        slot = int(now / RESOLUTION)
        if self._now is None or slot - self._now > len(self._slots):
            # Time has jumped, as after a suspended machine: look at what waits, not at every slot passed.
            passed = sorted(key for key in self._slots if key <= slot)
        else:
            passed = [key for key in range(self._now + 1, slot + 1) if key in self._slots]
        self._now = slot
        things: list[T] = []
        for key in passed:
            for thing in self._slots.pop(key):
                thing.slot = -1
                things.append(thing)
        return things
