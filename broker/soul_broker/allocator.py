"""glibc's allocator: TLS connections at half the memory, and memory given back after a storm.

uvloop gives each TLS connection a buffer of 256 KiB, of which an idle one touches a page. As a
mapping of its own the rest costs nothing; in the heap it lands on pages that are in use.
glibc begins with mappings for such sizes, and moves its threshold above them as soon as
one is freed. Setting the threshold keeps it: measured, 26 KB for each idle TLS connection
instead of 49, and 0.4 MB instead of 5 held for a reader that has stopped.
What is free between pages in use stays with the process until it is told to give it back.
"""

import ctypes
import sys
from typing import Any, Final

_M_MMAP_THRESHOLD: Final = -3
"""malloc.h"""

THRESHOLD: Final = 192 * 1024
"""Bytes from which on an allocation is a mapping of its own."""


def _function(name: str) -> Any:
    if not sys.platform.startswith("linux"):
        return None
    try:
        return getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError):
        return None


_mallopt: Final = _function("mallopt")
_malloc_trim: Final = _function("malloc_trim")


def keep_large_buffers_apart() -> bool:
    """Fix the threshold for this process; False where the C library is none of glibc's."""
    return bool(_mallopt(_M_MMAP_THRESHOLD, THRESHOLD)) if _mallopt is not None else False


def give_back() -> None:
    """Return free pages to the system: 0.1 ms with 60 MB in use, 30 ms with 500 MB."""
    if _malloc_trim is not None:
        _malloc_trim(0)
