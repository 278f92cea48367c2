"""What survives a restart. The store keeps these; `UserRecord` is all of one user's, as loaded."""

from collections.abc import Mapping
from dataclasses import field

from soul_coordinator.core.immutable import immutable
from soul_coordinator.core.values import Address, Capabilities, Command, Instant, Node, Playback, QueueChange


@immutable
class DeviceRecord:
    """A listed device, or a guest.

    `conn` is the current one; `spent` are the latest that never become current again.
    `volume_issued_at` is when the newest volume command for this device was issued.
    """

    user: str
    id: str
    node: Node
    name: str
    device_type: str
    capabilities: Capabilities
    volume: float | None
    created_at: Instant
    last_seen: Instant
    conn: str | None
    is_online: bool
    spent: tuple[str, ...] = ()
    volume_issued_at: Instant = 0


@immutable
class Receipt:
    """The latest answer to a request: told again when the id comes again."""

    requester: Address
    id: str
    status: str
    code: str | None
    message: str | None
    sequence: int | None
    epoch: int | None
    at: Instant


@immutable
class Pending:
    """A forwarded command whose outcome is not known yet.

    `number` gives the order of acceptance within the user. `own` marks the coordinator's own
    `play` after a short loss, whose result nobody waits for.

    It carries what was decided with it, so that one row is all that accepting writes: until it
    ends, its answer is `accepted` at `accepted_at`, and its `issued_at` counts for its class.
    """

    requester: Address
    id: str
    target: str
    command: Command
    change: QueueChange | None
    epoch: int
    issued_at: Instant
    expires_at: Instant
    number: int
    own: bool = False
    accepted_at: Instant = 0


@immutable
class Transfer:
    """A transfer after its commit, until `playback_started`: sent again after a restart.

    `requester` and `request` are None once the device that asked was forgotten, `source` where
    there was none or it was forgotten. `deadline` is when the wait for `playback_started` ends.
    """

    id: str
    requester: Address | None
    request: str | None
    source: str | None
    target: str
    epoch: int
    committed_at: Instant
    deadline: Instant


@immutable
class Loss:
    """How the renderer went: for resuming. `commands_since` is true once anyone commanded after it."""

    at: Instant
    was_playing: bool
    goodbye: bool
    commands_since: bool = False


@immutable
class GuestPass:
    """What a guest's newest token allows, and until when."""

    device: str
    scope: frozenset[str]
    ends_at: Instant


@immutable
class UserRecord:
    """All that is saved of one user.

    `issued` maps a command class to its newest `issued_at`, and "any" to when the newest
    command or transfer of all arrived.
    """

    id: str
    playback: Playback = field(default_factory=Playback)
    issued: Mapping[str, Instant] = field(default_factory=dict)
    loss: Loss | None = None
    devices: tuple[DeviceRecord, ...] = ()
    receipts: tuple[Receipt, ...] = ()
    pending: tuple[Pending, ...] = ()
    transfer: Transfer | None = None
    passes: tuple[GuestPass, ...] = ()
