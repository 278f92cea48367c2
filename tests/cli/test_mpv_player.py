"""Two real mpvs behind the real program: the music goes there and back, and is never in two places."""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from cli.conftest import House
from players_mpv.audio import OtherHand, encode, make_wav, other_hand
from serving import Process
from soul_connect.cli.remote import patiently
from soul_connect.client import ConnectClient
from soul_connect.errors import RejectedError
from waiting import until_async


async def sounding(mpv: OtherHand) -> str | None:
    """The file that this mpv plays at the moment, by its own account."""
    paused, path = await mpv.command("get_property", "pause"), await mpv.command("get_property", "path")
    return None if paused or path is None else Path(path).name


async def in_step(mpv: OtherHand, client: ConnectClient) -> Any:
    """Whether mpv is where everyone is told that the music is."""
    seconds: float = await mpv.command("get_property", "audio-pts")
    return abs(seconds * 1000 - client.position_ms()) < 150


@contextlib.asynccontextmanager
async def mpv_player(
    house: House, folder: Path, name: str, *arguments: str
) -> AsyncIterator[tuple[str, OtherHand]]:
    """A player with mpv, its device id, and a look into its mpv."""
    ipc = folder / f"{name}.ipc"
    player: Process = house.server.spawn(
        *("player", "--name", name, "--json", "--device-file", str(folder / f"{name}.json")),
        *("--library", str(folder), "--mpv-arg=--ao=null", f"--mpv-arg=--input-ipc-server={ipc}"),
        *arguments,
        token=house.token,
    )
    try:
        ready = await asyncio.to_thread(player.line, "{")
        async with other_hand(ipc) as mpv:
            yield json.loads(ready)["device_id"], mpv
    finally:
        await asyncio.to_thread(player.kill)


async def test_there_and_back(house: House, tmp_path: Path) -> None:
    wav = make_wav(tmp_path / "1.wav", seconds=20)
    encode(wav, tmp_path / "2.flac")
    encode(wav, tmp_path / "3.mp3")
    (tmp_path / "bad.flac").write_bytes(b"not music")
    overlaps = 0
    async with (
        mpv_player(house, tmp_path, "Left") as (left, left_mpv),
        mpv_player(house, tmp_path, "Right") as (right, right_mpv),
        ConnectClient(url=house.server.url, token=house.token, ephemeral=True) as client,
    ):

        async def both() -> None:
            nonlocal overlaps
            while True:
                playing = await asyncio.gather(sounding(left_mpv), sounding(right_mpv))
                overlaps += None not in playing
                await asyncio.sleep(0)

        await client.set_queue(["1.wav", "bad.flac", "2.flac", "3.mp3"], target_device=left)
        await client.play(target_device=left)
        watching = asyncio.create_task(both())
        try:
            await client.seek(5_000)
            await patiently(lambda: client.transfer_playback(right))
            position: float = 0.0
            async with asyncio.timeout(5):
                while not position:
                    position = await right_mpv.command("get_property", "audio-pts") or 0.0
            assert 5.0 <= position < 8.0
            await until_async(lambda: in_step(right_mpv, client), what="mpv is where everyone is told")
            await client.pause()
            assert await right_mpv.command("get_property", "pause") is True
            await client.play()
            # Near the end: past the bad file, and without a gap to the good one behind it.
            await client.seek(19_500)
            state = await until_async(lambda: _on(client, "2.flac"))
            assert state
            assert client.state is not None and client.state.error is not None
            assert client.state.error.track_id == "bad.flac"
            await patiently(lambda: client.transfer_playback(left))
            await client.next()
            assert await sounding(left_mpv) == "3.mp3"
            assert await sounding(right_mpv) is None
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        # Both are told at the same moment; a message to each is the only difference.
        assert overlaps <= 3
        await client.pause()
        await client.delete_device(left)
        await client.delete_device(right)


async def test_someone_puts_on_a_record_at_mpv_itself(house: House, tmp_path: Path) -> None:
    encode(make_wav(tmp_path / "1.wav", seconds=20), tmp_path / "2.flac")
    async with (
        mpv_player(house, tmp_path, "Den") as (den, mpv),
        ConnectClient(url=house.server.url, token=house.token, ephemeral=True) as client,
    ):
        await mpv.command("loadfile", str(tmp_path / "1.wav"))
        await mpv.command("set_property", "pause", False)  # and presses play: the music moves here
        await until_async(lambda: _playing_on(client, den, str(tmp_path / "1.wav")))
        await mpv.command("loadfile", str(tmp_path / "2.flac"))
        await until_async(lambda: _playing_on(client, den, str(tmp_path / "2.flac")))
        assert client.state is not None and client.state.queue == (str(tmp_path / "2.flac"),)
        await client.pause()
        assert await sounding(mpv) is None
        await client.delete_device(den)


async def test_kept_to_its_library_it_opens_nothing_else(house: House, tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    make_wav(tmp_path / "music" / "1.wav", seconds=20)
    elsewhere = str(make_wav(tmp_path / "elsewhere.wav", seconds=20))
    async with (
        mpv_player(house, tmp_path / "music", "Bar", "--only-library") as (bar, mpv),
        ConnectClient(url=house.server.url, token=house.token, ephemeral=True) as client,
    ):
        await client.set_queue([elsewhere, "1.wav"], target_device=bar)
        await client.play(target_device=bar)
        state = await until_async(lambda: _on(client, "1.wav"))
        assert state
        assert client.state is not None and client.state.error is not None
        assert (client.state.error.code, client.state.error.track_id) == ("unsupported", elsewhere)
        assert await sounding(mpv) == "1.wav"
        await client.pause()
        await client.delete_device(bar)


async def test_a_killed_mpv_goes_on_and_everyone_is_told(house: House, tmp_path: Path) -> None:
    make_wav(tmp_path / "1.wav", seconds=20)
    async with (
        mpv_player(house, tmp_path, "Loft") as (loft, mpv),
        ConnectClient(url=house.server.url, token=house.token, ephemeral=True) as client,
    ):
        notices = client.subscribe_notices()
        await client.set_queue(["1.wav"], target_device=loft)
        await client.play(target_device=loft)
        os.kill(await mpv.command("get_property", "pid"), signal.SIGKILL)
        async with asyncio.timeout(10):
            notice = await anext(notices)
        assert (notice.level, notice.code) == ("warning", "engine_restarted")
        assert notice.message == "Loft had to start its player again"
        async with other_hand(tmp_path / "Loft.ipc") as again:
            async with asyncio.timeout(10):
                while await sounding(again) is None:
                    pass
        assert client.state is not None and client.state.is_playing
        await client.pause()
        await client.delete_device(loft)


async def test_without_a_sound_device_it_says_so_and_stays_at_the_track(house: House, tmp_path: Path) -> None:
    for name in ("1.wav", "2.wav"):
        make_wav(tmp_path / name, seconds=5)
    silent = ("--mpv-arg=--ao=pulse", "--mpv-arg=--pulse-host=127.0.0.1:1")
    async with (
        mpv_player(house, tmp_path, "Attic", *silent) as (attic, _),
        ConnectClient(url=house.server.url, token=house.token, ephemeral=True) as client,
    ):
        await client.set_queue(["1.wav", "2.wav"], target_device=attic)
        with contextlib.suppress(RejectedError):  # or it is found just after it began
            await client.play(target_device=attic)
        await until_async(
            lambda: client.state is not None and client.state.error is not None,
            seconds=20,
            what=lambda: str(client.state),
        )
        state = await client.playback_state()
        assert state.error is not None
        assert (state.error.code, state.error.track_id) == ("no_audio_output", "1.wav")
        assert (state.is_playing, state.queue_position) == (False, 0)
        await client.delete_device(attic)


def _playing_on(client: ConnectClient, device_id: str, track_id: str) -> bool:
    state = client.state
    return state is not None and (state.device_id, state.track_id, state.is_playing) == (
        device_id,
        track_id,
        True,
    )


def _on(client: ConnectClient, track_id: str) -> bool:
    return client.state is not None and client.state.track_id == track_id
