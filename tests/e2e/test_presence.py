"""What everyone sees when a player, its link or the server goes away."""

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from e2e.proxy import Proxy
from e2e.traffic import Traffic
from serving import Process, Server
from soul_connect.sync import ConnectClient
from waiting import LostTime, until

TRACKS = [f"track-{number}?duration_ms=600000" for number in range(5)]


@contextmanager
def player(server: Server, user: str, name: str, *more: str, url: str | None = None) -> Iterator[Process]:
    """A simulated player of `user`, ready."""
    options = (*("--url", url),) if url else ()
    file = server.folder / f"{user}-{name}.json"
    running = server.spawn(
        *("player", "--name", name, "--engine", "simulated", "--device-file", str(file)),
        *options,
        *more,
        token=server.token(user),
    )
    try:
        running.line(f"{name} is ready")
        yield running
    finally:
        running.kill()


def start_music(server: Server, user: str, name: str) -> tuple[str, str]:
    """Play a queue on a device; returns the controlling token and the device's id."""
    token = server.token(user)
    assert server.json("queue", *TRACKS, "--on", name, token=token)["status"] == "applied"
    assert server.json("play", token=token)["status"] == "applied"
    devices = server.json("devices", token=token)
    return token, next(one["id"] for one in devices if one["name"] == name)


def paused_for(device: str) -> Any:
    def wanted(topic: str, message: dict[str, Any]) -> bool:
        state = message.get("state", {})
        return (
            topic.endswith("/all/state")
            and state.get("paused_reason") == "device_offline"
            and state.get("device_id") == device
            and not state["is_playing"]
        )

    return wanted


def test_a_killed_player_is_offline_for_everyone_within_4_s_and_comes_back(server: Server) -> None:
    server.add_user("alice")
    with Traffic(server, "alice", server.token("alice", "--role", "observer")) as traffic:
        with player(server, "alice", "Attic") as attic, LostTime() as lost:
            token, device = start_music(server, "alice", "Attic")
            before, at, lost_before = traffic.count, time.monotonic(), lost.seconds
            attic.kill()
            assert traffic.offline(device, after=before) - at < 4 + lost.seconds - lost_before
            traffic.first(paused_for(device), after=before, what="the state is paused")
            _, notice = traffic.first(
                lambda _, message: message["type"] == "notice", after=before, what="the notice"
            )
            assert notice["message"] == "Playback paused - Attic went offline"
        with player(server, "alice", "Attic"):
            # Away for less than 2 min, playing, and nobody commanded anything: it goes on by itself.
            until(
                lambda: server.json("status", token=token)["is_playing"],
                what="the music goes on",
            )
            assert server.json("status", token=token)["device_id"] == device


def test_a_stopped_process_and_a_silent_link_are_offline_within_48_s(server: Server) -> None:
    with ExitStack() as stack:
        proxy = stack.enter_context(Proxy(server.mqtt_port))
        urls = {"sleeper": None, "cut": f"mqtt://127.0.0.1:{proxy.port}"}
        traffic, devices, processes, tokens = {}, {}, {}, {}
        for user, url in urls.items():
            server.add_user(user)
            watcher = Traffic(server, user, server.token(user, "--role", "observer"))
            traffic[user] = stack.enter_context(watcher)
            processes[user] = stack.enter_context(player(server, user, "Box", url=url))
            tokens[user], devices[user] = start_music(server, user, "Box")
        before = {user: one.count for user, one in traffic.items()}
        lost = stack.enter_context(LostTime())
        at = time.monotonic()
        processes["sleeper"].signal(signal.SIGSTOP)
        proxy.swallow()
        for user, one in traffic.items():
            told = one.offline(devices[user], after=before[user], seconds=60)
            assert told - at < 48 + lost.seconds, user
            one.first(paused_for(devices[user]), after=before[user], what="the state is paused")
        processes["sleeper"].signal(signal.SIGCONT)
        proxy.heal()
        for user, token in tokens.items():

            def back(user: str = user, token: str = token) -> bool:
                found = server.json("devices", token=token)
                return any(one["id"] == devices[user] and one["is_online"] for one in found)

            until(back, seconds=20, what=f"{user}'s player is back")
            until(
                lambda token=token: server.json("status", token=token)["is_playing"],  # type: ignore[misc]
                seconds=20,
                what=f"{user}'s music goes on",
            )


def test_a_killed_server_loses_nothing_that_it_acknowledged(server: Server) -> None:
    server.add_user("alice")
    with (
        player(server, "alice", "Attic"),
        player(server, "alice", "Cellar"),
        ConnectClient(url=server.url, token=server.token("alice"), ephemeral=True) as hand,
    ):
        token, device = start_music(server, "alice", "Attic")
        assert server.json("volume", "42", token=token)["status"] == "applied"
        before = server.json("status", token=token)
        server.kill()
        server.start()
        with LostTime() as lost:
            returned = time.monotonic()
            until(lambda: hand.is_online, what="a remote control is back")
            # A command needs the renderer to be really there, not only shown as last known.
            for name in ("Attic", "Cellar"):
                place = next(one.id for one in hand.devices if one.name == name)
                assert hand.set_volume(0.42, target_device=place).status == "applied"
            assert hand.pause().status == "applied"
            assert time.monotonic() - returned < 5 + lost.seconds
        after = server.json("status", token=token)
        assert after["queue"] == TRACKS == before["queue"]
        assert after["volume"] == before["volume"]
        assert after["device_id"] == device
        assert after["epoch"] == before["epoch"]
        assert after["sequence"] > before["sequence"]
        assert after["position_ms"] >= before["position_now_ms"]


def test_sigterm_ends_the_server_cleanly_within_5_s(tmp_path: Path) -> None:
    server = Server(tmp_path)
    try:
        server.start("--demo")
        at = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - at < 5
    finally:
        server.kill()
