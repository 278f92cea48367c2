"""Time that passes while the machine is asleep counts."""

import sys
import time

import pytest

from soul_protocol.elapsed import elapsed, elapsed_ns


def test_it_goes_on_like_a_monotonic_clock() -> None:
    first, second, third = elapsed_ns(), elapsed(), elapsed_ns()
    assert first <= round(second * 1e9) + 1_000
    assert round(second * 1e9) <= third + 1_000


@pytest.mark.skipif(sys.platform != "linux", reason="where the system has a clock for it")
def test_on_linux_it_is_the_clock_that_counts_suspension() -> None:
    low, here, high = (read() for read in (boot, elapsed_ns, boot))
    assert low <= here <= high


def boot() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
