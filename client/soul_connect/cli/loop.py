"""The event loop of what runs for long: uvloop's, where it is installed."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


def run_for_long(main: Coroutine[Any, Any, Result]) -> Result:
    """`asyncio.run`, on the loop that takes less of the processor."""
    try:
        import uvloop  # noqa: PLC0415 (not on Windows, and not with the client alone)
    except ImportError:
        return asyncio.run(main)
    return uvloop.run(main)
