"""A nameserver that swallows questions holds up no deadline, no leaving and no end of a program."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from client.hanging_names import command
from soul_connect.errors import UnreachableError
from soul_connect.lookup import AT_ONCE
from soul_connect.sync import ConnectClient

RESOLVER = 10.0
"""How long (s) the system's resolver waits: twice 5 s for one nameserver (resolv.conf(5))."""

SOON = 3.0
"""A second, and two for a machine that has other things to do."""


def tell(story: str) -> dict[str, Any]:
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(
        command(story), env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    assert seen["asked"] > 0
    return seen


def test_threads_end_while_a_name_is_looked_up() -> None:
    seen = tell("threads")
    first, left, again, left_again = seen["took"]
    assert 1.0 <= first < 1.0 + SOON
    assert 1.5 <= again < 1.5 + SOON
    assert max(left, left_again) < SOON
    assert seen["left"] == []
    assert seen["lookups"] <= AT_ONCE


def test_a_loop_ends_while_a_name_is_looked_up() -> None:
    seen = tell("loop")
    first, left, whole = seen["took"]
    assert 1.0 <= first < 1.0 + SOON
    assert left < SOON
    # The executor of the loop is joined at its end; no lookup is in it.
    assert whole < RESOLVER - SOON
    assert 0 < seen["lookups"] <= AT_ONCE


def test_a_command_says_what_it_waited_for_and_ends() -> None:
    seen = tell("command")
    assert seen["code"] == 3
    assert "no nameserver answers" in seen["said"]


def test_a_coordinator_stops_while_its_brokers_name_is_looked_up() -> None:
    seen = tell("coordinator")
    assert seen["code"] == 0
    assert seen["took"][0] < RESOLVER - SOON


def test_once_the_nameserver_answers_the_way_is_found_whatever_still_hangs() -> None:
    (took,) = tell("answered")["took"]
    assert took < RESOLVER - SOON


@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".test", "nothing.invalid"])
def test_a_name_that_is_none_is_an_unreachable_server(host: str, token: str) -> None:
    client = ConnectClient(url=f"mqtt://{host}:1", token=token, ephemeral=True)
    with pytest.raises(UnreachableError):
        client.connect(timeout=1)
    client.disconnect()
