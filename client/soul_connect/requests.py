"""Requests on their way: each ends exactly once.

    made -> held (offline) -> sent -> accepted -> settled

A request waits for the connection until `expires`; then it is settled here, because it
would come too late to be meant. Once sent it may be sent again, with the same id and the
same bytes, in every later registration: the coordinator answers a repeated id and does
not do it twice. Sent and never answered, it is settled at `answer_by`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, assert_never

from soul_connect.clock import ServerClock
from soul_protocol import codec
from soul_protocol.commands import Command, Play, Seek, SetQueue, SetRepeat, SetShuffle, SetVolume
from soul_protocol.limits import COMMAND_LIFETIME, COMMAND_LIFETIME_MAX, TRANSFER_STEP
from soul_protocol.models import ReportedState
from soul_protocol.topics import UpChannel
from soul_protocol.up import (
    ClaimPlayback,
    DeleteDevice,
    PlaybackCommand,
    QueueCommand,
    RenameDevice,
    RequestDevices,
    RequestState,
    TransferOptions,
    TransferPlayback,
)

ANSWER_GRACE: Final = 2_000
"""How long after its own deadline (ms) the coordinator may still answer: the way there and back."""

DEFAULT_LIFETIME: Final = COMMAND_LIFETIME

HELD: Final = 200
"""How many requests may be under way; more than the coordinator takes in a minute."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A command for the active device, or for `target_device`."""

    command: Command
    target_device: str | None = None


@dataclass(frozen=True, slots=True)
class Transfer:
    """Hand the music over."""

    to_device: str
    options: TransferOptions | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """Someone pressed play here."""

    state: ReportedState


@dataclass(frozen=True, slots=True)
class Rename:
    """Give a device another name."""

    device_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Forget:
    """Delete a device."""

    device_id: str


@dataclass(frozen=True, slots=True)
class AskDevices:
    """Query the devices."""


@dataclass(frozen=True, slots=True)
class AskState:
    """Query the canonical state."""


Wish = Ask | Transfer | Claim | Rename | Forget | AskDevices | AskState
"""What a program can ask for."""

UpRequest = (
    PlaybackCommand
    | QueueCommand
    | TransferPlayback
    | ClaimPlayback
    | RenameDevice
    | DeleteDevice
    | RequestDevices
    | RequestState
)


@dataclass(slots=True)
class Request:
    """One request. Moments are local, in ms.

    Attributes:
        expires: when it is too old to be sent, or to be executed.
        answer_by: when no answer is expected any more.
        payload: the bytes, fixed when they were first sent.
        sent_in: the registration in which it was last sent.
    """

    id: str
    wish: Wish
    made: float
    expires: float
    answer_by: float
    payload: bytes | None = None
    sent_in: int | None = None
    accepted: bool = False

    @property
    def was_sent(self) -> bool:
        """Whether it ever left this device."""
        return self.payload is not None

    @property
    def deadline(self) -> float:
        """When it will be settled here, if by nobody else."""
        return self.answer_by if self.was_sent else self.expires

    def channel(self) -> UpChannel:
        """Where it is sent."""
        match self.wish:
            case Ask(command=SetQueue()):
                return UpChannel.QUEUE
            case Ask():
                return UpChannel.COMMAND
            case Transfer() | Claim():
                return UpChannel.TRANSFER
            case Rename() | Forget():
                return UpChannel.MANAGE
            case AskDevices() | AskState():
                return UpChannel.QUERY
            case _:
                assert_never(self.wish)

    def encoded(self, clock: ServerClock) -> bytes:
        """The bytes to send; the same ones every time."""
        if self.payload is None:
            self.payload = codec.encode(self._message(clock))
        return self.payload

    def _message(self, clock: ServerClock) -> UpRequest:
        issued, expires = clock.at(self.made), clock.at(self.expires)
        match self.wish:
            case Ask(command=command, target_device=target):
                if isinstance(command, SetQueue):
                    return QueueCommand(
                        id=self.id,
                        target_device=target,
                        command=command,
                        issued_at=issued,
                        expires_at=expires,
                    )
                return PlaybackCommand(
                    id=self.id, target_device=target, command=command, issued_at=issued, expires_at=expires
                )
            case Transfer(to_device=device, options=options):
                return TransferPlayback(id=self.id, to_device=device, options=options)
            case Claim(state=state):
                return ClaimPlayback(id=self.id, state=state, issued_at=issued)
            case Rename(device_id=device, name=name):
                return RenameDevice(id=self.id, device_id=device, name=name)
            case Forget(device_id=device):
                return DeleteDevice(id=self.id, device_id=device)
            case AskDevices():
                return RequestDevices(id=self.id)
            case AskState():
                return RequestState(id=self.id)
            case _:
                assert_never(self.wish)


class Requests:
    """The requests under way, in the order in which they were made."""

    def __init__(self) -> None:
        self._open: dict[str, Request] = {}

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Request]:
        return iter(tuple(self._open.values()))

    def get(self, id: str) -> Request | None:  # noqa: A002 (the wire's word)
        """The request with this id, if it is still open."""
        return self._open.get(id)

    def add(self, id: str, wish: Wish, *, now: float, lifetime_ms: int) -> Request:  # noqa: A002
        """Take a new request.

        Raises:
            ValueError: the id is under way already, or the lifetime is not 1 ms to 30 s.
        """
        if id in self._open:
            raise ValueError("a request id is used once")
        if not 0 < lifetime_ms <= COMMAND_LIFETIME_MAX:
            raise ValueError("a request lives between 1 ms and 30 s")
        work = max(lifetime_ms, 2 * TRANSFER_STEP) if _may_transfer(wish) else lifetime_ms
        request = Request(
            id=id, wish=wish, made=now, expires=now + lifetime_ms, answer_by=now + work + ANSWER_GRACE
        )
        self._open[id] = request
        return request

    def take(self, id: str) -> Request | None:  # noqa: A002 (the wire's word)
        """Remove a request, because it is settled."""
        return self._open.pop(id, None)

    def outdated_by(self, newer: Request) -> Request | None:
        """The request that waits to be sent and that `newer` makes pointless."""
        kind = _collapses(newer.wish)
        if kind is None:
            return None
        for request in self._open.values():
            if request is not newer and not request.was_sent and _collapses(request.wish) == kind:
                return request
        return None

    def next_deadline(self) -> float | None:
        """When the next one is to be settled here."""
        return min((request.deadline for request in self._open.values()), default=None)

    def overdue(self, now: float) -> list[Request]:
        """Remove and return those whose time has passed."""
        late = [request for request in self._open.values() if request.deadline <= now]
        for request in late:
            del self._open[request.id]
        return late


def _may_transfer(wish: Wish) -> bool:
    """Whether the wish may end with a transfer, which has two steps of 5 s."""
    match wish:
        case Transfer():
            return True
        case Ask(command=Play() | SetQueue(), target_device=target):
            return target is not None
        case _:
            return False


def _collapses(wish: Wish) -> tuple[type, str | None] | None:
    """Of requests with the same answer here only the last matters; None: every one matters."""
    match wish:
        case Ask(command=SetVolume() | Seek() | SetShuffle() | SetRepeat() as command, target_device=target):
            return type(command), target
        case _:
            return None
