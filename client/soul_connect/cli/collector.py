"""The garbage collector of a program that runs for long."""

import gc
from typing import Final

COLLECT: Final = (10_000, 20, 50)
"""The collector's thresholds while serving or playing (`gc.set_threshold`)."""


def settle_collector() -> None:
    """What the start made stays: the collector need not look at it again and again.

    A full collection takes 200 ms with ten thousand devices, and everybody waits. Most of what
    is made for a message is gone when it was told, so that it can be rare; a report, which lives
    for a second, is not to be taken for something that stays.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT)
