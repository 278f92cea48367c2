"""Time that has passed, that of a machine asleep included.

Linux leaves the time that a computer is suspended out of its monotonic clock, on which timers
run, and has another that counts it. Where there is none (macOS, Windows), it is the monotonic one.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Final

elapsed_ns: Final[Callable[[], int]] = (
    partial(time.clock_gettime_ns, time.CLOCK_BOOTTIME)
    if hasattr(time, "CLOCK_BOOTTIME")
    else time.monotonic_ns
)
"""Nanoseconds since some moment; never goes back."""


def elapsed() -> float:
    """The same in seconds."""
    return elapsed_ns() / 1e9
