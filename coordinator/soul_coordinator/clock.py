"""The coordinator's clock."""

import time


class Clock:
    """Wall time in ms that never jumps: the wall clock at the start, and monotonic time since.

    An NTP step or a daylight mistake under a running coordinator thus moves no deadline and
    no position; the next start takes the corrected time.
    """

    __slots__ = ("_offset",)

    def __init__(self) -> None:
        self._offset = time.time_ns() - time.monotonic_ns()

    def now(self) -> int:
        """Ms since the Unix epoch."""
        return (time.monotonic_ns() + self._offset) // 1_000_000
