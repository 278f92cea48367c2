"""The coordinator's decisions: one event in, its effects out.

    Rates first: what is over them is dropped. Then presence: only a registered device may do
    anything but register, ping and leave. Then the rule of its kind decides. `Turn` orders
    what comes out: saves, the state, and what is told.

Every event belongs to one user, so nothing of one user can touch another's: a `Turn` has
only that user. Time comes in with each event and never goes back.
"""

from collections.abc import Iterable
from typing import Final, assert_never

from soul_coordinator.core import (
    events,
    gate,
    messages,
    ownership,
    presence,
    registration,
    reports,
    requests,
    transfers,
    windows,
)
from soul_coordinator.core.deadlines import Agenda, time_passed
from soul_coordinator.core.device import Device
from soul_coordinator.core.effects import CloseConnection, Effect, Publish
from soul_coordinator.core.records import UserRecord
from soul_coordinator.core.user import BURIED_FOR, Turn, User
from soul_coordinator.core.values import Instant
from soul_protocol import limits

_CHANNELS: Final[dict[type, str]] = {
    events.Registered: "register",
    events.Pinged: "ping",
    events.DevicesQueried: "query",
    events.StateQueried: "query",
    events.CommandRequested: "command",
    events.TransferRequested: "transfer",
    events.PlaybackClaimed: "transfer",
    events.RenameRequested: "manage",
    events.DeletionRequested: "manage",
    events.TransferAnswered: "outcome",
}
"""The channel whose rate an event counts for; states and farewells are not here."""


class Coordinator:
    """All users. `id` is fresh for every start, and tells clients that they must register again."""

    def __init__(self, *, coordinator_id: str, users: Iterable[UserRecord], now: Instant) -> None:
        self.id = coordinator_id
        self.started_at = now
        self._now = now
        restart_until = now + limits.RESTART_GRACE
        self._records = tuple(users)
        self.users = {
            record.id: User.restored(record, restart_until=restart_until) for record in self._records
        }
        self._agenda = Agenda()
        self._removed: dict[str, Instant] = {}

    def start(self, *, now: Instant) -> tuple[Effect, ...]:
        """What is to be told at start: every retained topic again, and transfers under way."""
        effects: list[Effect] = []
        self._now = max(self._now, now)
        for record in self._records:
            user = self.users[record.id]
            turn = Turn(user, self._now, coordinator=self.id)
            if record.transfer is not None:
                transfers.restored(turn, record.transfer)
            effects.append(Publish(user.id, "state", messages.playback_state(user.playback)))
            effects.append(Publish(user.id, "devices", messages.devices_update(user.listed)))
            effects.extend(turn.effects())
            self._agenda.plan(user)
        self._records = ()
        return tuple(effects)

    def next_deadline(self) -> Instant | None:
        """When `DeadlineReached` is to be handled next; None: not before another event."""
        return self._agenda.next

    def handle(self, event: events.Event, *, now: Instant) -> tuple[Effect, ...]:
        """Decide. `now` may not go back; a clock that does is taken as standing still."""
        self._now = now = max(self._now, now)
        match event:
            case events.DeadlineReached():
                return self._time_passed(now)
            case events.UserRemoved():
                return self._remove(event)
            case events.PassIssued() | events.TokenEnded():
                name = event.user
            case _:
                name = event.sender.user
                if self._is_gone(name, event.sender.device):
                    return ()
        user = self.users.get(name)
        if user is None:
            user = self.users[name] = User(name)
        turn = Turn(user, now, coordinator=self.id, entropy=getattr(event, "entropy", 0))
        _decide(turn, event)
        windows.follow(turn)
        self._agenda.plan(user)
        return turn.effects()

    def _is_gone(self, name: str, device: str) -> bool:
        """Whether the speaker was removed a moment ago, and its connection is about to be closed."""
        if self._removed.get(name, self._now) > self._now:
            return True
        user = self.users.get(name)
        return user is not None and user.buried.get(device, self._now) > self._now

    def _time_passed(self, now: Instant) -> tuple[Effect, ...]:
        effects: list[Effect] = []
        for name in self._agenda.due(now):
            user = self.users[name]
            turn = Turn(user, now, coordinator=self.id)
            time_passed(turn)
            windows.follow(turn)
            effects.extend(turn.effects())
            self._agenda.plan(user)
        return tuple(effects)

    def _remove(self, event: events.UserRemoved) -> tuple[Effect, ...]:
        name = event.user
        self._removed = {one: until for one, until in self._removed.items() if until > self._now}
        self._removed[name] = self._now + BURIED_FOR
        self.users.pop(name, None)
        self._agenda.forget(name)
        return (
            Publish(name, "state", None),
            Publish(name, "devices", None),
            CloseConnection(name, None, "deleted", event.at),
        )


def _decide(turn: Turn, event: events.UserEvent) -> None:
    match event:
        case events.PassIssued():
            turn.user.passes[event.guest.device] = event.guest
        case events.TokenEnded():
            ownership.token_ended(turn, event)
        case events.ConnectionLost():
            presence.connection_lost(turn, event)
        case events.SaidGoodbye():
            presence.said_goodbye(turn, event)
        case events.MessageRefused():
            if gate.within_rate(turn, event.sender, event.channel, event.id):
                gate.refuse(turn, event)
        case events.StateReported():
            _state_reported(turn, event)
        case _:
            request = getattr(event, "id", None)
            if gate.within_rate(turn, event.sender, _CHANNELS[type(event)], request):
                _requested(turn, event)


def _state_reported(turn: Turn, event: events.StateReported) -> None:
    known = turn.user.devices.get(event.sender.device)
    if known is not None and event.conn in known.spent:
        return
    device = gate.present(turn, event.sender)
    if device is None:
        return
    if device.conn != event.conn:
        gate.say_unregistered(turn, event.sender)
        return
    reports.state_reported(turn, device, event)


def _requested(turn: Turn, event: events.RatedEvent) -> None:
    match event:
        case events.Registered():
            registration.registered(turn, event)
        case events.Pinged():
            presence.pinged(turn, event)
        case events.DevicesQueried() | events.StateQueried() | events.DeletionRequested():
            # Who found no place may look for one, and make one.
            unplaced = turn.user.unplaced.get(event.sender.device) == event.sender
            if unplaced or gate.present(turn, event.sender) is not None:
                _looked(turn, event)
        case _:
            device = gate.present(turn, event.sender)
            if device is not None:
                _asked(turn, device, event)


def _looked(
    turn: Turn, event: events.DevicesQueried | events.StateQueried | events.DeletionRequested
) -> None:
    match event:
        case events.DevicesQueried():
            ownership.devices_queried(turn, event)
        case events.StateQueried():
            ownership.state_queried(turn, event)
        case events.DeletionRequested():
            ownership.deletion_requested(turn, event)
        case _:
            assert_never(event)


def _asked(turn: Turn, device: Device, event: events.AskingEvent) -> None:
    match event:
        case events.CommandRequested():
            requests.command_requested(turn, device, event)
        case events.TransferRequested():
            ownership.transfer_requested(turn, device, event)
        case events.PlaybackClaimed():
            ownership.playback_claimed(turn, device, event)
        case events.RenameRequested():
            ownership.rename_requested(turn, event)
        case events.TransferAnswered():
            transfers.answered(turn, event)
        case _:
            assert_never(event)
