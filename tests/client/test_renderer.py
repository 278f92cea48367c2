"""A renderer's conduct in the corners of the contract."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic_core import to_json

from client.simulation import Stage, World, device_id, world
from client.virtual_time import after, simulated, until
from soul_connect.client import ConnectClient
from soul_connect.errors import RejectedError, SoulConnectError
from soul_connect.players.engine import Advanced, TrackEnded
from soul_protocol.commands import RepeatMode

EXECUTE = f"soul/v1/alice/device/{device_id(1)}/down/execute"


async def _on(here: World, remote: ConnectClient, stage: Stage, *tracks: str) -> None:
    await until(lambda: stage.player.client.is_online)
    await remote.set_queue(tracks or ("a", "b", "c"), target_device=stage.id)
    await remote.play()
    assert here.playing() == [stage.id]


def _reports(here: World, number: int = 1) -> list[dict[str, Any]]:
    return here.broker.said(f"{device_id(number)}/up/state")


@simulated
async def test_a_device_with_little_memory_plays_a_long_queue_in_order() -> None:
    async with world() as here:
        small = here.player(1, max_payload_bytes=4_096)
        async with here.client() as remote:
            queue = tuple(f"{number:04d}-{'x' * 60}?duration_ms=2000" for number in range(300))
            await _on(here, remote, small, *queue)
            await until(lambda: not small.engine.playing, seconds=700)
            heard = [line["track_id"] for line in here.log if line["event"] in {"play", "advanced"}]
            assert heard == list(queue)
            assert remote.state is not None
            assert remote.state.queue == queue
            assert remote.state.queue_position == 299
            sizes = [len(to_json(one)) for topic, one in here.broker.sent if topic == EXECUTE]
            assert max(sizes) <= 4_096
            await remote.set_repeat(RepeatMode.ALL)
            await remote.set_shuffle(True)
            await remote.play()
            await until(lambda: remote.state is not None and remote.state.queue_position == 150, seconds=700)
            assert remote.state.queue_position == 150
            assert small.engine.track == remote.state.queue[150]


@simulated
async def test_who_played_on_with_a_window_goes_on_with_the_one_that_it_finds() -> None:
    """The coordinator counts on it from then on, and sends the next one before its edge only."""
    async with world() as here:
        small = here.player(1, max_payload_bytes=4_096)
        async with here.client() as remote:
            queue = tuple(f"{number:04d}-{'x' * 60}?duration_ms=2000" for number in range(100))
            await _on(here, remote, small, *queue)
            here.broker.unreachable.add(small.id)
            here.broker.lose(here.broker.links[small.id], by_peer=True)
            await after(42)
            here.broker.unreachable.clear()
            await until(lambda: not small.engine.playing, seconds=300)
            heard = [line["track_id"] for line in here.log if line["event"] in {"play", "advanced"}]
            assert heard == list(queue)


@simulated
async def test_a_window_of_an_earlier_queue_is_refused() -> None:
    async with world() as here:
        small = here.player(1, max_payload_bytes=4_096)
        async with here.client() as remote:
            await _on(here, remote, small)
            order = [one for topic, one in here.broker.sent if topic == EXECUTE][-1]
            await remote.set_queue(["d", "e"])
            late = {
                "type": "set_window",
                "queue": ["a"],
                "queue_offset": 0,
                "queue_length": 9,
                "queue_rev": 1,
            }
            order |= {"id": device_id(97), "command": late, "expires_at": here.home.now() + 5_000}
            here.broker.route(EXECUTE, json.dumps(order).encode())
            await after(0.1)
            assert _reports(here)[-1]["refused"] == [{"id": device_id(97), "code": "invalid_command"}]
            await remote.next()
            assert small.engine.track == "e"


@simulated
async def test_a_track_that_ends_while_it_is_paused_leads_to_the_next_one_in_silence() -> None:
    """mpv goes on when it is sought to the end of a paused track; or a pause comes just as a track ends."""
    async with world() as here:
        kitchen = here.player(1)
        async with here.client() as remote:
            await _on(here, remote, kitchen)
            await remote.pause()
            kitchen.engine.tell(TrackEnded("a"))
            await until(lambda: kitchen.engine.track == "b")
            await kitchen.engine.load("c", position_ms=0, play=False)
            kitchen.engine.tell(Advanced("c", 180_000))
            await after(1)
            assert here.playing() == []
            state = await remote.playback_state()
            assert (state.track_id, state.is_playing) == ("c", False)


@simulated
async def test_a_queue_that_was_cleared_a_moment_ago_is_not_played() -> None:
    async with world() as here:
        kitchen = here.player(1)
        async with here.client() as remote:
            await _on(here, remote, kitchen)
            await remote.pause()
            clearing = asyncio.create_task(remote.set_queue([]))
            await asyncio.sleep(0)
            with pytest.raises(RejectedError):
                await remote.play()
            await clearing
            assert kitchen.engine.track is None
            state = await remote.playback_state()
            assert (state.track_id, state.queue, state.is_playing) == (None, (), False)


@simulated
async def test_a_repeated_command_is_answered_and_not_done_twice() -> None:
    async with world() as here:
        kitchen = here.player(1)
        async with here.client() as remote:
            await _on(here, remote, kitchen)
            await remote.next()
            order = [one for topic, one in here.broker.sent if topic == EXECUTE][-1]
            assert order["command"]["type"] == "next"
            await remote.seek(50_000)
            here.broker.route(EXECUTE, json.dumps(order).encode())
            await after(0.1)
            assert await kitchen.engine.position_ms() >= 50_000
            assert _reports(here)[-1]["applied"] == [order["id"]]


@simulated
async def test_what_loading_the_state_undid_is_done_again() -> None:
    """A command was carried out, and its report lost with the server; it is pending there still."""
    async with world() as here:
        kitchen = here.player(1)
        async with here.client() as remote:
            await _on(here, remote, kitchen)
            await remote.pause()
            order = [one for topic, one in here.broker.sent if topic == EXECUTE][-1]
            order |= {"id": device_id(77), "expires_at": here.home.now() + 30_000}
            order["command"] = {"type": "next", "queue_position": 2}
            here.home.kill()
            here.broker.route(EXECUTE, json.dumps(order).encode())
            await until(lambda: kitchen.engine.track == "c")
            here.broker.kill()
            here.broker.online = True
            here.home.start()
            await until(lambda: kitchen.engine.track == "a", seconds=60)
            here.broker.route(EXECUTE, json.dumps(order).encode())
            await until(lambda: kitchen.engine.track == "c")
            await until(lambda: [one.get("applied") for one in _reports(here)].count([order["id"]]) == 2)


@simulated
async def test_a_command_that_comes_too_late_is_refused() -> None:
    async with world() as here:
        kitchen = here.player(1)
        async with here.client() as remote:
            await _on(here, remote, kitchen)
            order = [one for topic, one in here.broker.sent if topic == EXECUTE][-1]
            late = {**order, "id": device_id(99), "command": {"type": "pause"}}
            await after(10)
            here.broker.route(EXECUTE, json.dumps(late).encode())
            stale = {**late, "id": device_id(98), "epoch": order["epoch"] - 1, "expires_at": 2**50}
            here.broker.route(EXECUTE, json.dumps(stale).encode())
            await after(0.1)
            assert here.playing() == [kitchen.id]
            refused = [one for report in _reports(here) for one in report.get("refused", ())]
            assert refused == [
                {"id": device_id(99), "code": "timeout"},
                {"id": device_id(98), "code": "not_active"},
            ]


@simulated
async def test_a_repeated_start_is_confirmed_and_changes_nothing() -> None:
    async with world() as here:
        kitchen, study = here.player(1), here.player(2)
        async with here.client() as remote:
            await until(lambda: study.player.client.is_online)
            await _on(here, remote, kitchen)
            await remote.transfer_playback(study.id)
            topic, start = next(pair for pair in here.broker.sent if pair[1]["type"] == "start_playback")
            await after(5)
            position = await study.engine.position_ms()
            here.broker.route(topic, json.dumps(start).encode())
            await after(0.1)
            assert await study.engine.position_ms() >= position + 90
            assert len(here.broker.said("up/outcome")) == 3  # ready, started, started


@simulated
async def test_what_is_prepared_is_dropped_after_ten_seconds() -> None:
    async with world() as here:
        kitchen, study = here.player(1), here.player(2)
        async with here.client() as remote:
            await until(lambda: study.player.client.is_online)
            await _on(here, remote, kitchen)
            here.home.kill()  # nobody hears that it is ready
            state = remote.state
            assert state is not None
            prepare = {
                "type": "prepare_playback",
                "transfer_id": device_id(77),
                "epoch": state.epoch,
                "state": state.model_dump(mode="json", exclude_none=True)
                | {"paused_reason": None, "error": None, "duration_ms": None},
            }
            topic = f"soul/v1/alice/device/{study.id}/down/execute"
            here.broker.route(topic, json.dumps(prepare).encode())
            await until(lambda: study.engine.track == "a", seconds=1)
            assert here.playing() == [kitchen.id]
            await after(9.5)
            assert study.engine.track == "a"
            await after(1)
            assert study.engine.track is None
            assert here.playing() == [kitchen.id]


@simulated
async def test_what_is_prepared_is_dropped_when_registered_again() -> None:
    async with world() as here:
        kitchen, study = here.player(1), here.player(2, load_ms=1_000)
        async with here.client() as remote:
            await until(lambda: study.player.client.is_online)
            await _on(here, remote, kitchen)
            moving = asyncio.create_task(remote.transfer_playback(study.id))
            await after(0.5)
            here.broker.lose(here.broker.links[study.id], by_peer=True)
            await asyncio.wait({moving})
            await after(3)
            assert len(here.playing()) == 1
            loser = kitchen if here.playing() == [study.id] else study
            assert loser.engine.track is None
            assert not loser.player.is_active


@simulated
async def test_two_who_press_play_at_once_end_with_one_of_them_playing() -> None:
    async with world() as here:
        kitchen, study = here.player(1), here.player(2)
        await until(lambda: kitchen.player.client.is_online and study.player.client.is_online)
        await asyncio.gather(kitchen.player.play_here(("k",)), study.player.play_here(("s",)))
        await after(5)
        assert len(here.playing()) == 1
        async with here.client() as remote:
            state = await remote.playback_state()
            assert [state.device_id] == here.playing()
            assert state.is_playing


@simulated
async def test_after_a_cut_the_register_tells_where_the_music_is() -> None:
    async with world() as here:
        kitchen = here.player(1, skew=500.0)
        async with here.client() as remote:
            await _on(here, remote, kitchen)
            here.broker.unreachable.add(kitchen.id)
            here.broker.lose(here.broker.links[kitchen.id], by_peer=True)
            await after(30)
            assert remote.state is not None
            assert remote.state.paused_reason == "device_offline"
            here.broker.unreachable.clear()
            await until(lambda: remote.state is not None and remote.state.is_playing, seconds=5)
            register = here.broker.said(f"{kitchen.id}/up/register")[-1]
            assert register["resume"] is True
            assert register["last_known_state"]["is_playing"] is True
            assert register["last_known_state"]["epoch"] == remote.state.epoch
            assert abs(register["last_known_state"]["position_at"] - here.home.now()) < 1_000
            assert abs(remote.position_ms() - await kitchen.engine.position_ms()) < 50
            assert [line["event"] for line in here.log].count("play") == 1


@simulated
async def test_ticks_come_each_second_and_leave_the_queue_out() -> None:
    async with world() as here:
        kitchen = here.player(1)
        async with here.client() as remote:
            await _on(here, remote, kitchen)
            before = len(_reports(here))
            await after(10)
            ticks = _reports(here)[before:]
            assert 9 <= len(ticks) <= 10
            assert all("queue" not in one["state"] for one in ticks)
            assert [one["seq"] for one in _reports(here)] == list(range(1, len(_reports(here)) + 1))
            await remote.pause()
            before = len(_reports(here))
            await after(10)
            assert len(_reports(here)) == before


STEPS = st.lists(
    st.sampled_from(
        [
            *("play", "pause", "next", "seek", "to 1", "to 2", "press 1", "press 2", "volume"),
            *("cut 1", "cut 2", "cut remote", "away 1", "restart", "server", "wait", "wait long"),
        ]
    ),
    max_size=14,
)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(STEPS)
def test_whatever_happens_one_plays_in_the_end_and_everyone_agrees(steps: list[str]) -> None:
    @simulated
    async def story() -> None:
        async with world() as here, here.client() as remote:
            stages = {1: here.player(1, skew=10_000), 2: here.player(2)}
            await until(lambda: all(stage.player.client.is_online for stage in stages.values()))
            await remote.set_queue(
                [f"t{number}?duration_ms=20000" for number in range(9)], target_device=device_id(1)
            )
            asked: list[asyncio.Task[object]] = []
            for step in steps:
                await _take(here, remote, stages, step, asked)
                await after(0.05)
            here.broker.unreachable.clear()
            done, pending = await asyncio.wait(asked, timeout=60) if asked else (set(), set())
            assert not pending
            for one in done:
                assert one.exception() is None or isinstance(one.exception(), SoulConnectError)
            await until(lambda: remote.is_online and all(s.player.client.is_online for s in stages.values()))
            await after(20)
            state = await remote.playback_state()
            assert here.playing() == ([state.device_id] if state.is_playing else [])
            if state.is_playing:
                stage = stages[1 if state.device_id == device_id(1) else 2]
                assert stage.engine.track == state.track_id
                assert abs(remote.position_ms() - await stage.engine.position_ms()) < 200

    story()


async def _take(
    here: World,
    remote: ConnectClient,
    stages: dict[int, Stage],
    step: str,
    asked: list["asyncio.Task[object]"],
) -> None:
    what, _, who = step.partition(" ")
    stage = stages.get(int(who)) if who.isdigit() else None
    match what:
        case "play" | "pause" | "next":
            asked.append(asyncio.create_task(getattr(remote, what)()))
        case "seek":
            asked.append(asyncio.create_task(remote.seek(5_000)))
        case "volume":
            asked.append(asyncio.create_task(remote.set_volume(0.5, target_device=device_id(2))))
        case "to" if stage is not None:
            asked.append(asyncio.create_task(remote.transfer_playback(stage.id)))
        case "press" if stage is not None:
            asked.append(asyncio.create_task(stage.player.play_here()))
        case "cut" | "away":
            device = remote.device_id if stage is None else stage.id
            if what == "away":
                here.broker.unreachable.add(device)
            if device in here.broker.links:
                here.broker.lose(here.broker.links[device], by_peer=True)
                await after(11)  # three quick cuts would look like another client with this id
        case "restart":
            here.home.kill()
            await after(0.5)
            here.home.start()
        case "server":
            here.broker.kill()
            here.home.kill()
            await after(2)
            here.broker.online = True
            here.home.start()
        case "wait":
            await after(30 if who else 3)
        case _:
            pass
