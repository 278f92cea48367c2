"""The examples, as whoever adopts this would run them: as programs, with real sound that nobody hears."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from players_mpv.audio import make_wav
from serving import Process, Server
from soul_connect.sync import ConnectClient
from soul_coordinator.accounts import Accounts
from waiting import until

EXAMPLES = Path(__file__).parents[2] / "client" / "examples"


@contextmanager
def example(name: str, **env: str) -> Iterator[Process]:
    process = Process([sys.executable, str(EXAMPLES / name)], env=env)
    try:
        yield process
    finally:
        process.kill()


@pytest.fixture
def silent_mpv(tmp_path: Path) -> dict[str, str]:
    home = tmp_path / "mpv"
    home.mkdir()
    (home / "mpv.conf").write_text("ao=null\n")
    return {"MPV_HOME": str(home)}


def test_they_are_as_short_as_promised() -> None:
    assert len((EXAMPLES / "renderer.py").read_text().splitlines()) <= 40
    assert len((EXAMPLES / "remote.py").read_text().splitlines()) <= 15


def test_a_renderer_in_40_lines_plays_and_a_remote_in_15_controls_it(
    server: Server, accounts: Accounts, user: str, tmp_path: Path, silent_mpv: dict[str, str]
) -> None:
    token = accounts.issue(user).token
    den = str(uuid.uuid4())
    long, short = make_wav(tmp_path / "long.wav", seconds=20), make_wav(tmp_path / "short.wav", seconds=1)
    where = {"SOUL_CONNECT_URL": server.url}
    of_den = accounts.issue(user, device=den).token
    with (
        example("renderer.py", SOUL_CONNECT_TOKEN=of_den, **where, **silent_mpv) as renderer,
        ConnectClient(url=server.url, token=token, ephemeral=True) as watching,
    ):

        def state() -> Any:
            assert renderer.returncode is None, renderer.output
            assert watching.state is not None
            return watching.state

        until(lambda: any(one.id == den and one.is_online for one in watching.devices))
        watching.set_queue((long, short, long), target_device=den)
        lines = _type(["play", "pause", "next", "rewind", "previous", "play"], token, where)
        said = [line.rsplit(" ", 2)[0] for line in lines]  # but how many seconds in
        applied = f"applied {long}"
        assert said == [applied, applied, f"applied {short}", "'rewind'", applied, applied]
        until(lambda: watching.position_ms() > 500)
        watching.set_volume(0.5)
        watching.seek(15_000)
        watching.pause()
        assert 15_000 <= state().position_ms < 17_000
        held = state().position_ms
        watching.play()
        until(lambda: watching.position_ms() > held + 200)
        watching.next()
        until(lambda: state().queue_position == 2, seconds=15, what=lambda: renderer.output)
        watching.set_queue((str(tmp_path / "missing.wav"), long))
        until(lambda: state().queue_position == 1 and state().is_playing, seconds=15)


def _type(words: list[str], token: str, env: dict[str, str]) -> list[str]:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "remote.py")],
        input="\n".join(words) + "\n",
        env={**os.environ, **env, "SOUL_CONNECT_TOKEN": token},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return done.stdout.splitlines()


def test_importing_costs_nothing_until_it_is_used() -> None:
    """Seconds are measured by `make bench`; here, that what is slow to import is not there."""
    code = "import sys, json, soul_connect; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert not loaded & {"pydantic", "aiomqtt", "paho", "asyncio", "typer", "rich"}
    code = (
        "import sys, json, soul_connect; soul_connect.ConnectClient; print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert not loaded & {"typer", "rich", "amqtt", "aiohttp", "soul_broker", "soul_coordinator"}
