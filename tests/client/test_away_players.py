"""Renderers whose connection ends: the music goes on, or is found again, and never plays twice."""

import shutil
from pathlib import Path

import pytest

from client.simulation import Stage, World, device_id, world
from client.virtual_time import after, simulated, until
from soul_connect.device_file import DeviceFile

ALBUM = tuple(f"track-{number}?duration_ms=600000" for number in range(5))


async def _kitchen_plays(here: World, kitchen: str = device_id(1)) -> None:
    async with here.client() as remote:
        await remote.set_queue(ALBUM, target_device=kitchen)
        await remote.play()


@simulated
async def test_music_plays_on_through_a_restart_of_the_server() -> None:
    async with world() as here:
        kitchen = here.player(1)
        await until(lambda: kitchen.player.client.is_online)
        await _kitchen_plays(here)
        here.broker.kill()
        here.home.kill()
        await after(20)
        assert kitchen.engine.playing
        here.broker.online = True
        here.home.start()
        async with here.client() as remote:
            await until(lambda: kitchen.player.client.is_online)
            await after(20)
            assert kitchen.engine.playing
            assert remote.state is not None
            assert remote.state.is_playing
            assert abs(remote.position_ms() - await kitchen.engine.position_ms()) < 50
            await remote.pause()
            assert not kitchen.engine.playing


@simulated
async def test_a_cut_connection_comes_back_and_the_music_never_stopped() -> None:
    async with world() as here:
        kitchen = here.player(1)
        await until(lambda: kitchen.player.client.is_online)
        await _kitchen_plays(here)
        here.broker.lose(here.broker.links[device_id(1)], by_peer=True)
        await until(lambda: not kitchen.player.client.is_online)
        await until(lambda: kitchen.player.client.is_online, seconds=5)
        await after(10)
        assert here.playing() == [device_id(1)]
        lines = [line["event"] for line in here.log]
        assert lines.count("play") == 1


@simulated
async def test_a_renderer_that_lost_its_place_stops_when_it_returns() -> None:
    async with world() as here:
        kitchen, study = here.player(1), here.player(2)
        await until(lambda: kitchen.player.client.is_online and study.player.client.is_online)
        await _kitchen_plays(here)
        here.broker.unreachable.add(device_id(1))
        here.broker.lose(here.broker.links[device_id(1)], by_peer=True)
        await after(10)
        assert kitchen.engine.playing  # nobody told it otherwise
        async with here.client() as remote:
            await remote.transfer_playback(device_id(2))
            await remote.play()
            here.broker.unreachable.clear()
            await until(lambda: kitchen.player.client.is_online)
            await until(lambda: here.playing() == [device_id(2)], seconds=1)
            assert kitchen.engine.track is None
            assert not kitchen.player.is_active


@simulated
async def test_a_killed_player_returns_silent_where_it_was(tmp_path: Path) -> None:
    async with world() as here:
        path = tmp_path / "kitchen.json"
        kitchen = here.player(1, device_file=DeviceFile(path))
        async with here.client() as remote:
            await until(lambda: kitchen.player.client.is_online)
            await remote.set_queue(ALBUM, target_device=kitchen.id)
            await remote.play()
            await after(30)
            kitchen.crash(here)
            await kitchen.leave()
            await until(lambda: remote.state is not None and remote.state.paused_reason == "device_offline")
            await after(180)
            again = here.player(1, device_file=DeviceFile(path))
            assert again.id == kitchen.id
            await until(lambda: again.engine.track == ALBUM[0])
            assert not again.engine.playing
            assert 28_000 < await again.engine.position_ms() <= 30_100
            await remote.play()
            assert again.engine.playing


@simulated
async def test_a_player_that_said_goodbye_returns_silent_where_it_was(tmp_path: Path) -> None:
    async with world() as here:
        path = tmp_path / "kitchen.json"
        kitchen = here.player(1, device_file=DeviceFile(path))
        async with here.client() as remote:
            await until(lambda: kitchen.player.client.is_online)
            await remote.set_queue(ALBUM, target_device=kitchen.id)
            await remote.play()
            await after(30)
            await kitchen.leave()
            assert not kitchen.engine.playing
            await until(lambda: remote.state is not None and not remote.state.is_playing)
            again = here.player(1, device_file=DeviceFile(path))
            await until(lambda: again.player.client.is_online)
            await after(5)
            assert not again.engine.playing
            assert again.engine.track == ALBUM[0]
            assert 29_900 < await again.engine.position_ms() <= 30_100


@simulated
async def test_the_volume_outlives_the_player(tmp_path: Path) -> None:
    async with world() as here:
        path = tmp_path / "kitchen.json"
        kitchen = here.player(1, device_file=DeviceFile(path))
        async with here.client() as remote:
            await until(lambda: kitchen.player.client.is_online)
            for volume in (0.9, 0.5, 0.3):
                await remote.set_volume(volume, target_device=kitchen.id)
            assert DeviceFile(path).volume is None  # what changes many times in a second is written once
            await after(3)
            kitchen.crash(here)
            await kitchen.leave()
            again = here.player(1, device_file=DeviceFile(path))
            await until(lambda: again.player.client.is_online)
            assert again.engine.volume == 0.3
            await until(
                lambda: [device.volume for device in remote.devices if device.id == again.id] == [0.3]
            )
            await remote.set_volume(0.2, target_device=again.id)
            await again.leave()
    assert DeviceFile(path).volume == 0.2


@simulated
async def test_a_file_that_cannot_be_written_stops_no_music(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with world() as here:
        folder = tmp_path / "there"
        kitchen = here.player(1, device_file=DeviceFile(folder / "kitchen.json"))
        await until(lambda: kitchen.player.client.is_online)
        shutil.rmtree(folder)
        folder.write_text("in the way")
        await _kitchen_plays(here, kitchen.id)
        await after(100)
        assert kitchen.engine.playing
        complaints = [each for each in caplog.messages if "cannot be written" in each]
        assert len(complaints) == 1
        folder.unlink()
        await after(40)
        assert DeviceFile(folder / "kitchen.json").last_known_state is not None


@simulated
async def test_play_pressed_without_a_server_is_claimed_when_it_is_back() -> None:
    async with world() as here:
        kitchen = here.player(1)
        await until(lambda: kitchen.player.client.is_online)
        here.broker.kill()
        await until(lambda: not kitchen.player.client.is_online)
        assert await kitchen.player.play_here(ALBUM)
        assert kitchen.engine.playing
        await after(30)
        here.broker.online = True
        async with here.client() as remote:
            await until(lambda: remote.state is not None and remote.state.device_id == device_id(1))
            assert remote.state is not None
            assert remote.state.is_playing
            assert remote.state.queue == ALBUM
            assert kitchen.engine.playing


async def _away_for_a_while(here: World, kitchen: Stage) -> None:
    """Until the others see that it is offline."""
    here.broker.unreachable.add(kitchen.id)
    here.broker.lose(here.broker.links[kitchen.id], by_peer=True)
    await until(lambda: not kitchen.player.client.is_online)
    await after(10)


async def _back(here: World, kitchen: Stage) -> None:
    here.broker.unreachable.clear()
    await until(lambda: kitchen.player.client.is_online)
    await after(10)


@simulated
async def test_who_was_paused_by_hand_while_away_stays_paused_where_it_is() -> None:
    async with world() as here:
        kitchen = here.player(1)
        await until(lambda: kitchen.player.client.is_online)
        await _kitchen_plays(here)
        await after(5)
        await _away_for_a_while(here, kitchen)
        await kitchen.engine.press_pause()
        position = await kitchen.engine.position_ms()
        assert position > 15_000
        await _back(here, kitchen)
        assert not kitchen.engine.playing
        assert await kitchen.engine.position_ms() == position
        async with here.client() as remote:
            state = await remote.playback_state()
            assert (state.is_playing, state.position_ms) == (False, position)
            # What it was told of since counts as before: a cut alone stops no music.
            await remote.play()
            await after(5)
            await _away_for_a_while(here, kitchen)
            await _back(here, kitchen)
            assert kitchen.engine.playing


@simulated
async def test_a_queue_that_came_to_its_end_while_away_is_not_played_again() -> None:
    async with world() as here:
        kitchen = here.player(1)
        await until(lambda: kitchen.player.client.is_online)
        async with here.client() as remote:
            await remote.set_queue(["short?duration_ms=8000"], target_device=kitchen.id)
            await remote.play()
            await _away_for_a_while(here, kitchen)
            assert not kitchen.engine.playing
            await _back(here, kitchen)
            assert [line["event"] for line in here.log].count("play") == 1
            state = await remote.playback_state()
            assert (state.is_playing, state.position_ms) == (False, 0)


@simulated
async def test_music_that_broke_off_while_away_goes_on_by_itself() -> None:
    """Nobody wanted that it stops: its server was as far away as ours."""
    async with world() as here:
        kitchen = here.player(1)
        await until(lambda: kitchen.player.client.is_online)
        async with here.client() as remote:
            await remote.set_queue(["far?break_ms=8000"], target_device=kitchen.id)
            await remote.play()
            await after(3)
            await _away_for_a_while(here, kitchen)
            assert not kitchen.engine.playing
            here.broker.unreachable.clear()
            await until(lambda: kitchen.engine.playing)


@simulated
async def test_what_was_put_on_by_hand_while_away_is_the_queue_afterwards() -> None:
    async with world() as here:
        kitchen = here.player(1)
        await until(lambda: kitchen.player.client.is_online)
        await _kitchen_plays(here)
        await _away_for_a_while(here, kitchen)
        assert await kitchen.player.play_here(["x", "y", "z"], start_index=1)
        await after(10)  # the claim is given up
        await _back(here, kitchen)
        assert kitchen.engine.playing
        async with here.client() as remote:
            state = await remote.playback_state()
            assert (state.track_id, state.queue, state.queue_position) == ("y", ("x", "y", "z"), 1)
            await remote.next()
            assert kitchen.engine.track == "z"
