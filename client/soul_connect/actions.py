"""What a session wants done, or tells: imperatives for the transport, facts for the program."""

from dataclasses import dataclass

from soul_connect.errors import LinkError, RequestError
from soul_protocol.commands import Command
from soul_protocol.down import (
    CommandResult,
    DevicesUpdate,
    ExecuteCommand,
    Notice,
    PlaybackStateMessage,
    PreparePlayback,
    Registered,
    StartPlayback,
    StopPlayback,
)
from soul_protocol.models import Device, PlaybackState

Order = ExecuteCommand | PreparePlayback | StartPlayback | StopPlayback
"""What the coordinator tells a renderer to do."""

Answer = CommandResult | DevicesUpdate | PlaybackStateMessage
"""How a request can end well."""


@dataclass(frozen=True, slots=True)
class Publish:
    """Publish `payload` on `topic`, unretained, after all that was published before."""

    topic: str
    payload: bytes
    qos: int


@dataclass(frozen=True, slots=True)
class Probe:
    """Prove that the broker is still there; without an answer `within_ms`, drop the connection."""

    within_ms: int


@dataclass(frozen=True, slots=True)
class Settled:
    """A request has ended, once and for all."""

    id: str
    outcome: Answer | RequestError


@dataclass(frozen=True, slots=True)
class Accepted:
    """A request was forwarded to the device that shall carry it out."""

    result: CommandResult


@dataclass(frozen=True, slots=True)
class Arrived:
    """Registered: requests go out from now on."""

    registered: Registered


@dataclass(frozen=True, slots=True)
class Away:
    """No longer registered; requests wait."""


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The canonical state, the position in it, or what is to be shown for it while commands are under way."""

    state: PlaybackState
    shown: PlaybackState


@dataclass(frozen=True, slots=True)
class RolledBack:
    """What was shown of a command is taken back, because it was not carried out.

    Attributes:
        id: the command's id.
        reason: a code of the contract (`rate_limited`, `device_offline`, ...), or `superseded`,
            `expired`, `withdrawn`.
        error: what `send_command` raises; None where it returns a `superseded` result.
    """

    id: str
    command: Command
    target_device: str | None
    reason: str
    error: RequestError | None


@dataclass(frozen=True, slots=True)
class DevicesChanged:
    """The devices of this user, as they are to be shown."""

    devices: tuple[Device, ...]


@dataclass(frozen=True, slots=True)
class Noticed:
    """Something that people should see."""

    notice: Notice


@dataclass(frozen=True, slots=True)
class Ordered:
    """Something for the renderer."""

    order: Order


@dataclass(frozen=True, slots=True)
class Ended:
    """There is no use in going on: close the connection and do not return."""

    error: LinkError


@dataclass(frozen=True, slots=True)
class Hindered:
    """This device may not register (all places are taken); queries and deletions still work."""

    error: LinkError


Action = (
    Publish
    | Probe
    | Settled
    | Accepted
    | Arrived
    | Away
    | StateChanged
    | RolledBack
    | DevicesChanged
    | Noticed
    | Ordered
    | Ended
    | Hindered
)
