"""`watch` on a terminal, in a pipe, and as JSON lines."""

import json
import os
import re
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cli.conftest import House, start_player
from serving import PROGRAM, serving
from waiting import until


class Screen:
    """What a program wrote to its terminal so far, without the escape sequences."""

    def __init__(self, master: int) -> None:
        self._master = master
        self._bytes = b""

    @property
    def raw(self) -> bytes:
        """With the escape sequences."""
        while select.select([self._master], [], [], 0)[0]:
            try:
                chunk = os.read(self._master, 65536)
            except OSError:  # the other end is closed
                break
            if not chunk:
                break
            self._bytes += chunk
        return self._bytes

    @property
    def text(self) -> str:
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self.raw.decode(errors="replace"))


@contextmanager
def on_a_terminal(
    house: House, *arguments: str, lines: int = 24, encoding: str = "utf-8"
) -> Iterator[tuple[subprocess.Popen[bytes], Screen]]:
    master, slave = os.openpty()
    env = {
        **os.environ,
        **house.server.env,
        "SOUL_CONNECT_TOKEN": house.token,
        "TERM": "xterm-256color",
        "COLUMNS": "80",
        "LINES": str(lines),
        "PYTHONUTF8": "1",
        "PYTHONIOENCODING": encoding,
    }
    program = subprocess.Popen([*PROGRAM, *arguments], env=env, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    screen = Screen(master)
    try:
        yield program, screen
    finally:
        program.kill()
        program.wait()
        os.close(master)


@pytest.fixture
def music(house: House) -> House:
    house.play_in_the_kitchen("first?duration_ms=300000", "second?duration_ms=300000")
    return house


def test_on_a_terminal(music: House) -> None:
    with on_a_terminal(music, "watch") as (program, screen):
        until(lambda: "first" in screen.text and "Kitchen" in screen.text)
        music.ask(lambda client: client.next())
        until(lambda: "2 of 2" in screen.text)
        # The bar moves between the reports, which come each second.
        seconds = set(re.findall(r"\b0:0\d", screen.text))
        until(lambda: len(set(re.findall(r"\b0:0\d", screen.text)) - seconds) >= 2)
        program.send_signal(signal.SIGINT)
        assert program.wait(5) == 0
        assert "Traceback" not in screen.text


def test_the_terminal_gets_its_cursor_back_from_sigterm(music: House) -> None:
    with on_a_terminal(music, "watch") as (program, screen):
        until(lambda: "first" in screen.text)
        program.send_signal(signal.SIGTERM)
        assert program.wait(5) == 0
        assert screen.raw.rfind(b"\x1b[?25h") > screen.raw.rfind(b"\x1b[?25l") >= 0
        assert "soul-connect:" not in screen.text


def test_a_low_terminal_says_that_the_connection_was_lost(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        server.add_user("alice")
        token = server.token("alice")
        player, device = start_player(server, token, tmp_path, "Kitchen")
        try:
            house = House(server, token, {"Kitchen": player}, {"Kitchen": device})
            house.play_in_the_kitchen(*(f"{number}?duration_ms=300000" for number in range(8)))
            with on_a_terminal(house, "watch", lines=8) as (_, screen):
                until(lambda: "Next" in screen.text)
                server.kill()
                until(lambda: "connection was lost" in screen.text, seconds=30)
        finally:
            player.kill()


def test_costs_little(music: House) -> None:
    with on_a_terminal(music, "watch") as (program, screen):
        until(lambda: "first" in screen.text)

        def used() -> float:
            fields = Path(f"/proc/{program.pid}/stat").read_text().rsplit(")", 1)[1].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

        before, since = used(), time.monotonic()
        until(lambda: time.monotonic() - since > 4)
        assert (used() - before) / (time.monotonic() - since) < 0.05


def test_in_a_pipe(music: House) -> None:
    watching = music.server.spawn("watch", token=music.token)
    try:
        watching.line("Playing first")
        music.ask(lambda client: client.pause())
        watching.line("Paused: first")
        watching.signal(signal.SIGINT)
        assert watching.wait() == 0
        assert not watching.errors
    finally:
        watching.kill()


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_whoever_reads_may_go(music: House, more: tuple[str, ...]) -> None:
    env = {**os.environ, **music.server.env, "SOUL_CONNECT_TOKEN": music.token}
    with subprocess.Popen(
        [*PROGRAM, "watch", *more], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as watching:
        assert watching.stdout is not None and watching.stderr is not None
        try:
            assert watching.stdout.readline()
            watching.stdout.close()
            music.ask(lambda client: client.pause())
            music.ask(lambda client: client.play())
            assert watching.wait(10) == 0
            assert watching.stderr.read() == ""
        finally:
            watching.kill()


def test_as_json(music: House) -> None:
    watching = music.server.spawn("watch", "--json", token=music.token)
    try:
        watching.line('{"type": "state"')
        watching.line('{"type": "devices"')
        music.ask(lambda client: client.pause())
        until(
            lambda: any(
                found["type"] == "state" and not found["state"]["is_playing"]
                for found in map(json.loads, watching.lines)
            )
        )
        watching.signal(signal.SIGINT)
        assert watching.wait() == 0
    finally:
        watching.kill()


def test_devices_and_status_on_a_terminal(music: House) -> None:
    with on_a_terminal(music, "devices") as (program, screen):
        assert program.wait(15) == 0
        assert "▶ 💻  Kitchen" in screen.text
    with on_a_terminal(music, "status") as (program, screen):
        assert program.wait(15) == 0
        assert "▶ first" in screen.text and "5:00" in screen.text


@pytest.mark.parametrize("command", ["devices", "status"])
def test_an_encoding_without_our_signs_is_no_end(music: House, tmp_path: Path, command: str) -> None:
    player, _ = start_player(music.server, music.token, tmp_path, "Küche")
    try:
        music.say("transfer", "Küche")
        with on_a_terminal(music, command, encoding="ascii") as (program, screen):
            assert program.wait(15) == 0
            assert "K?che" in screen.text
        env = {**os.environ, **music.server.env, "SOUL_CONNECT_TOKEN": music.token}
        done = subprocess.run(
            [*PROGRAM, command],
            env={**env, "PYTHONIOENCODING": "ascii"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert "K?che" in done.stdout and not done.stderr
    finally:
        player.kill()
        music.say("transfer", "Kitchen")
        music.say("forget", "Küche")
