"""Broker and coordinator as processes of their own, over one data directory."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.test_presence import TRACKS, player
from serving import Process, Server, free_ports
from waiting import until


@pytest.fixture
def halves(tmp_path: Path) -> Iterator[tuple[Server, list[Process]]]:
    broker = Server(tmp_path, command="broker")
    processes: list[Process] = []
    try:
        broker.start()
        yield broker, processes
    finally:
        for one in processes:
            one.kill()
        broker.kill()


def coordinator(broker: Server) -> Process:
    (port,) = free_ports(1)
    options = ("--broker-url", broker.url, "--http-port", str(port))
    running = broker.spawn("coordinator", *options)
    running.line("ready ")
    return running


def test_the_halves_work_together_and_survive_each_other(halves: tuple[Server, list[Process]]) -> None:
    broker, processes = halves
    processes.append(coordinator(broker))
    broker.add_user("alice")
    token = broker.token("alice")
    with player(broker, "alice", "Attic"):
        assert broker.json("queue", *TRACKS, "--on", "Attic", token=token)["status"] == "applied"
        assert broker.json("play", token=token)["status"] == "applied"
        before = broker.json("status", token=token)

        # The coordinator dies: the broker stays, and so does the music.
        processes.pop().kill()
        processes.append(coordinator(broker))
        until(lambda: broker.run("pause", token=token).returncode == 0, seconds=20, what="a pause works")
        after = broker.json("status", token=token)
        assert after["queue"] == before["queue"]
        assert after["sequence"] > before["sequence"]
        assert after["epoch"] == before["epoch"]

        # The broker dies: the coordinator finds it again by itself.
        broker.kill()
        broker.start()
        until(lambda: broker.run("play", token=token).returncode == 0, seconds=20, what="a play works")
        assert broker.json("status", token=token)["is_playing"]
