"""What happened: facts in the past tense.

`sender` is who the topic proves. `entropy` is a fresh random 128-bit integer from the
runner: a shuffle comes from it, so that the core itself is deterministic.
"""

from soul_coordinator.core.immutable import immutable
from soul_coordinator.core.records import GuestPass
from soul_coordinator.core.values import Address, Command, Description, Instant, LastKnown, Report


@immutable
class Registered:
    """A device introduced its connection."""

    sender: Address
    conn: str
    description: Description
    resume: bool
    last_known: LastKnown | None
    ephemeral: bool


@immutable
class ConnectionLost:
    """The broker published a device's will."""

    sender: Address
    conn: str


@immutable
class SaidGoodbye:
    """A device is about to disconnect."""

    sender: Address
    conn: str
    reason: str


@immutable
class Pinged:
    """A device is there, and asks for the time. `t0` is its own clock."""

    sender: Address
    t0: int


@immutable
class DevicesQueried:
    """A device asked for the device list."""

    sender: Address
    id: str


@immutable
class StateQueried:
    """A device asked for the canonical state."""

    sender: Address
    id: str


@immutable
class CommandRequested:
    """A device asked for a playback command, `set_queue` included."""

    sender: Address
    id: str
    target: str | None
    command: Command
    issued_at: Instant | None
    expires_at: Instant | None
    entropy: int


@immutable
class TransferRequested:
    """A device asked for the music to move. `play` is keep, play or pause."""

    sender: Address
    id: str
    to_device: str
    play: str
    position_ms: int | None


@immutable
class PlaybackClaimed:
    """Someone pressed play on the device itself."""

    sender: Address
    id: str
    report: Report
    issued_at: Instant | None


@immutable
class RenameRequested:
    """A device asked for another name of a device."""

    sender: Address
    id: str
    device: str
    name: str


@immutable
class DeletionRequested:
    """A device asked for a device to be forgotten."""

    sender: Address
    id: str
    device: str


@immutable
class StateReported:
    """A renderer's report, or (`report` None) an idle device's `volume`."""

    sender: Address
    conn: str
    seq: int
    epoch: int | None
    report: Report | None
    volume: float | None
    applied: tuple[str, ...]
    refused: tuple[tuple[str, str], ...]


@immutable
class TransferAnswered:
    """A target said `ready`, `started` or `failed`."""

    sender: Address
    transfer: str
    answer: str
    reason: str | None


@immutable
class MessageRefused:
    """A message broke the contract; it counts for the rates of its channel, and is answered."""

    sender: Address
    channel: str
    code: str
    message: str
    id: str | None


@immutable
class PassIssued:
    """A guest's token was made; its scope replaces an earlier one's."""

    user: str
    guest: GuestPass


@immutable
class TokenEnded:
    """A device's or guest's token was revoked. The broker closes the connection."""

    user: str
    device: str


@immutable
class UserRemoved:
    """An account was removed: everything of it goes.

    `at` is when, by the clock that dates tokens: one issued later to a new user of this name counts.
    """

    user: str
    at: Instant | None = None


@immutable
class DeadlineReached:
    """Time has passed; what is due by now happens."""


AskingEvent = CommandRequested | TransferRequested | PlaybackClaimed | RenameRequested | TransferAnswered
"""What only a registered device may say."""

RatedEvent = AskingEvent | Registered | Pinged | DevicesQueried | StateQueried | DeletionRequested
"""What is dropped over its rate."""

UserEvent = (
    RatedEvent | ConnectionLost | SaidGoodbye | StateReported | MessageRefused | PassIssued | TokenEnded
)
"""What changes one user."""

Event = UserEvent | UserRemoved | DeadlineReached
