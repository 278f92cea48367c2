"""Someone else at the same mpv: what they do is told, and what we do is never taken for theirs."""

import time
from pathlib import Path

from players_mpv.audio import latest, other_hand, running
from soul_connect.players.engine import Advanced, PlayingChanged, PositionJumped, QueueReplaced


async def test_someone_else_at_mpv(album: dict[str, str], tmp_path: Path) -> None:
    ipc = tmp_path / "ipc"
    async with running(f"--input-ipc-server={ipc}") as (engine, events), other_hand(ipc) as other:
        await engine.load(album["wav"], position_ms=0, play=True)
        while await engine.position_ms() < 100:
            pass
        sought = time.monotonic()
        await other.command("seek", 3.0, "absolute+exact")
        jumped = await events.first(PositionJumped)
        assert 3_000 <= jumped.position_ms < latest(3_000, sought)
        await other.command("set_property", "pause", True)
        assert await events.first(PlayingChanged) == PlayingChanged(is_playing=False)
        assert 3_000 <= await engine.position_ms() < latest(3_000, sought)
        await other.command("set_property", "pause", False)
        assert await events.first(PlayingChanged) == PlayingChanged(is_playing=True)
        await other.command("stop")
        assert await events.first(PlayingChanged) == PlayingChanged(is_playing=False)
        assert await engine.position_ms() == 0
        await engine.play()
        assert 3_000 <= await engine.position_ms() < latest(3_000, sought)
        assert events.all == []


async def test_someone_else_right_after_us(album: dict[str, str], tmp_path: Path) -> None:
    ipc = tmp_path / "ipc"
    async with running(f"--input-ipc-server={ipc}") as (engine, events), other_hand(ipc) as other:
        await engine.load(album["wav"], position_ms=0, play=False)
        for _ in range(10):
            await engine.play()
            await other.command("set_property", "pause", True)
            await engine.position_ms()
            assert await events.first(PlayingChanged) == PlayingChanged(is_playing=False)
        assert events.all == []


async def test_someone_else_skips(album: dict[str, str], tmp_path: Path) -> None:
    ipc = tmp_path / "ipc"
    async with running(f"--input-ipc-server={ipc}") as (engine, events), other_hand(ipc) as other:
        await engine.load(album["wav"], position_ms=0, play=True)
        await engine.set_next(album["flac"])
        await other.command("playlist-next")
        assert (await events.first(Advanced)).track_id == album["flac"]
        assert events.all == []


async def test_someone_else_puts_on_a_playlist(album: dict[str, str], tmp_path: Path) -> None:
    ipc, playlist = tmp_path / "ipc", tmp_path / "evening.m3u"
    playlist.write_text(f"{album['mp3']}\n{album['flac']}\n")
    async with running(f"--input-ipc-server={ipc}") as (engine, events), other_hand(ipc) as other:
        await engine.load(album["wav"], position_ms=0, play=True)
        await engine.set_next(album["short"])
        await other.command("loadfile", album["flac"])
        put_on = await events.first(QueueReplaced)
        assert (put_on.tracks, put_on.index, put_on.is_playing) == ((album["flac"],), 0, True)
        assert put_on.duration_ms is not None and abs(put_on.duration_ms - 5_000) < 60
        await engine.set_next(None)
        await other.command("loadlist", str(playlist))
        put_on = await events.first(QueueReplaced)
        assert (put_on.tracks, put_on.index) == ((album["mp3"], album["flac"]), 0)
        # It is ours from now on, as anything that we load.
        await engine.set_next(album["flac"])
        await engine.seek(4_800)
        assert (await events.first(Advanced)).track_id == album["flac"]
        assert events.all == []


async def test_what_someone_put_on_and_took_off_again_at_once_is_no_news() -> None:
    async with running() as (engine, _events):
        put_on = QueueReplaced((), 0, None, is_playing=True)  # as heard, before it is looked at
        assert await engine._complete(put_on) is None


async def test_our_own_changes_are_never_taken_for_someone_elses(album: dict[str, str]) -> None:
    async with running() as (engine, events):
        await engine.load(album["wav"], position_ms=0, play=True)
        for n in range(40):
            await engine.pause()
            await engine.seek(100 * n)
            await engine.set_volume(n / 40)
            await engine.play()
        assert events.all == []
