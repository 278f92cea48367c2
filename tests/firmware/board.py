"""The firmware on the real MicroPython: its unix port, as `make test` sets it up."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from serving import Process

ROOT = Path(__file__).resolve().parents[2]
FIRMWARE = ROOT / "firmware"
# Beside the environment that the tests run in: made by tests/firmware/ground.sh.
GROUND = Path(sys.prefix) / "firmware"
MICROPYTHON = GROUND / "bin" / "micropython"
LIBRARY = GROUND / "lib"


def path_of(*more: Path) -> list[str]:
    """Where the firmware's modules are found: `more` first."""
    return [*map(str, more), str(FIRMWARE), str(FIRMWARE / "fakes"), str(LIBRARY)]


def micropython(
    script: Path,
    *arguments: str,
    more: Sequence[Path] = (),
    heap: str | None = None,
    env: Mapping[str, str] | None = None,
) -> Process:
    """Run `script` on MicroPython, with a heap of `heap` (`160k`) if given; modules in `more` come first."""
    assert MICROPYTHON.exists(), "run `make test`, or `make .venv/firmware/.ready`, once"
    size = ["-X", f"heapsize={heap}"] if heap else []
    paths = ":".join([*path_of(*more), ".frozen"])
    return Process(
        [str(MICROPYTHON), *size, str(script), *arguments], env={"MICROPYPATH": paths, **(env or {})}
    )


def cpython(script: Path, *arguments: str, more: Sequence[Path] = ()) -> Process:
    """Run `script` on the Python of the tests, with the same modules."""
    return Process(
        [sys.executable, "-B", str(script), *arguments], env={"PYTHONPATH": os.pathsep.join(path_of(*more))}
    )
