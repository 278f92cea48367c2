"""Renderers and remote controls against the real coordinator, in virtual time."""

import asyncio

from client.simulation import World, device_id, world
from client.virtual_time import after, raises, simulated, until
from soul_connect.client import ConnectClient
from soul_connect.errors import RejectedError
from soul_protocol.commands import RepeatMode
from soul_protocol.down import ResultStatus
from soul_protocol.errors import Code
from soul_protocol.up import TransferPlay

ALBUM = tuple(f"track-{number}?duration_ms=60000" for number in range(5))


async def _playing_on(
    here: World, remote: ConnectClient, number: int, tracks: tuple[str, ...] = ALBUM
) -> None:
    await remote.set_queue(tracks, target_device=device_id(number))
    await remote.play()
    await until(lambda: here.playing() == [device_id(number)])


@simulated
async def test_a_queue_is_played_where_it_was_asked_for() -> None:
    async with world() as here:
        kitchen = here.player(1)
        async with here.client() as remote:
            await until(lambda: kitchen.player.client.is_online)
            result = await remote.set_queue(ALBUM, target_device=device_id(1))
            assert result.status is ResultStatus.APPLIED
            assert here.playing() == []
            result = await remote.play()
            assert result.status is ResultStatus.APPLIED
            assert here.playing() == [device_id(1)]
            assert kitchen.engine.track == ALBUM[0]
            await until(lambda: remote.state is not None and remote.state.is_playing)
            assert remote.state is not None
            assert remote.state.device_id == device_id(1)
            assert remote.state.queue == ALBUM
            await until(lambda: remote.position_ms() > 5_000)
            assert abs(remote.position_ms() - await kitchen.engine.position_ms()) < 50


@simulated
async def test_every_command_is_carried_out() -> None:
    async with world() as here:
        kitchen = here.player(1)
        async with here.client() as remote:
            await until(lambda: kitchen.player.client.is_online)
            await _playing_on(here, remote, 1)
            await remote.pause()
            assert here.playing() == []
            await remote.play()
            assert here.playing() == [device_id(1)]
            await remote.seek(30_000)
            assert 30_000 <= await kitchen.engine.position_ms() < 30_100
            await remote.next()
            assert kitchen.engine.track == ALBUM[1]
            assert kitchen.engine.playing
            await remote.previous()
            assert kitchen.engine.track == ALBUM[0]
            await remote.set_volume(0.25)
            assert kitchen.engine.volume == 0.25
            await remote.set_repeat(RepeatMode.ALL)
            await remote.set_shuffle(True)
            await until(lambda: remote.state is not None and remote.state.shuffle)
            assert remote.state is not None
            assert remote.state.repeat_mode is RepeatMode.ALL
            assert sorted(remote.state.queue) == sorted(ALBUM)
            assert kitchen.engine.track == ALBUM[0]
            await remote.set_shuffle(False)
            await remote.stop()
            assert not kitchen.engine.playing
            assert await kitchen.engine.position_ms() == 0
            await remote.set_queue(())
            assert kitchen.engine.track is None
            error = await raises(RejectedError, remote.play())
            assert isinstance(error, RejectedError)


@simulated
async def test_a_transfer_keeps_the_position_and_never_two_play() -> None:
    async with world() as here:
        kitchen, study = here.player(1), here.player(2, skew=3_600.0)
        async with here.client(skew=-3_600.0) as remote:
            await until(lambda: kitchen.player.client.is_online and study.player.client.is_online)
            await _playing_on(here, remote, 1)
            await remote.seek(20_000)
            loop = asyncio.get_running_loop()
            before, position = loop.time(), await kitchen.engine.position_ms()
            result = await remote.transfer_playback(device_id(2))
            assert result.status is ResultStatus.APPLIED
            assert here.playing() == [device_id(2)]
            truth = position + (loop.time() - before) * 1_000
            assert abs(await study.engine.position_ms() - truth) < 50
            await after(1.0)  # one transfer a second
            result = await remote.transfer_playback(device_id(1), play=TransferPlay.PAUSE)
            assert here.playing() == []
            assert kitchen.engine.track == ALBUM[0]
            assert here.most_at_once() == 1


@simulated
async def test_a_target_that_cannot_load_leaves_the_source_playing() -> None:
    async with world() as here:
        kitchen, study = here.player(1), here.player(2, load_ms=9_000)
        async with here.client() as remote:
            await until(lambda: kitchen.player.client.is_online and study.player.client.is_online)
            await _playing_on(here, remote, 1)
            error = await raises(RejectedError, remote.transfer_playback(device_id(2)))
            assert isinstance(error, RejectedError)
            assert error.code is Code.TRANSFER_FAILED
            assert here.playing() == [device_id(1)]
            await until(lambda: study.engine.track is None, seconds=20)


@simulated
async def test_a_volume_works_on_a_device_that_is_not_active() -> None:
    async with world() as here:
        kitchen, study = here.player(1), here.player(2)
        async with here.client() as remote:
            await until(lambda: kitchen.player.client.is_online and study.player.client.is_online)
            await _playing_on(here, remote, 1)
            await remote.set_volume(0.5, target_device=device_id(2))
            assert study.engine.volume == 0.5
            await until(lambda: [one.volume for one in remote.devices if one.id == device_id(2)] == [0.5])
            await study.engine.turn_volume(0.75)
            await until(lambda: [one.volume for one in remote.devices if one.id == device_id(2)] == [0.75])


@simulated
async def test_tracks_follow_each_other_and_the_last_one_pauses_at_its_start() -> None:
    async with world() as here:
        kitchen = here.player(1)
        async with here.client() as remote:
            await until(lambda: kitchen.player.client.is_online)
            await _playing_on(here, remote, 1, ("a?duration_ms=3000", "b?duration_ms=3000"))
            await until(lambda: kitchen.engine.track == "b?duration_ms=3000")
            await until(lambda: remote.state is not None and remote.state.queue_position == 1)
            await until(lambda: not kitchen.engine.playing)
            await until(lambda: remote.state is not None and not remote.state.is_playing)
            assert remote.state is not None
            assert (remote.state.track_id, remote.state.position_ms) == ("b?duration_ms=3000", 0)
            await remote.set_repeat(RepeatMode.ALL)
            await remote.play()
            await until(lambda: kitchen.engine.track == "a?duration_ms=3000" and kitchen.engine.playing)
            await remote.set_repeat(RepeatMode.ONE)
            loop = asyncio.get_running_loop()
            end = loop.time() + 10
            await until(lambda: loop.time() > end)
            assert kitchen.engine.track == "a?duration_ms=3000"
            assert kitchen.engine.playing


@simulated
async def test_a_bad_track_is_skipped_and_named() -> None:
    async with world() as here:
        kitchen = here.player(1)
        async with here.client() as remote:
            await until(lambda: kitchen.player.client.is_online)
            await _playing_on(here, remote, 1, ("a?duration_ms=3000", "bad?error=not_found", "c"))
            await until(lambda: kitchen.engine.track == "c")
            await until(lambda: remote.state is not None and remote.state.error is not None)
            assert remote.state is not None
            assert remote.state.error is not None
            assert (remote.state.error.code, remote.state.error.track_id) == (
                "not_found",
                "bad?error=not_found",
            )
            assert remote.state.queue_position == 2
            await remote.set_queue(("x?error=gone", "y?error=gone"))
            await until(lambda: kitchen.engine.track is None)
            error = await raises(RejectedError, remote.play())
            assert isinstance(error, RejectedError)
            assert not kitchen.engine.playing


@simulated
async def test_a_track_that_breaks_is_left_for_the_next() -> None:
    async with world() as here:
        kitchen = here.player(1)
        async with here.client() as remote:
            await until(lambda: kitchen.player.client.is_online)
            await _playing_on(here, remote, 1, ("a?break_ms=3000", "b"))
            await until(lambda: kitchen.engine.track == "b" and kitchen.engine.playing)
            await until(lambda: remote.state is not None and remote.state.queue_position == 1)


@simulated
async def test_whoever_presses_play_on_a_device_brings_the_music_there() -> None:
    async with world() as here:
        kitchen, study = here.player(1), here.player(2)
        async with here.client() as remote:
            await until(lambda: kitchen.player.client.is_online and study.player.client.is_online)
            await _playing_on(here, remote, 1)
            assert await study.player.play_here()
            await until(lambda: here.playing() == [device_id(2)])
            await until(lambda: remote.state is not None and remote.state.device_id == device_id(2))
            assert remote.state is not None
            assert remote.state.queue == ALBUM
            await study.engine.press_pause()
            await until(lambda: remote.state is not None and not remote.state.is_playing)
            await study.engine.drag_to(40_000)
            await until(lambda: remote.state is not None and remote.state.position_ms == 40_000)
            await study.engine.press_play()
            await until(lambda: remote.state is not None and remote.state.is_playing)
            assert await kitchen.player.play_here(("own-1", "own-2"), start_index=1)
            await until(lambda: remote.state is not None and remote.state.queue == ("own-1", "own-2"))
            await until(lambda: here.playing() == [device_id(1)])
            assert kitchen.engine.track == "own-2"
