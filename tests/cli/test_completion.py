"""What a shell offers at TAB, by typer's own script in a real bash."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer._completion_classes import BashComplete, FishComplete, ZshComplete
from typer.main import get_command

from cli.conftest import House
from soul_connect.cli import grammar
from soul_connect.cli.app import build
from soul_connect.cli.completion import VARIABLE, answer
from waiting import until


class Shell:
    """A bash that has loaded the completion, with a home of its own."""

    def __init__(self, house: House, folder: Path) -> None:
        programs = folder / "bin"
        programs.mkdir()
        # As installed: a program of this name on the path.
        (programs / "soul-connect").write_text(f'#!/bin/sh\nexec {sys.executable} -m soul_connect "$@"\n')
        (programs / "soul-connect").chmod(0o755)
        self.cache = folder / "cache"
        self.env = {
            **os.environ,
            **house.server.env,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "SOUL_CONNECT_TOKEN": house.token,
            "XDG_CACHE_HOME": str(self.cache),
        }

    @property
    def kept(self) -> Path:
        return self.cache / "soul-connect" / "devices.json"

    def bash(self, script: str) -> str:
        done = subprocess.run(
            ["bash", "-c", script], env=self.env, capture_output=True, text=True, timeout=30, check=False
        )
        assert (done.returncode, done.stderr) == (0, ""), done
        return done.stdout

    def tab(self, *words: str) -> list[str]:
        """The offers after these words, the last of which is being typed."""
        line = shlex.join(["soul-connect", *words])
        return self.bash(
            'eval "$(soul-connect --show-completion)"\n'
            f"COMP_WORDS=(soul-connect {shlex.join(words)}); COMP_CWORD={len(words)}; COMP_LINE={line!r}\n"
            "_soul_connect_completion soul-connect\n"
            'printf "%s\\n" "${COMPREPLY[@]}"\n'
        ).split()

    def keep(self, *devices: tuple[str, str]) -> None:
        """As a command would have."""
        owner = json.loads(self.kept.read_text())["owner"]
        known = [{"id": each, "name": name, "kind": "web", "is_online": True} for each, name in devices]
        self.kept.write_text(json.dumps({"owner": owner, "devices": known}))


@pytest.fixture
def shell(house: House, tmp_path: Path) -> Shell:
    return Shell(house, tmp_path)


def test_commands_and_words(shell: Shell) -> None:
    assert shell.tab("tra") == ["transfer"]
    assert shell.tab("repeat", "a") == ["all"]


def test_devices_as_last_seen(house: House, shell: Shell) -> None:
    # The first TAB knows nobody yet, and has them looked up for the second.
    assert shell.tab("transfer", "k") == []
    until(shell.kept.exists, seconds=20)
    assert shell.kept.stat().st_mode & 0o777 == 0o600
    assert shell.tab("transfer", "k") == ["kitchen"]
    assert shell.tab("transfer", "K") == ["Kitchen"]
    assert set(shell.tab("play", "--on", "")) >= {"kitchen", "office"}
    # What is offered means that device.
    assert "Kitchen" in house.say("rename", shell.tab("rename", "kit")[0], "Kitchen")


def test_names_that_a_shell_would_take_apart(shell: Shell) -> None:
    shell.bash("soul-connect devices")
    shell.keep(
        ("11111111-0000-4000-8000-000000000000", "Living room"),
        ("22222222-0000-4000-8000-000000000000", "Bed"),
        ("33333333-0000-4000-8000-000000000000", "Bed (2)"),
        ("44444444-0000-4000-8000-000000000000", "$(reboot) now"),
    )
    assert shell.tab("forget", "") == ["living", "bed", "33333333", "44444444"]
    assert shell.tab("forget", "3") == ["33333333"]


def test_what_is_kept_is_for_one_user_of_one_server(house: House, shell: Shell) -> None:
    shell.bash("soul-connect devices")
    assert shell.tab("transfer", "kit") == ["kitchen"]
    shell.env["SOUL_CONNECT_URL"] = house.server.ws_url
    assert shell.tab("transfer", "kit") == []


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"owner": 1}', '{"owner": "x", "devices": [{"a": 1}]}', "\0"]
)
def test_a_broken_file_is_no_file(shell: Shell, text: str) -> None:
    shell.kept.parent.mkdir(parents=True)
    shell.kept.write_text(text)
    shell.env["SOUL_CONNECT_URL"] = "mqtt://127.0.0.1:1"
    assert shell.tab("transfer", "") == []


def test_without_a_token_or_with_bad_settings_there_are_no_names(shell: Shell) -> None:
    shell.env["SOUL_CONNECT_TOKEN"] = "none"
    assert shell.tab("transfer", "") == []
    shell.env["SOUL_CONNECT_URL"] = "gopher://x"
    assert shell.tab("transfer", "") == []


def beginnings(command: Any, words: list[str]) -> Iterator[tuple[list[str], str]]:
    """Command lines up to a TAB: each command, after each of its options, with each beginning of a word."""
    names = [option["names"].split()[-1] for option in command["options"]]
    places = (*command["options"], *command.get("arguments", ()))
    offered = " ".join(place.get("offers", "") for place in places)
    yield from ((words, incomplete) for incomplete in ("", "-", "--", "x", *names, *offered.split()))
    for name in names:
        yield [*words, name], "o"
        yield [*words, name], ""
        yield [*words, name, "value"], "--"
    if "commands" not in command:
        yield [*words, "word"], ""
        yield [*words, "word", "--json", "another"], ""
    for name, below in command.get("commands", {}).items():
        yield words, name[:2]
        yield from beginnings(below, [*words, name])


def typer_says(
    program: Any, shell: str, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> tuple[str, int]:
    kind: Any = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}[shell]
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    try:
        return kind(program, {}, "soul-connect", VARIABLE).complete(), 0
    except SystemExit as ended:
        return "", int(str(ended.code))


def in_any_order(said: tuple[str, int]) -> tuple[list[str], int]:
    """Shells sort what they are offered, and typer has the two names of --help in any order."""
    text, code = said
    return sorted(text.removeprefix("_arguments '*: :((").removesuffix("))'").split("\n")), code


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_is_told_what_typer_would_tell(shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program, ours, others = get_command(build()), 0, 0
    for words, incomplete in beginnings(grammar.document(), []):
        line = " ".join(["soul-connect", *words, incomplete])
        environ = {
            VARIABLE: f"complete_{shell}",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(words) + 1),
            "_TYPER_COMPLETE_ARGS": line,
            "_TYPER_COMPLETE_FISH_ACTION": "is-args" if len(incomplete) == 1 else "get-args",
        }
        said = answer(environ)
        if said is None:
            others += 1
        else:
            ours += 1
            theirs = typer_says(program, shell, environ, monkeypatch)
            assert in_any_order(said) == in_any_order(theirs), line
    assert ours > 10 * others


def test_a_tab_imports_neither_typer_nor_the_contract() -> None:
    code = (
        "import sys; from soul_connect.__main__ import main; code = main(); "
        "print(code, [name for name in ('typer', 'rich', 'pydantic', 'subprocess') if name in sys.modules])"
    )
    environ = {VARIABLE: "complete_bash", "COMP_WORDS": "soul-connect\ntransfer\nk", "COMP_CWORD": "2"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "0 []\n"
