"""Starting the program: light, and kind when something is not installed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from soul_connect.cli.app import MODULES, modules_for


def test_help_is_grouped() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "soul_connect", "--help"], capture_output=True, text=True, check=True
    )
    assert "Music:" in done.stdout and "Devices:" in done.stdout


def test_help_imports_neither_pydantic_nor_rich() -> None:
    script = (
        "import sys; from soul_connect.cli.app import build; build(); "
        "print([name for name in ('pydantic', 'rich', 'aiomqtt', 'asyncio') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_without_typer_it_says_what_to_install(tmp_path: Path) -> None:
    # An installation without the extra, as far as imports are concerned.
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['typer'] = None\n")
    done = subprocess.run(
        [sys.executable, "-m", "soul_connect", "devices"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.strip().endswith("pip install 'soul-connect[cli]'")


def test_each_command_has_help() -> None:
    listing = subprocess.run(
        [sys.executable, "-m", "soul_connect", "--help"], capture_output=True, text=True, check=True
    ).stdout
    # The groups end their names with a colon; commands are indented by two.
    commands = [
        line.split()[0]
        for line in listing.split("Music:", 1)[1].splitlines()
        if line.startswith("  ") and not line.startswith("   ")
    ]
    wanted = "devices status watch play pause stop next previous seek volume shuffle repeat queue transfer"
    assert set(wanted.split()) | {"player", "rename", "forget", "login", "doctor"} <= set(commands)
    for command in commands:
        done = subprocess.run(
            [sys.executable, "-m", "soul_connect", command, "--help"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.startswith("Usage: ")


@pytest.mark.parametrize("words", [[], ["user"]])
def test_without_a_command_the_help_is_shown_and_it_is_no_complaint(words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "soul_connect", *words], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Usage: soul-connect ")


@pytest.mark.parametrize(
    ("line", "modules"),
    [
        ("devices --json", {"look"}),
        ("doctor", {"look", "doctor"}),
        ("play --on Kitchen", {"look", "remote"}),
        ("user add alice", {"look", "accounts"}),
        ("", set(MODULES)),
        ("--help", set(MODULES)),
        ("dance", set(MODULES)),
    ],
)
def test_a_command_learns_of_no_more_than_it_needs(line: str, modules: set[str]) -> None:
    assert set(modules_for(line.split())) == modules
