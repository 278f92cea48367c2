"""Every command of the README, typed as it stands there, on a machine of its own."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.album import make_album
from serving import Process, free_ports

ROOT = Path(__file__).parents[2]
LONG_RUNNING = re.compile(r"make run|soul-connect (serve|watch|player)|mosquitto_sub")


def commands() -> list[list[str]]:
    """The lines of each shell block, comments taken off."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    return [[line.split("  #")[0].strip() for line in block.splitlines()] for block in blocks]


class Shell:
    """What a reader types, one line after the other; long-running commands stay until the end."""

    def __init__(self, home: Path) -> None:
        self.mqtt, self.tls, self.http = free_ports(3)
        bins = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        kept = {key: value for key, value in os.environ.items() if not key.startswith("SOUL_CONNECT_")}
        self.env = {
            **kept,
            "HOME": str(home),
            "XDG_DATA_HOME": str(home / "data"),
            "XDG_CONFIG_HOME": str(home / "config"),
            "XDG_STATE_HOME": str(home / "state"),
            "PATH": bins,
            "SOUL_CONNECT_MQTT_PORT": str(self.mqtt),
            "SOUL_CONNECT_TLS_PORT": str(self.tls),
            "SOUL_CONNECT_HTTP_PORT": str(self.http),
            "SOUL_CONNECT_URL": f"mqtt://127.0.0.1:{self.mqtt}",
        }
        self.cwd = ROOT
        self.running: list[Process] = []

    def _here(self, line: str) -> str:
        """The line with this test's ports, program and files in place of the reader's."""
        line = line.replace("-p 1883", f"-p {self.mqtt}").replace(":8080/", f":{self.http}/")
        line = line.replace(".venv/bin/soul-connect", "soul-connect")
        line = line.replace("/etc/soul-connect/soul-connect.toml", str(ROOT / "config" / "soul-connect.toml"))
        return line.replace("player ", "player --mpv-arg=--ao=null ")

    def type(self, line: str) -> str:
        """Run a line; a long-running one until it says something."""
        if line.startswith("export "):
            script = f"{self._here(line)}; env -0"
            done = subprocess.run(
                ["sh", "-ec", script], env=self.env, cwd=self.cwd, capture_output=True, check=True
            )
            self.env = dict(
                pair.split("=", 1) for pair in done.stdout.decode().rstrip("\0").split("\0") if "=" in pair
            )
            return ""
        if LONG_RUNNING.search(line):
            program = Process(["sh", "-c", f"cd {self.cwd} && exec {self._here(line)}"], env=self.env)
            self.running.append(program)
            serves = "make run" in line or "soul-connect serve" in line
            # `make run` may have to set up everything first.
            return program.line("ready " if serves else "", seconds=300)
        done = subprocess.run(
            ["sh", "-ec", self._here(line)], env=self.env, cwd=self.cwd, capture_output=True, check=False
        )
        assert done.returncode == 0, f"{line}: {done.returncode} {done.stdout!r} {done.stderr!r}"
        return done.stdout.decode()

    def end(self) -> None:
        """Ctrl-C for everything that still runs, the newest first."""
        for program in reversed(self.running):
            if program.returncode is None:
                os.killpg(program.pid, signal.SIGINT)
                program.wait(10)
        self.running.clear()


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    typed = Shell(tmp_path)
    try:
        yield typed
    finally:
        for program in typed.running:
            program.kill()


def test_the_demo_and_what_to_type_next(shell: Shell) -> None:
    first, second = commands()[:2]
    assert first == ["make run"]
    assert shell.type(first[0]).startswith("ready mqtt=127.0.0.1:")
    server = shell.running[0]
    hints = "\n".join(server.errors)
    assert "mosquitto_sub" in hints
    for line in second:
        said = shell.type(line)
        if line.endswith("devices"):
            assert "Kitchen" in said
            assert "Living room" in said
    for program in shell.running[1:]:
        program.signal(signal.SIGINT)
        program.wait(5)
    del shell.running[1:]
    os.killpg(server.pid, signal.SIGINT)
    server.wait(5)


def test_a_users_own_music_and_a_look_inside(shell: Shell, tmp_path: Path) -> None:
    blocks = commands()[2:]
    library = tmp_path / "Music" / "album"
    for number, track in enumerate(make_album(library), 1):
        shutil.move(track, library / f"{number:02}{track.suffix}")
    shutil.copy(library / "01.flac", library / "02.flac")
    serve = next(line for block in blocks for line in block if "soul-connect serve" in line)
    assert shell.type(serve).startswith("ready ")
    shell.cwd = tmp_path
    for block in blocks:
        for line in block:
            if line == serve:
                continue
            said = shell.type(line)
            if "healthz" in line:
                assert "true" in said.lower() or "ok" in said.lower()
            if line.startswith("mosquitto_sub"):
                assert said.startswith("soul/v1/alice/")
    shell.end()


LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|srcset)=\"([^\"]+)\"")


def linked(page: Path) -> set[Path]:
    """Where the links of a page lead, but for those to the web."""
    found = {first or second for first, second in LINK.findall(page.read_text("utf-8"))}
    places = {target.partition("#")[0] for target in found if not re.match("[a-z]+:", target)} - {""}
    return {(page.parent / place).resolve() for place in places}


def test_the_readme_leads_to_every_page_and_no_link_leads_nowhere() -> None:
    pages = {ROOT / "README.md", ROOT / "firmware" / "README.md", *(ROOT / "docs").rglob("*.md")}
    missing = {target for page in pages for target in linked(page) if not target.exists()}
    assert missing == set()
    from_here = linked(ROOT / "README.md")
    for page in sorted(pages - {ROOT / "README.md"}):
        assert page in from_here or page.parent in from_here, page
