"""Playback commands: as they are asked for, and as they are forwarded to the renderer."""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError, to_json

from soul_protocol.ids import Tracks
from soul_protocol.limits import QUEUE_JSON_BYTES, QUEUE_TRACKS
from soul_protocol.units import Count, PositionMs, Volume
from soul_protocol.wire import Wire, optional

TOO_LARGE = "payload_too_large"
"""The type of the validation error for a queue over the limits; the codec makes it a code."""


class RepeatMode(StrEnum):
    """What follows the last track (`all`) or any track (`one`)."""

    OFF = "off"
    ONE = "one"
    ALL = "all"


def check_queue_size(tracks: tuple[str, ...]) -> None:
    """Raise the `payload_too_large` validation error for a queue over the contract's limits."""
    if len(tracks) > QUEUE_TRACKS:
        raise PydanticCustomError(TOO_LARGE, "a queue holds at most 10,000 tracks")
    # An id has at most 256 characters, each at most 6 bytes as JSON (a \u escape), so that
    # only long queues need measuring.
    if len(tracks) * 1_540 > QUEUE_JSON_BYTES and len(to_json(tracks)) > QUEUE_JSON_BYTES:
        raise PydanticCustomError(TOO_LARGE, "a queue is at most 384 KiB of JSON")


class Play(Wire):
    """Go on, or start."""

    type: Literal["play"] = "play"


class Pause(Wire):
    """Hold the position."""

    type: Literal["pause"] = "pause"


class Stop(Wire):
    """Paused at 0; the device stays the active one."""

    type: Literal["stop"] = "stop"


class Seek(Wire):
    """Go to a position in the current track."""

    type: Literal["seek"] = "seek"
    position_ms: PositionMs


class Next(Wire):
    """The next track. With `expect_position`, only if that queue position is the current one."""

    type: Literal["next"] = "next"
    expect_position: Count | None = optional()


class Previous(Wire):
    """The previous track; after 3 s of a track, its beginning."""

    type: Literal["previous"] = "previous"
    expect_position: Count | None = optional()


class SetQueue(Wire):
    """Replace the queue.

    With `keep_position` and the current track at `start_index` the track goes on.
    Another `queue_rev` than `expect_rev` is `superseded`.
    """

    type: Literal["set_queue"] = "set_queue"
    tracks: Tracks
    start_index: Count
    keep_position: bool | None = optional()
    expect_rev: Count | None = optional()

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        check_queue_size(self.tracks)
        if self.start_index >= max(1, len(self.tracks)):
            raise ValueError("start_index is outside the queue")
        return self


class SetVolume(Wire):
    """The device's own volume."""

    type: Literal["set_volume"] = "set_volume"
    volume: Volume


class SetShuffle(Wire):
    """Permute the queue, or give it its original order again."""

    type: Literal["set_shuffle"] = "set_shuffle"
    enabled: bool


class SetRepeat(Wire):
    """What follows the last track."""

    type: Literal["set_repeat"] = "set_repeat"
    # strict=False: a string must do for the enum in Python input too, not in JSON only.
    mode: Annotated[RepeatMode, Field(strict=False)]


SimpleCommand = Annotated[
    Play | Pause | Stop | Seek | Next | Previous | SetVolume | SetShuffle | SetRepeat,
    Field(discriminator="type"),
]
"""What `up/command` carries."""

Command = Annotated[
    Play | Pause | Stop | Seek | Next | Previous | SetQueue | SetVolume | SetShuffle | SetRepeat,
    Field(discriminator="type"),
]
"""All that a client may ask for."""


class ForwardedStep(Wire):
    """`next` or `previous` as resolved by the coordinator.

    Go to `queue_position` and stay playing or paused as before, unless `is_playing`
    says otherwise (false past the end of the queue: pause at 0 of the last track).
    """

    type: Literal["next", "previous"]
    queue_position: Count
    is_playing: bool | None = optional()


class ForwardedSetQueue(Wire):
    """`set_queue` in play order, with its new `queue_rev`; a window for a device with a payload limit."""

    type: Literal["set_queue"] = "set_queue"
    tracks: Tracks
    start_index: Count
    keep_position: bool | None = optional()
    queue_rev: Count
    queue_offset: Count | None = optional()
    queue_length: Count | None = optional()


class ForwardedSetShuffle(Wire):
    """`set_shuffle` with the queue in its new play order."""

    type: Literal["set_shuffle"] = "set_shuffle"
    enabled: bool
    queue: Tracks
    queue_position: Count
    queue_rev: Count
    queue_offset: Count | None = optional()
    queue_length: Count | None = optional()


class SetWindow(Wire):
    """The next part of a queue that is too large for the device; nothing else changes."""

    type: Literal["set_window"] = "set_window"
    queue: Tracks
    queue_offset: Count
    queue_rev: Count
    queue_length: Count | None = optional()


ForwardedCommand = Annotated[
    Play
    | Pause
    | Stop
    | Seek
    | ForwardedStep
    | ForwardedSetQueue
    | SetVolume
    | ForwardedSetShuffle
    | SetRepeat
    | SetWindow,
    Field(discriminator="type"),
]
"""What `execute_command` carries to a renderer."""
