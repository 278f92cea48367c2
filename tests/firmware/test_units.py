"""The firmware's unit tests, file by file, under MicroPython and CPython, by the firmware's one runner."""

from collections.abc import Callable

import pytest

from firmware.board import FIRMWARE, cpython, micropython
from serving import Process

TESTS = FIRMWARE / "tests"
NAMES = sorted(path.stem for path in TESTS.glob("test_*.py"))


@pytest.mark.parametrize("interpreter", [micropython, cpython])
@pytest.mark.parametrize("name", NAMES)
def test_unit_tests_pass_under_both(name: str, interpreter: Callable[..., Process]) -> None:
    process = interpreter(TESTS / "run.py", name, more=[TESTS])
    code = process.wait(60)
    assert code == 0, process.output
    assert process.lines[-1].endswith(" 0 failed")
