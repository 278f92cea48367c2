"""Messages from devices to the coordinator."""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from soul_protocol.commands import SetQueue, SimpleCommand
from soul_protocol.ids import Conn, DeviceId, RequestId, TransferId
from soul_protocol.limits import REPORTED_IDS
from soul_protocol.models import (
    DeviceDescription,
    DeviceName,
    LastKnownState,
    Refusal,
    ReportedState,
    ShownText,
    Word,
)
from soul_protocol.topics import UpChannel
from soul_protocol.units import Count, EpochMs, PositionMs, Volume
from soul_protocol.wire import Wire, optional


class Register(Wire):
    """The first message of a connection. `ephemeral` clients are unlisted and cannot render."""

    type: Literal["register"] = "register"
    conn: Conn
    device: DeviceDescription
    resume: bool | None = optional()
    last_known_state: LastKnownState | None = optional()
    ephemeral: bool | None = optional()
    protocol: Literal[1] = 1


class ConnectionLost(Wire):
    """The last will."""

    type: Literal["connection_lost"] = "connection_lost"
    conn: Conn


class Disconnect(Wire):
    """The clean goodbye, sent and acknowledged before DISCONNECT."""

    type: Literal["disconnect"] = "disconnect"
    conn: Conn
    reason: Word = "quit"


class Ping(Wire):
    """Still there; and what is the time? `t0` is the sender's own clock, in ms."""

    type: Literal["ping"] = "ping"
    t0: Annotated[int, Field(ge=-(2**53), le=2**53)]


class RequestDevices(Wire):
    """Answered by `devices_update` with the same id."""

    type: Literal["request_devices"] = "request_devices"
    id: RequestId


class RequestState(Wire):
    """Answered by `playback_state` with the same id."""

    type: Literal["request_state"] = "request_state"
    id: RequestId


class _Request(Wire):
    type: Literal["playback_command"] = "playback_command"
    id: RequestId
    target_device: DeviceId | None = optional()
    issued_at: EpochMs | None = optional()
    expires_at: EpochMs | None = optional()


class PlaybackCommand(_Request):
    """A command for the active device, or for `target_device`; all but `set_queue`."""

    command: SimpleCommand


class QueueCommand(_Request):
    """A `playback_command` with `set_queue`, on its own topic so that a guest's scope can tell them apart."""

    command: SetQueue


class TransferPlay(StrEnum):
    """Whether the music plays after a transfer."""

    KEEP = "keep"
    PLAY = "play"
    PAUSE = "pause"


class TransferOptions(Wire):
    """How a transfer ends; `keep` is playing-or-not at the commit."""

    play: TransferPlay = TransferPlay.KEEP
    position_ms: PositionMs | None = optional()


class TransferPlayback(Wire):
    """Hand the music to `to_device`."""

    type: Literal["transfer_playback"] = "transfer_playback"
    id: RequestId
    to_device: DeviceId
    options: TransferOptions | None = optional()


class ClaimPlayback(Wire):
    """Someone pressed play on this device itself."""

    type: Literal["claim_playback"] = "claim_playback"
    id: RequestId
    state: ReportedState
    issued_at: EpochMs | None = optional()


class RenameDevice(Wire):
    """Give a device of this user another name."""

    type: Literal["rename_device"] = "rename_device"
    id: RequestId
    device_id: DeviceId
    name: DeviceName


class DeleteDevice(Wire):
    """Forget a device of this user, every byte of it."""

    type: Literal["delete_device"] = "delete_device"
    id: RequestId
    device_id: DeviceId


class StateUpdate(Wire):
    """A renderer's report, or an idle device's volume. `seq` counts from 1 in each `conn`."""

    type: Literal["state_update"] = "state_update"
    conn: Conn
    seq: Annotated[int, Field(ge=1, le=2**53 - 1)]
    epoch: Count | None = optional()
    state: ReportedState | None = optional()
    volume: Volume | None = optional()
    applied: Annotated[tuple[RequestId, ...], Field(max_length=REPORTED_IDS)] | None = optional()
    refused: Annotated[tuple[Refusal, ...], Field(max_length=REPORTED_IDS)] | None = optional()

    @model_validator(mode="after")
    def _something(self) -> Self:
        if (self.state is None) == (self.volume is None):
            raise ValueError("a state_update has either a state or a volume")
        return self


class PlaybackReady(Wire):
    """The target has loaded, and stays silent until `start_playback`."""

    type: Literal["playback_ready"] = "playback_ready"
    transfer_id: TransferId
    reason: ShownText | None = optional()


class PlaybackStarted(Wire):
    """The target carried out `start_playback`."""

    type: Literal["playback_started"] = "playback_started"
    transfer_id: TransferId
    reason: ShownText | None = optional()


class PlaybackFailed(Wire):
    """The target could not load or start."""

    type: Literal["playback_failed"] = "playback_failed"
    transfer_id: TransferId
    reason: ShownText | None = optional()


UpMessage = (
    Register
    | ConnectionLost
    | Disconnect
    | Ping
    | RequestDevices
    | RequestState
    | PlaybackCommand
    | QueueCommand
    | TransferPlayback
    | ClaimPlayback
    | RenameDevice
    | DeleteDevice
    | StateUpdate
    | PlaybackReady
    | PlaybackStarted
    | PlaybackFailed
)
"""Everything that a device may say."""

MESSAGES: dict[UpChannel, tuple[type[Wire], ...]] = {
    UpChannel.REGISTER: (Register,),
    UpChannel.WILL: (ConnectionLost,),
    UpChannel.DISCONNECT: (Disconnect,),
    UpChannel.PING: (Ping,),
    UpChannel.QUERY: (RequestDevices, RequestState),
    UpChannel.COMMAND: (PlaybackCommand,),
    UpChannel.QUEUE: (QueueCommand,),
    UpChannel.TRANSFER: (TransferPlayback, ClaimPlayback),
    UpChannel.MANAGE: (RenameDevice, DeleteDevice),
    UpChannel.STATE: (StateUpdate,),
    UpChannel.OUTCOME: (PlaybackReady, PlaybackStarted, PlaybackFailed),
}
"""Which message travels on which channel; anything else there is `invalid_command`."""


def channel_of(message: UpMessage) -> UpChannel:
    """The channel on which a message travels."""
    return _CHANNEL[type(message)]


_CHANNEL = {kind: channel for channel, kinds in MESSAGES.items() for kind in kinds}
