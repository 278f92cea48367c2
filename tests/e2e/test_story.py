"""The story on real input: mpv and a simulated player, driven by the real command line."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from e2e.engines import MpvObserver, SimulatedLog, overlap
from serving import Process, Server
from waiting import until

OFF_BY = 300
"""ms: how far the position may be from where it should be after a transfer."""


@dataclass
class Stage:
    server: Server
    token: str
    mpv: MpvObserver
    shelf: SimulatedLog
    players: list[Process]

    def do(self, *arguments: str) -> Any:
        """A playback command; it must end as applied."""
        result = self.server.json(*arguments, token=self.token)
        assert result["status"] == "applied", (arguments, result)
        return result

    def status(self) -> Any:
        return self.server.json("status", token=self.token)

    def device(self, name: str) -> str:
        devices = self.server.json("devices", token=self.token)
        return next(str(one["id"]) for one in devices if one["name"] == name)


@pytest.fixture
def stage(server: Server, tmp_path: Path) -> Iterator[Stage]:
    server.add_user("alice")
    token = server.token("alice")
    ipc, log = tmp_path / "mpv.sock", tmp_path / "shelf.jsonl"
    players = [
        server.spawn(
            *("player", "--name", "Desk", "--engine", "mpv", "--mpv-arg=--ao=null"),
            f"--mpv-arg=--input-ipc-server={ipc}",
            token=token,
        ),
        server.spawn(*("player", "--name", "Shelf", "--engine", "simulated", "--log", str(log)), token=token),
    ]
    try:
        for player, name in zip(players, ("Desk", "Shelf"), strict=True):
            player.line(f"{name} is ready")
        with MpvObserver(ipc) as mpv:
            yield Stage(server, token, mpv, SimulatedLog(log), players)
    finally:
        for player in players:
            player.kill()


def test_play_pause_seek_next_volume_shuffle_repeat_and_a_long_queue(stage: Stage, album: list[Path]) -> None:
    tracks = [str(album[number % 3]) for number in range(500)]
    stage.do("queue", *tracks, "--on", "Desk")
    state = stage.status()
    assert state["queue"] == tracks
    assert state["device_id"] == stage.device("Desk")

    stage.do("play")
    until(lambda: stage.mpv.playing, what="mpv plays")
    assert stage.status()["is_playing"] is True

    stage.do("seek", "0:20")
    until(lambda: 20_000 <= (stage.mpv.last.position or 0) < 25_000, what="mpv is at 0:20")
    stage.do("pause")
    until(lambda: not stage.mpv.playing, what="mpv is silent")
    paused = stage.status()
    assert abs(paused["position_ms"] - (stage.mpv.last.position or 0)) < OFF_BY

    stage.do("play")
    stage.do("next")
    until(lambda: (stage.mpv.last.position or 0) < 15_000, what="mpv is in the next track")
    assert stage.status()["track_id"] == tracks[1]

    stage.do("volume", "35")
    assert stage.status()["volume"] == pytest.approx(0.35)
    stage.do("repeat", "all")
    assert stage.status()["repeat_mode"] == "all"

    stage.do("shuffle", "on")
    mixed = stage.status()
    assert mixed["shuffle"] is True
    assert mixed["queue"] != tracks
    assert sorted(mixed["queue"]) == sorted(tracks)
    assert mixed["track_id"] == tracks[1] == mixed["queue"][mixed["queue_position"]]
    stage.do("shuffle", "off")
    assert stage.status()["queue"] == tracks
    stage.do("stop")
    assert stage.status()["position_ms"] == 0


def test_transfer_there_and_back_keeps_the_position_and_never_plays_twice(
    stage: Stage, album: list[Path]
) -> None:
    stage.do("queue", *(str(track) for track in album), "--on", "Desk")
    stage.do("play")
    stage.do("seek", "10")
    until(lambda: stage.mpv.playing and (stage.mpv.last.position or 0) > 11_000, what="mpv plays on")

    stage.do("transfer", "Shelf")
    until(lambda: stage.shelf.playing, what="the simulated player plays")
    until(lambda: not stage.mpv.playing, what="mpv is silent")
    # What mpv itself said last, carried to the moment at which the other engine began.
    last = [one for one in stage.mpv.moments if one.playing and one.position is not None][-1]
    began = next(one for one in stage.shelf.moments if one.playing)
    assert last.position is not None
    assert began.position is not None
    expected = last.position + 1_000 * (began.at - last.at)
    assert abs(began.position - expected) < OFF_BY

    until(lambda: stage.status()["position_now_ms"] > 13_000, what="the music goes on")
    quiet_since = len(stage.mpv.moments)
    stage.do("transfer", "Desk")
    until(lambda: stage.mpv.playing and not stage.shelf.playing, what="mpv plays again")

    def heard() -> Any:
        return next(
            (one for one in stage.mpv.moments[quiet_since:] if one.playing and one.position is not None),
            None,
        )

    resumed = until(heard, what="mpv says where it is")
    stopped = stage.shelf.moments[-1]
    held = next(one for one in reversed(stage.shelf.moments) if one.position is not None and one.position > 0)
    assert held.position is not None
    expected = held.position + 1_000 * (resumed.at - held.at)
    assert abs(resumed.position - expected) < OFF_BY
    assert not stopped.playing

    both = overlap(stage.mpv.moments, stage.shelf.moments)
    assert both == 0, f"both engines played for {both:.1f} ms"
