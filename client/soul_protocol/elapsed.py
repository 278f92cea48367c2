"""Time that has passed, that of a machine asleep included."""

import time


def elapsed_ns() -> int:
    """Nanoseconds since some moment; never goes back.

    Linux leaves the time that a computer is suspended out of its monotonic clock, on which timers
    run, and has another that counts it. Where there is none (macOS, Windows), the monotonic one.
    """
    return _ELAPSED_NS()


def elapsed() -> float:
    """The same in seconds."""
    return _ELAPSED_NS() / 1e9


def _since_boot_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


_ELAPSED_NS = _since_boot_ns if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic_ns
