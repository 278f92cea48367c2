"""Messages from the coordinator: to one device (`down`), to everyone of a user (`all`), to the broker."""

from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import StringConstraints

from soul_protocol.commands import ForwardedCommand
from soul_protocol.errors import Code
from soul_protocol.ids import Conn, DeviceId, RequestId, TransferId, UserId
from soul_protocol.models import Device, Limits, PlaybackState, ShownText, Word
from soul_protocol.topics import AllChannel, DownChannel
from soul_protocol.units import Count, EpochMs, PositionMs, Seconds
from soul_protocol.wire import Wire, optional


class ResultStatus(StrEnum):
    """How a request stands; all but `accepted` are final."""

    ACCEPTED = "accepted"
    APPLIED = "applied"
    REJECTED = "rejected"
    SUPERSEDED = "superseded"
    EXPIRED = "expired"


class OfflineReason(StrEnum):
    """Why a device went offline."""

    DISCONNECT = "disconnect"
    CONNECTION_LOST = "connection_lost"
    TIMEOUT = "timeout"
    DELETED = "deleted"
    TOKEN_EXPIRED = "token_expired"  # noqa: S105 (a reason, not a secret)


class StopReason(StrEnum):
    """Why a device must not play."""

    TRANSFERRED = "transferred"
    CLAIMED = "claimed"
    ABORTED = "aborted"
    NOT_ACTIVE = "not_active"


class NoticeLevel(StrEnum):
    """How loudly to show a notice."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Registered(Wire):
    """The full snapshot that answers `register`."""

    type: Literal["registered"] = "registered"
    conn: Conn
    device_id: DeviceId
    device: Device
    devices: tuple[Device, ...]
    current_state: PlaybackState
    should_resume: bool
    server_time: EpochMs
    coordinator: Word
    limits: Limits


class Pong(Wire):
    """`t0` as sent; `t1` received and `t2` sent, on the coordinator's clock."""

    type: Literal["pong"] = "pong"
    t0: int
    t1: EpochMs
    t2: EpochMs


class DevicesUpdate(Wire):
    """All listed devices; with `id`, the answer to a query."""

    type: Literal["devices_update"] = "devices_update"
    devices: tuple[Device, ...]
    id: RequestId | None = optional()


class DeviceOnline(Wire):
    """A device came online."""

    type: Literal["device_online"] = "device_online"
    device: Device


class DeviceOffline(Wire):
    """A device went offline."""

    type: Literal["device_offline"] = "device_offline"
    device_id: DeviceId
    reason: OfflineReason


class Notice(Wire):
    """Something that people of this user should see."""

    type: Literal["notice"] = "notice"
    level: NoticeLevel
    code: Word
    message: ShownText


class CommandResult(Wire):
    """How a request stands. Every request with an id ends in exactly one final result."""

    type: Literal["command_result"] = "command_result"
    id: RequestId
    status: ResultStatus
    code: Code | None = optional()
    message: ShownText | None = optional()
    sequence: Count | None = optional()
    epoch: Count | None = optional()


class Error(Wire):
    """A refusal of what has no id; `rate_limited` carries `retry_after_ms`."""

    type: Literal["error"] = "error"
    code: Code
    message: ShownText
    id: RequestId | None = optional()
    retry_after_ms: Count | None = optional()


class ExecuteCommand(Wire):
    """Carry this out, and list its id in `applied` or `refused` of the next report."""

    type: Literal["execute_command"] = "execute_command"
    id: RequestId
    command: ForwardedCommand
    from_device: Word
    epoch: Count
    expires_at: EpochMs


class PreparePlayback(Wire):
    """Load this and stay silent; then `playback_ready`."""

    type: Literal["prepare_playback"] = "prepare_playback"
    transfer_id: TransferId
    epoch: Count
    state: PlaybackState


class StartPlayback(Wire):
    """You are the renderer of this epoch: take this state; then `playback_started`."""

    type: Literal["start_playback"] = "start_playback"
    transfer_id: TransferId
    epoch: Count
    state: PlaybackState


class StopPlayback(Wire):
    """You do not render in this epoch: stop, or drop what is prepared."""

    type: Literal["stop_playback"] = "stop_playback"
    epoch: Count
    transfer_id: TransferId | None = optional()
    reason: StopReason


class PlaybackStateMessage(Wire):
    """The canonical state; with `id`, the answer to a query."""

    type: Literal["playback_state"] = "playback_state"
    state: PlaybackState
    id: RequestId | None = optional()


class Position(Wire):
    """The small tick, each second while playing."""

    type: Literal["position"] = "position"
    epoch: Count
    sequence: Count
    device_id: DeviceId
    position_ms: PositionMs
    position_at: EpochMs
    is_playing: bool


class CoordinatorStatus(Wire):
    """Whether the coordinator is there, and which one."""

    type: Literal["coordinator_status"] = "coordinator_status"
    coordinator: Word
    online: bool
    started_at: EpochMs


class Close(Wire):
    """To the broker: close what matches. `exp` (s) says how long a `jti` must be remembered.

    With a `jti`, the user `-` is whoever holds it. `at`, with the reason `deleted`: what was
    issued later still counts; without it, what is issued after the message came.
    """

    type: Literal["close"] = "close"
    user: UserId
    device: DeviceId | None = optional()
    jti: Word | None = optional()
    exp: Seconds | None = optional()
    at: EpochMs | None = optional()
    reason: Word


class Refuse(Wire):
    """To the broker, at a start: refuse what was issued up to `at` to a device that was deleted then.

    It was told when that happened, unless it, the link or the coordinator ended just then. The id
    is not kept: `device_hash` is its SHA-256, in hex. A connection that is refused now is closed.
    """

    type: Literal["refuse"] = "refuse"
    user: UserId
    device_hash: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    at: EpochMs


TO_BROKER: Final[tuple[type[Wire], ...]] = (Close, Refuse)
"""What `soul/v1/broker/close` carries."""

DownMessage = (
    ExecuteCommand
    | PreparePlayback
    | StartPlayback
    | StopPlayback
    | Registered
    | Pong
    | CommandResult
    | Error
    | DevicesUpdate
    | PlaybackStateMessage
    | Position
    | DeviceOnline
    | DeviceOffline
    | Notice
    | CoordinatorStatus
)
"""Everything that a device may hear."""

MESSAGES: dict[DownChannel | AllChannel, tuple[type[Wire], ...]] = {
    DownChannel.EXECUTE: (ExecuteCommand, PreparePlayback, StartPlayback, StopPlayback),
    DownChannel.REPLY: (Registered, Pong, CommandResult, Error, DevicesUpdate, PlaybackStateMessage),
    AllChannel.STATE: (PlaybackStateMessage,),
    AllChannel.POSITION: (Position,),
    AllChannel.DEVICES: (DevicesUpdate,),
    AllChannel.EVENT: (DeviceOnline, DeviceOffline, Notice),
}
"""Which message travels on which channel."""
