"""The coordinator's clock, as seen from here.

Each exchange bounds the difference between the two clocks from both sides: an answer
cannot arrive before it was sent, and a question cannot be read before it was asked.

    question sent (here)  <=  read (there)       difference <= t1 - sent
    answer sent (there)   <=  received (here)    difference >= t2 - received

The estimate is the middle of all these bounds together. One quick way there and one quick
way back are enough, even when no single round trip was quick both ways, and half the
distance between the bounds is a true bound of the error. Clocks drift, so the bounds widen
with time; a clock that was set (or a machine that slept) contradicts the old bounds, which
then are forgotten.
"""

from typing import Final

DRIFT: Final = 100e-6
"""How far two clocks may drift apart, as a fraction: worse than any quartz that works."""


class ServerClock:
    """Turns moments of the local monotonic clock into the coordinator's, and back.

    Local moments are floats in ms, of a clock that never goes back; the coordinator's
    are integers in ms since the Unix epoch.
    """

    def __init__(self) -> None:
        self._bounds: tuple[float, float] | None = None
        self._measured = 0.0

    def sample(self, *, sent: float, received: float, t1: int, t2: int) -> None:
        """Learn from one exchange: `sent` and `received` here, `t1` and `t2` there.

        Impossible exchanges (received before sent, `t2` before `t1`) are ignored.
        """
        # The server's moments are whole ms, rounded down.
        low, high = t2 - received, t1 + 1 - sent
        if received < sent or t2 < t1 or low > high:
            return
        if self._bounds is not None:
            widened = max(0.0, received - self._measured) * DRIFT
            old_low, old_high = self._bounds[0] - widened, self._bounds[1] + widened
            if max(low, old_low) <= min(high, old_high):
                low, high = max(low, old_low), min(high, old_high)
        self._bounds = low, high
        self._measured = received

    @property
    def offset_ms(self) -> float | None:
        """What to add to a local moment; None before the first exchange."""
        return None if self._bounds is None else sum(self._bounds) / 2

    def uncertainty_ms(self, now: float) -> float | None:
        """How wrong `offset_ms` can be at most, in ms; None before the first exchange."""
        if self._bounds is None:
            return None
        low, high = self._bounds
        return (high - low) / 2 + max(0.0, now - self._measured) * DRIFT

    def at(self, now: float) -> int | None:
        """The coordinator's time at a local moment; None before the first exchange."""
        offset = self.offset_ms
        return None if offset is None else max(0, round(now + offset))
