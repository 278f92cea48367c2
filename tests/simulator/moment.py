"""One event with what was before it and what came of it: what the rules look at."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from simulator.invariants import REQUESTS
from soul_coordinator.core import events
from soul_coordinator.core.coordinator import Coordinator
from soul_coordinator.core.effects import Effect, Execute, Publish, Reply
from soul_coordinator.core.user import User
from soul_coordinator.core.values import Address, Message, Playback
from soul_protocol import limits


@dataclass(frozen=True, slots=True)
class Underway:
    """A transfer as it was before the event."""

    transfer: str
    target: str
    play: str
    position_ms: int | None
    own_queue: bool
    committed: bool


@dataclass(frozen=True, slots=True)
class Sender:
    """The device that spoke, as the core knew it before the event."""

    conn: str | None
    registered: bool
    renders: bool
    controls: bool
    held: bool


@dataclass(frozen=True, slots=True)
class Before:
    """What the core knew before the event. `known`: the request was answered before."""

    playbacks: dict[str, Playback]
    underway: dict[str, Underway]
    volumes: dict[str, float | None]
    sender: Sender | None
    known: bool
    pending: int


def before(core: Coordinator, event: events.Event, now: int) -> Before:
    spoke: Address | None = getattr(event, "sender", None)
    user = None if spoke is None else core.users.get(spoke.user)
    sender, known = None, False
    if user is not None and spoke is not None:
        device = user.devices.get(spoke.device)
        if device is not None and device.node == spoke.node:
            sender = Sender(
                device.conn,
                device.registered,
                device.can_render,
                device.capabilities.can_control,
                device.held is not None,
            )
        if isinstance(event, REQUESTS):
            receipt = user.receipts.get(spoke.device, {}).get(event.id)
            known = receipt is not None and now - receipt.at <= limits.REMEMBERED_FOR
    return Before(
        playbacks={name: one.playback for name, one in core.users.items()},
        underway={name: _underway(one) for name, one in core.users.items() if one.handover is not None},
        volumes={} if user is None else {one.id: one.volume for one in user.devices.values()},
        sender=sender,
        known=known,
        pending=0 if user is None else len(user.pending),
    )


def _underway(user: User) -> Underway:
    one = user.handover
    assert one is not None
    own_queue, committed = one.playback is not None, one.committed is not None
    return Underway(one.id, one.target, one.play, one.position_ms, own_queue, committed)


@dataclass(frozen=True, slots=True)
class Moment:
    """An event, before and after."""

    core: Coordinator
    now: int
    event: events.Event
    was: Before
    effects: Sequence[Effect]

    @property
    def place(self) -> Address | None:
        """Who spoke."""
        return getattr(self.event, "sender", None)

    @property
    def user(self) -> User | None:
        """Whose event it was, afterwards."""
        return None if self.place is None else self.core.users.get(self.place.user)

    @property
    def playback(self) -> Playback | None:
        """The sender's state before."""
        return None if self.place is None else self.was.playbacks.get(self.place.user)

    def executed(self, kind: str) -> Iterator[tuple[Address, Message]]:
        """What was said on `down/execute` of this kind."""
        for one in self.effects:
            if isinstance(one, Execute) and one.message["type"] == kind:
                yield one.to, one.message

    def replied(self, kind: str) -> Iterator[tuple[Address, Message]]:
        """What was said on `down/reply` of this kind."""
        for one in self.effects:
            if isinstance(one, Reply) and one.message["type"] == kind:
                yield one.to, one.message

    def published(self, kind: str) -> Iterator[tuple[str, Message]]:
        """What was told to everyone of a user."""
        for one in self.effects:
            if isinstance(one, Publish) and one.message is not None and one.message["type"] == kind:
                yield one.user, one.message
