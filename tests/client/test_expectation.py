"""What a command is expected to do is what the coordinator and a renderer make of it."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from client.bench import STATE
from client.simulation import device_id, world
from client.virtual_time import after, simulated, until
from soul_connect.errors import RequestError
from soul_connect.expectation import expected
from soul_protocol.commands import (
    Command,
    Next,
    Pause,
    Play,
    Previous,
    RepeatMode,
    Seek,
    SetQueue,
    SetRepeat,
    SetShuffle,
    SetVolume,
    Stop,
)
from soul_protocol.models import PlaybackState

ALBUM = tuple(f"track-{number}?duration_ms=600000" for number in range(4))
places = st.none() | st.integers(0, 4)
commands: st.SearchStrategy[Command] = st.one_of(
    st.builds(Play),
    st.builds(Pause),
    st.builds(Stop),
    st.builds(Seek, position_ms=st.sampled_from([0, 2_000, 5_000, 400_000])),
    st.builds(Next, expect_position=places),
    st.builds(Previous, expect_position=places),
    st.builds(SetVolume, volume=st.sampled_from([0.0, 0.25, 1.0])),
    st.builds(SetRepeat, mode=st.sampled_from(RepeatMode)),
    st.builds(SetShuffle, enabled=st.booleans()),
    st.sampled_from(
        [
            SetQueue(tracks=ALBUM, start_index=2),
            SetQueue(tracks=(*ALBUM, "more?duration_ms=1000"), start_index=0, keep_position=True),
            SetQueue(tracks=ALBUM[:2], start_index=1, keep_position=True),
            SetQueue(tracks=(), start_index=0),
            SetQueue(tracks=ALBUM, start_index=0, expect_rev=0),
        ]
    ),
)


def facts(state: PlaybackState) -> dict[str, object]:
    """All that can be known beforehand, but the position."""
    facts: dict[str, object] = {
        "track": state.track_id,
        "playing": state.is_playing,
        "queue": state.queue,
        "index": state.queue_position,
        "volume": state.volume,
        "repeat": state.repeat_mode,
        "shuffle": state.shuffle,
    }
    if state.shuffle:  # its order is the coordinator's to make
        facts |= {"queue": tuple(sorted(state.queue)), "index": None}
    return facts


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(commands, min_size=1, max_size=8))
def test_what_is_shown_at_once_is_what_becomes_true(given_commands: list[Command]) -> None:
    follow(given_commands)


@simulated
async def follow(given_commands: list[Command]) -> None:
    async with world() as here:
        kitchen = here.player(1)
        async with here.client(device_id=device_id(9), name="r") as remote:
            await until(lambda: kitchen.player.client.is_online)
            await remote.set_queue(ALBUM, target_device=device_id(1))
            await remote.play()
            for command in given_commands:
                await after(3.7)
                before = remote.state
                task = asyncio.create_task(remote.send_command(command))
                await asyncio.sleep(0)
                shown, drawn = remote.state, remote.position_ms()
                assert shown is not None
                try:
                    await task
                except RequestError:
                    await until(lambda: remote.state is remote.canonical_state)
                    continue
                await after(0.3)
                assert remote.state is remote.canonical_state
                assert before is not None
                assert remote.state is not None
                steps = isinstance(command, Next | Previous) and before.shuffle
                unshuffles = isinstance(command, SetShuffle) and before.shuffle
                if not steps and not unshuffles:
                    assert facts(shown) == facts(remote.state), command
                elapsed = 310 if shown.is_playing else 0
                assert abs(remote.position_ms() - drawn - elapsed) < 60, command


@pytest.mark.parametrize(
    "command",
    [
        Pause(),
        Next(expect_position=3),
        Previous(expect_position=3),
        SetQueue(tracks=("x",), start_index=0, expect_rev=9),
    ],
)
def test_what_will_change_nothing_changes_nothing(command: Command) -> None:
    paused = PlaybackState.model_validate_json(_json(is_playing=False))
    assert expected(paused, command, 0) is paused


@pytest.mark.parametrize("command", [Play(), Next(), Previous()])
def test_without_a_queue_there_is_nothing_to_expect(command: Command) -> None:
    empty = PlaybackState.model_validate_json(_json(is_playing=False, queue=[], track_id=None))
    assert expected(empty, command, 0) is empty


def test_a_step_out_of_the_window_goes_to_a_track_nobody_knows() -> None:
    window = PlaybackState.model_validate_json(
        _json(queue=["b", "c"], queue_position=2, queue_offset=1, queue_length=9, track_id="c")
    )
    further = expected(window, Next(), 0)
    assert (further.queue_position, further.track_id, further.is_playing) == (3, None, True)
    assert expected(window, Seek(position_ms=90_000), 0).position_ms == 60_000  # its duration
    unknown = window.model_copy(update={"duration_ms": None})
    assert expected(unknown, Seek(position_ms=90_000), 0).position_ms == 90_000
    assert expected(unknown, Pause(), unknown.position_at + 500).position_ms == 1_500


def _json(**changes: object) -> str:
    import json  # noqa: PLC0415 (used nowhere else)

    return json.dumps({**STATE, **changes})
