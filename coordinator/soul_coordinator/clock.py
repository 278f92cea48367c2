"""The coordinator's clock."""

import time
from collections.abc import Callable

from soul_protocol.elapsed import elapsed_ns


class Clock:
    """Wall time in ms that never jumps: the wall clock at the start, and monotonic time since.

    An NTP step or a daylight mistake under a running coordinator thus moves no deadline and
    no position; the next start takes the corrected time. What a computer slept is not counted:
    `slept` says it, and that it is time for another start.
    """

    __slots__ = ("_asleep", "_elapsed", "_offset")

    def __init__(self, elapsed: Callable[[], int] = elapsed_ns) -> None:
        """`elapsed` gives ns, those of a machine asleep included."""
        self._elapsed = elapsed
        self._offset = time.time_ns() - time.monotonic_ns()
        self._asleep = elapsed() - time.monotonic_ns()

    def now(self) -> int:
        """Ms since the Unix epoch."""
        return (time.monotonic_ns() + self._offset) // 1_000_000

    def slept(self) -> int:
        """For how many ms the computer was asleep since this clock began."""
        return (self._elapsed() - time.monotonic_ns() - self._asleep) // 1_000_000
