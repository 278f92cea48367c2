"""The mpv engine with the real mpv, `--ao=null`, and real files."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from players_mpv.audio import latest, other_hand, running
from soul_connect.players.engine import (
    Advanced,
    EngineError,
    EngineGone,
    EngineRestarted,
    TrackEnded,
    TrackFailed,
    VolumeChanged,
)
from soul_connect.players.mpv import MpvEngine
from waiting import until_async


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3"])
async def test_loads_silent_at_the_position_and_stays_there(album: dict[str, str], kind: str) -> None:
    async with running() as (engine, events):
        duration = await engine.load(album[kind], position_ms=2_345, play=False)
        assert duration is not None and abs(duration - 5_000) < 60
        # An MP3 starts on a frame of 26 ms.
        assert abs(await engine.position_ms() - 2_345) <= (30 if kind == "mp3" else 1)
        assert events.all == []


async def drift(engine: MpvEngine) -> float:
    """How far (ms) the position strays in half a second from what the clock allows."""

    async def look() -> tuple[float, int, float]:
        before, position = time.monotonic(), await engine.position_ms()
        return before, position, time.monotonic()

    began, start, ready = await look()
    off = 0.0
    while time.monotonic() - began < 0.5:
        before, position, after = await look()
        gone = position - start
        off = max(off, (before - ready) * 1_000 - gone, gone - (after - began) * 1_000)
    return off


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3"])
async def test_plays_by_the_clock(album: dict[str, str], kind: str) -> None:
    async with running() as (engine, events):
        await engine.load(album[kind], position_ms=1_000, play=True)
        # Where the machine stands still mpv does, too: one half of a second without that is enough.
        off = [await drift(engine)]
        while off[-1] >= 40 and len(off) < 5:
            off.append(await drift(engine))
        assert off[-1] < 40, off
        assert events.all == []


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3"])
async def test_seeks_exactly_paused_and_playing(album: dict[str, str], kind: str) -> None:
    tolerance = 30 if kind == "mp3" else 1
    async with running() as (engine, events):
        await engine.load(album[kind], position_ms=0, play=True)
        await engine.pause()
        for target in (4_321, 17, 2_500, 0, 3_333):
            await engine.seek(target)
            assert abs(await engine.position_ms() - target) <= tolerance
        await engine.play()
        sought = time.monotonic()
        await engine.seek(1_234)
        assert 1_234 - tolerance <= await engine.position_ms() < latest(1_234, sought)
        assert events.all == []


async def test_pause_holds_and_play_goes_on(album: dict[str, str]) -> None:
    async with running() as (engine, events):
        await engine.load(album["flac"], position_ms=0, play=True)
        await engine.pause()
        held = await engine.position_ms()
        assert await engine.position_ms() == held
        await engine.play()
        async with asyncio.timeout(5):
            while await engine.position_ms() <= held + 50:
                pass
        assert events.all == []


async def test_a_track_that_ends(album: dict[str, str]) -> None:
    async with running() as (engine, events):
        await engine.load(album["short"], position_ms=0, play=True)
        assert await events.first(TrackEnded) == TrackEnded(album["short"])
        assert await engine.position_ms() == 0
        # What comes next is silent again, although the last one ended playing.
        await engine.load(album["wav"], position_ms=100, play=False)
        assert await engine.position_ms() == 100
        assert events.all == []


@pytest.mark.parametrize("play", [True, False], ids=["playing", "paused"])
@pytest.mark.parametrize("beyond_ms", [0, 1_000], ids=["its end", "beyond"])
@pytest.mark.parametrize("kind", ["wav", "flac", "mp3"])
async def test_a_track_loaded_at_its_end_has_ended_and_is_not_bad(
    album: dict[str, str], kind: str, beyond_ms: int, play: bool
) -> None:
    async with running() as (engine, events):
        duration_ms = await engine.load(album[kind], position_ms=0, play=False)
        assert duration_ms is not None
        await engine.load(album[kind], position_ms=duration_ms + beyond_ms, play=play)
        assert await events.first(TrackEnded) == TrackEnded(album[kind])
        assert await engine.position_ms() == 0
        assert events.all == []


async def test_goes_on_without_a_gap(album: dict[str, str]) -> None:
    async with running() as (engine, events):

        async def gap_ms() -> float:
            await engine.load(album["short"], position_ms=0, play=True)
            await engine.set_next(album["flac"])
            started = time.monotonic()
            assert await events.first(Advanced) == Advanced(album["flac"], 5_000)
            # 0.6 s of the first: where the second is tells how long the way between them was.
            return (time.monotonic() - started - 0.6) * 1000 - await engine.position_ms()

        gaps = [await gap_ms()]
        while gaps[-1] >= 100 and len(gaps) < 3:  # the machine stood still, perhaps
            gaps.append(await gap_ms())
        assert gaps[-1] < 100, gaps
        assert events.all == []


async def test_the_next_track_can_be_changed_and_withdrawn(album: dict[str, str]) -> None:
    async with running() as (engine, events):
        await engine.load(album["short"], position_ms=0, play=True)
        await engine.set_next(album["flac"])
        await engine.set_next(album["mp3"])
        assert (await events.first(Advanced)).track_id == album["mp3"]
        await engine.load(album["short"], position_ms=0, play=True)
        await engine.set_next(album["flac"])
        await engine.set_next(None)
        await events.first(TrackEnded)
        assert events.all == []


async def test_paused_by_us_a_next_track_waits(album: dict[str, str]) -> None:
    async with running() as (engine, events):
        await engine.load(album["short"], position_ms=0, play=True)
        await engine.set_next(album["flac"])
        await engine.pause()
        assert await engine.position_ms() < 600
        assert events.all == []
        await engine.play()
        assert (await events.first(Advanced)).track_id == album["flac"]


async def test_a_bad_file_fails_and_the_engine_lives_on(album: dict[str, str], tmp_path: Path) -> None:
    bad = tmp_path / "bad.flac"
    bad.write_bytes(os.urandom(4_000))
    async with running() as (engine, events):
        await engine.load(album["wav"], position_ms=0, play=True)
        with pytest.raises(EngineError) as caught:
            await engine.load(str(bad), position_ms=0, play=True)
        assert caught.value.code == "bad_format"
        # Nothing of the old track goes on.
        assert await engine.position_ms() == 0
        assert await engine.load(album["wav"], position_ms=0, play=False) == 5_000
        assert events.all == []


async def test_a_missing_file_and_a_folder(album: dict[str, str], tmp_path: Path) -> None:
    async with running() as (engine, events):
        for track_id in (str(tmp_path / "nothing.wav"), album["folder"], "no-library"):
            with pytest.raises(EngineError) as caught:
                await engine.load(track_id, position_ms=0, play=True)
            assert caught.value.code == "not_found"
        assert events.all == []


@pytest.mark.parametrize("there", [True, False])
async def test_a_bad_next_track_fails_when_its_turn_comes(
    album: dict[str, str], tmp_path: Path, there: bool
) -> None:
    bad = tmp_path / "bad.wav"
    if there:
        bad.write_bytes(b"not music")
    async with running() as (engine, events):
        await engine.load(album["short"], position_ms=0, play=True)
        await engine.set_next(str(bad))
        failed = await events.first(TrackFailed)
        assert failed.track_id == str(bad)
        assert failed.code == ("bad_format" if there else "not_found")
        assert events.all == []


async def test_library_ids(album: dict[str, str]) -> None:
    async with running(library=album["folder"]) as (engine, _events):
        assert await engine.load("two.flac", position_ms=0, play=False) == 5_000
        with pytest.raises(EngineError):
            await engine.load("../two.flac", position_ms=0, play=False)


async def test_volume(album: dict[str, str], tmp_path: Path) -> None:
    ipc = tmp_path / "ipc"
    async with running(f"--input-ipc-server={ipc}") as (engine, events), other_hand(ipc) as other:
        await engine.load(album["wav"], position_ms=0, play=True)
        await engine.set_volume(0.35)
        assert await other.command("get_property", "volume") == pytest.approx(35)
        await other.command("set_property", "volume", 60)
        assert (await events.first(VolumeChanged)).volume == pytest.approx(0.6)
        assert events.all == []


async def test_without_a_sound_device(album: dict[str, str]) -> None:
    async with running("--ao=pulse", "--pulse-host=127.0.0.1:1") as (engine, events):
        # mpv notices it at once, or as soon as it would sound.
        code = None
        try:
            await engine.load(album["flac"], position_ms=0, play=True)
        except EngineError as error:
            code = error.code
        if code is None:
            code = (await events.first(TrackFailed)).code
        assert code == "no_audio_output"
        await engine.close()
        assert events.all == []


async def test_a_killed_mpv_is_started_again_where_it_was(album: dict[str, str]) -> None:
    async with running() as (engine, events):
        await engine.set_volume(0.4)
        await engine.load(album["wav"], position_ms=2_000, play=False)
        await engine.set_next(album["flac"])
        first = engine.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        assert (await events.first(EngineRestarted)).position_ms == 2_000
        assert engine.pid not in {None, first}
        assert await engine.position_ms() == 2_000
        await engine.seek(4_900)
        await engine.play()
        assert (await events.first(Advanced)).track_id == album["flac"]
        assert events.all == []


async def test_an_mpv_that_dies_twice_is_gone(album: dict[str, str]) -> None:
    async with running() as (engine, events):
        await engine.load(album["wav"], position_ms=0, play=True)
        for _ in range(2):
            await until_async(lambda: engine.pid is not None)
            assert engine.pid is not None
            os.kill(engine.pid, signal.SIGKILL)
            await (events.first(EngineRestarted) if _ == 0 else events.first(EngineGone))
        with pytest.raises(EngineError) as caught:
            await engine.play()
        assert caught.value.code == "engine_gone"
        assert events.all == []


@asynccontextmanager
async def loading_for_ever(engine: MpvEngine) -> AsyncIterator["asyncio.Task[int | None]"]:
    """The engine loads from a server that takes the request and never answers."""
    asked = asyncio.Event()

    async def never_answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(never_answers, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        loading = asyncio.create_task(
            engine.load(f"http://127.0.0.1:{port}/a.flac", position_ms=0, play=True)
        )
        await asked.wait()
        yield loading


async def test_killed_while_it_loads(album: dict[str, str]) -> None:
    async with running() as (engine, events), loading_for_ever(engine) as loading:
        assert engine.pid is not None
        os.kill(engine.pid, signal.SIGKILL)
        with pytest.raises(EngineError) as caught:
            await loading
        assert caught.value.code == "engine_gone"
        await until_async(lambda: engine.pid is None)
        assert await engine.load(album["wav"], position_ms=0, play=False) == 5_000
        assert events.all == []


async def test_a_load_that_is_given_up_leaves_silence(album: dict[str, str]) -> None:
    async with running() as (engine, events), loading_for_ever(engine) as loading:
        loading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await loading
        assert await engine.position_ms() == 0
        assert await engine.load(album["wav"], position_ms=0, play=False) == 5_000
        assert events.all == []


async def test_without_mpv() -> None:
    engine = MpvEngine(program="/nowhere/mpv")
    with pytest.raises(EngineError) as caught:
        await engine.open(lambda _: None)
    assert caught.value.code == "engine_missing"
    await engine.close()


async def test_a_program_that_is_not_mpv() -> None:
    engine = MpvEngine(program="true")
    with pytest.raises(EngineError) as caught:
        await engine.open(lambda _: None)
    assert caught.value.code == "engine_failed"
    await engine.close()


async def test_close_ends_mpv_and_may_be_repeated(album: dict[str, str]) -> None:
    async with running() as (engine, _events):
        await engine.load(album["wav"], position_ms=0, play=True)
        pid = engine.pid
        assert pid is not None
        await engine.close()
        await engine.close()
        assert engine.pid is None
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        with pytest.raises(EngineError):
            await engine.play()


async def test_stop_unloads(album: dict[str, str]) -> None:
    async with running() as (engine, events):
        await engine.load(album["wav"], position_ms=1_000, play=True)
        await engine.stop()
        assert await engine.position_ms() == 0
        await engine.seek(100)
        assert await engine.position_ms() == 0
        assert await engine.load(album["wav"], position_ms=0, play=False) == 5_000
        assert events.all == []
