"""Devices and playback states: what messages are made of."""

import unicodedata
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from soul_protocol.commands import RepeatMode, check_queue_size
from soul_protocol.errors import Code
from soul_protocol.ids import DeviceId, RequestId, TrackId, Tracks
from soul_protocol.limits import APPLIED_IDS, NAME_CHARACTERS
from soul_protocol.units import Count, DurationMs, EpochMs, PositionMs, Volume
from soul_protocol.wire import Wire, optional


class DeviceType(StrEnum):
    """What kind of thing a device is; clients choose an icon by it."""

    DESKTOP = "desktop"
    MOBILE = "mobile"
    DAP = "dap"
    WEB = "web"


def _tidy_name(value: object) -> object:
    if not isinstance(value, str):
        return value
    name = unicodedata.normalize("NFC", value).strip()
    if not 1 <= len(name) <= NAME_CHARACTERS:  # below as well, for the schema; here for its words
        raise ValueError(f"a name has 1 to {NAME_CHARACTERS} characters")
    return name


def _printable_name(value: str) -> str:
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in value):
        raise ValueError("a name has no control characters")
    return value


DeviceName = Annotated[
    str,
    BeforeValidator(_tidy_name),
    Field(min_length=1, max_length=NAME_CHARACTERS),
    AfterValidator(_printable_name),
]
"""1-64 characters, trimmed, NFC."""

ShownText = Annotated[str, Field(max_length=1_024)]
"""A sentence for a person."""

Word = Annotated[str, Field(max_length=64)]
"""A short machine-readable word, such as a reason."""


class Capabilities(Wire):
    """What a device can do. `max_payload_bytes` asks for windows of large queues."""

    can_render: bool
    can_control: bool
    can_host_jam: bool
    supported_formats: Annotated[tuple[Word, ...], Field(max_length=64)]
    max_sample_rate: Count
    max_payload_bytes: Annotated[int, Field(ge=1_024, le=2**31)] | None = optional()


class DeviceDescription(Wire):
    """A device as it describes itself in `register`."""

    name: DeviceName
    device_type: DeviceType
    capabilities: Capabilities
    volume: Volume | None = optional()


class Device(Wire):
    """A device as the coordinator lists it."""

    id: DeviceId
    name: DeviceName
    device_type: DeviceType
    capabilities: Capabilities
    volume: Volume | None = optional()
    is_online: bool
    is_guest: bool
    last_seen: EpochMs
    created_at: EpochMs


class TrackError(Wire):
    """What could not be played, and why."""

    code: Word
    track_id: TrackId


class ReportedState(Wire):
    """What a renderer says of itself. Absent `queue`: unchanged. Absent `position_at`: time of receipt."""

    track_id: TrackId | None = None
    position_ms: PositionMs
    position_at: EpochMs | None = optional()
    is_playing: bool
    queue: Tracks | None = optional()
    queue_position: Count
    volume: Volume
    shuffle: bool
    repeat_mode: RepeatMode
    duration_ms: DurationMs | None = optional()
    error: TrackError | None = optional()

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.queue is not None:
            check_queue_size(self.queue)
            if self.queue_position >= max(1, len(self.queue)):
                raise ValueError("queue_position is outside the queue")
        return self


class LastKnownState(ReportedState):
    """A renderer's state from before it was cut off, and the epoch it belonged to."""

    epoch: Count


class PlaybackState(Wire):
    """The canonical state of a user. With `queue_offset`, `queue` is a window of `queue_length` tracks."""

    device_id: DeviceId | None
    track_id: TrackId | None
    position_ms: PositionMs
    position_at: EpochMs
    is_playing: bool
    queue: Tracks
    queue_position: Count
    volume: Volume
    shuffle: bool
    repeat_mode: RepeatMode
    duration_ms: DurationMs | None
    updated_at: EpochMs
    epoch: Count
    sequence: Count
    queue_rev: Count
    paused_reason: Word | None
    error: TrackError | None
    applied: Annotated[tuple[RequestId, ...], Field(max_length=APPLIED_IDS)]
    queue_offset: Count | None = optional()
    queue_length: Count | None = optional()


class Refusal(Wire):
    """A forwarded command that a device did not carry out."""

    id: RequestId
    code: Code


class Limits(Wire):
    """The limits that `registered` tells a client."""

    packet_bytes: Count
    queue_tracks: Count
    queue_bytes: Count
    requests_per_minute: Count
    other_per_minute: Count
    states_per_second: Count
    devices: Count
