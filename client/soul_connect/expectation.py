"""What a command will make of a playback state, as far as that can be known beforehand.

The rules are the coordinator's ("Who renders" of the contract). Where only the coordinator
can know the outcome (the order that a shuffle makes, what a transfer leads to), the state
is left as it is in that respect.
"""

from typing import assert_never

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
from soul_protocol.limits import PREVIOUS_RESTARTS_AFTER
from soul_protocol.models import PlaybackState


def expected(state: PlaybackState, command: Command, at: int) -> PlaybackState:
    """`state` once the active device has carried out `command`, given at a moment.

    `at` is on the coordinator's clock, in ms. A command that would be refused, or change
    nothing, leaves the very same object.
    """
    match command:
        case Play():
            if state.is_playing or not _length(state):
                return state
            return _changed(state, is_playing=True, position_at=at, paused_reason=None)
        case Pause():
            return _paused(state, _position(state, at), at) if state.is_playing else state
        case Stop():
            return _paused(state, 0, at)
        case Seek(position_ms=position):
            end = state.duration_ms
            return _changed(
                state, position_ms=position if end is None else min(position, end), position_at=at
            )
        case Next(expect_position=place):
            return _next(state, at) if place in {None, state.queue_position} else state
        case Previous(expect_position=place):
            return _previous(state, at) if place in {None, state.queue_position} else state
        case SetQueue():
            return _set_queue(state, command, at)
        case SetVolume(volume=volume):
            return _changed(state, volume=volume)
        case SetShuffle(enabled=enabled):
            return _changed(state, shuffle=enabled)
        case SetRepeat(mode=mode):
            return _changed(state, repeat_mode=mode)
        case _:
            assert_never(command)


def _changed(state: PlaybackState, **fields: object) -> PlaybackState:
    return state.model_copy(update=fields)


def _length(state: PlaybackState) -> int:
    return len(state.queue) if state.queue_length is None else state.queue_length


def _position(state: PlaybackState, at: int) -> int:
    """Where the music was at a moment, which may lie before what the state tells of."""
    if not state.is_playing:
        return state.position_ms
    position = max(0, state.position_ms + at - state.position_at)
    return position if state.duration_ms is None else min(position, state.duration_ms)


def _paused(state: PlaybackState, position_ms: int, at: int) -> PlaybackState:
    return _changed(state, is_playing=False, position_ms=position_ms, position_at=at)


def _at_track(state: PlaybackState, place: int, at: int) -> PlaybackState:
    """The beginning of a track. Its duration is not known yet, nor its id if it is outside the window."""
    inside = place - (state.queue_offset or 0)
    track = state.queue[inside] if 0 <= inside < len(state.queue) else None
    same = place == state.queue_position
    return _changed(
        state,
        queue_position=place,
        track_id=track,
        position_ms=0,
        position_at=at,
        duration_ms=state.duration_ms if same else None,
        error=None,
    )


def _next(state: PlaybackState, at: int) -> PlaybackState:
    length = _length(state)
    if not length:
        return state
    if state.queue_position + 1 < length:
        return _at_track(state, state.queue_position + 1, at)
    if state.repeat_mode is RepeatMode.ALL:
        return _at_track(state, 0, at)
    return _changed(_at_track(state, length - 1, at), is_playing=False)


def _previous(state: PlaybackState, at: int) -> PlaybackState:
    if not _length(state):
        return state
    place = state.queue_position
    if _position(state, at) <= PREVIOUS_RESTARTS_AFTER:
        place = max(0, place - 1)
    return _at_track(state, place, at)


def _set_queue(state: PlaybackState, command: SetQueue, at: int) -> PlaybackState:
    if command.expect_rev not in {None, state.queue_rev}:
        return state
    tracks, start = command.tracks, command.start_index
    queued = _changed(
        state,
        queue=tracks,
        queue_position=start,
        queue_rev=state.queue_rev + 1,
        queue_offset=None,
        queue_length=None,
    )
    if not tracks:
        return _changed(_paused(queued, 0, at), track_id=None, duration_ms=None, error=None)
    if command.keep_position and tracks[start] == state.track_id:
        return queued
    return _changed(
        queued, track_id=tracks[start], position_ms=0, position_at=at, duration_ms=None, error=None
    )
