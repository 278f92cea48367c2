"""Time that passes while the machine is asleep counts."""

import sys
import time

from soul_protocol.elapsed import elapsed, elapsed_ns


def test_it_is_the_clock_that_counts_suspension_where_the_system_has_one() -> None:
    low, here, high = (read() for read in (counting, elapsed_ns, counting))
    assert low <= here <= high
    assert round(elapsed() * 1e9) >= low - 1_000


def counting() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) if sys.platform == "linux" else time.monotonic_ns()
