"""What MPRIS shows of the canonical state. Times on the bus are microseconds."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from soul_connect.titles import title
from soul_protocol.commands import RepeatMode
from soul_protocol.models import Device, PlaybackState

NO_TRACK: Final = "/org/mpris/MediaPlayer2/TrackList/NoTrack"
JUMP_MS: Final = 1_000
"""A position this far from where the music should be by now was sought."""

_LOOPS: Final = {RepeatMode.OFF: "None", RepeatMode.ONE: "Track", RepeatMode.ALL: "Playlist"}


@dataclass(frozen=True, slots=True)
class Facts:
    """The properties of `org.mpris.MediaPlayer2.Player` that change, `Position` aside."""

    playback_status: str
    loop_status: str
    shuffle: bool
    volume: float
    track: str
    """The track's object path: another one for each place in each queue."""
    title: str | None
    album: str | None
    """The device that plays: applets show it below the title, and have no field for it."""
    url: str | None
    length_us: int | None
    can_go_next: bool
    can_go_previous: bool
    can_play: bool
    can_pause: bool
    can_seek: bool


def facts(state: PlaybackState | None, devices: tuple[Device, ...], *, is_online: bool) -> Facts:
    """What to show. Without a connection nothing can be done, and what was known is still shown."""
    if state is None or state.track_id is None:
        has_queue = state is not None and bool(state.queue)
        return Facts(
            playback_status="Stopped",
            loop_status=_LOOPS[state.repeat_mode] if state is not None else "None",
            shuffle=state is not None and state.shuffle,
            volume=state.volume if state is not None else 1.0,
            track=NO_TRACK,
            title=None,
            album=None,
            url=None,
            length_us=None,
            can_go_next=False,
            can_go_previous=False,
            can_play=is_online and has_queue,
            can_pause=False,
            can_seek=False,
        )
    length = state.queue_length if state.queue_length is not None else len(state.queue)
    more = state.queue_position + 1 < length or state.repeat_mode is not RepeatMode.OFF
    return Facts(
        playback_status="Playing" if state.is_playing else "Paused",
        loop_status=_LOOPS[state.repeat_mode],
        shuffle=state.shuffle,
        volume=state.volume,
        track=f"/org/soul_connect/track/{state.queue_rev}_{state.queue_position}",
        title=_sayable(title(state.track_id)),
        album=next((each.name for each in devices if each.id == state.device_id), None),
        url=_sayable(_url(state.track_id)),
        length_us=state.duration_ms * 1_000 if state.duration_ms is not None else None,
        can_go_next=is_online and more,
        can_go_previous=is_online,
        can_play=is_online,
        can_pause=is_online,
        can_seek=is_online,
    )


def repeat_of(loop: str) -> RepeatMode | None:
    """The mode that a `LoopStatus` asks for; None for a word that is none."""
    return next((mode for mode, each in _LOOPS.items() if each == loop), None)


def jumped(expected_ms: int, position_ms: int) -> bool:
    """Whether listeners must be told (`Seeked`), because they reckon the position by themselves."""
    return abs(position_ms - expected_ms) > JUMP_MS


def _url(track_id: str) -> str:
    if "://" in track_id:
        return track_id
    return Path(track_id).as_uri() if track_id.startswith("/") else ""


def _sayable(text: str) -> str | None:
    """As the bus takes it, which hangs up on who sends a NUL; None where there is nothing."""
    return text.replace("\0", "?") or None
