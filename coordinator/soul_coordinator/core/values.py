"""What the core's events, effects and records are made of. Times are ms since the Unix epoch."""

from collections.abc import Mapping
from typing import Any, Final, Literal

from soul_coordinator.core.immutable import immutable

Instant = int
"""A moment on the coordinator's clock: ms since the Unix epoch."""

Node = Literal["device", "guest"]
"""The role a device spoke under: the second level of its topic."""

Message = dict[str, Any]
"""A message as it stands on the wire, before JSON (`soul_protocol.down` describes each)."""


@immutable
class Address:
    """One device of one user, and the branch of topics on which it is spoken to."""

    user: str
    node: Node
    device: str


@immutable
class Capabilities:
    """What a device can do."""

    can_render: bool
    can_control: bool
    can_host_jam: bool
    supported_formats: tuple[str, ...]
    max_sample_rate: int
    max_payload_bytes: int | None = None


@immutable
class Description:
    """A device as it described itself. `name` is trimmed and NFC already."""

    name: str
    device_type: str
    capabilities: Capabilities
    volume: float | None = None


@immutable
class TrackError:
    """What could not be played, and why."""

    code: str
    track_id: str


@immutable
class Report:
    """What a renderer says of itself; `queue` None is unchanged, `position_at` None is now."""

    track_id: str | None
    position_ms: int
    position_at: Instant | None
    is_playing: bool
    queue: tuple[str, ...] | None
    queue_position: int
    volume: float
    shuffle: bool
    repeat_mode: str
    duration_ms: int | None
    error: TrackError | None


@immutable
class LastKnown:
    """A returning renderer's report, and the epoch it belongs to."""

    report: Report
    epoch: int


@immutable
class Playback:
    """The canonical state of a user.

    `queue` is in play order. While shuffled, `order[i]` is the place of `queue[i]` in the
    original order; None is the identity.
    """

    device_id: str | None = None
    track_id: str | None = None
    position_ms: int = 0
    position_at: Instant = 0
    is_playing: bool = False
    queue: tuple[str, ...] = ()
    queue_position: int = 0
    volume: float = 1.0
    shuffle: bool = False
    repeat_mode: str = "off"
    duration_ms: int | None = None
    updated_at: Instant = 0
    epoch: int = 0
    sequence: int = 0
    queue_rev: int = 0
    paused_reason: str | None = None
    error: TrackError | None = None
    applied: tuple[str, ...] = ()
    order: tuple[int, ...] | None = None


@immutable
class QueueChange:
    """A queue as a forwarded command carries it, adopted when the renderer applies the command."""

    queue: tuple[str, ...]
    order: tuple[int, ...] | None
    queue_position: int
    queue_rev: int


Command = Mapping[str, Any]
"""A validated command in its wire form: `type` and that type's fields (`soul_protocol.commands`)."""

CLASSES: Final = {
    "play": "playing",
    "pause": "playing",
    "stop": "playing",
    "seek": "seek",
    "set_queue": "set_queue",
    "set_volume": "volume",
    "set_shuffle": "shuffle",
    "set_repeat": "repeat",
}
"""In each class the latest `issued_at` wins; `next` and `previous` are outside."""
