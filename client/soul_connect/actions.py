"""What a session wants done, or tells: imperatives for the transport, facts for the program."""

from dataclasses import dataclass

from soul_connect.errors import LinkError, RequestError
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
    """The canonical state, or the position in it."""

    state: PlaybackState


@dataclass(frozen=True, slots=True)
class DevicesChanged:
    """The devices of this user."""

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
    | DevicesChanged
    | Noticed
    | Ordered
    | Ended
    | Hindered
)
