"""The coordinator's decisions: one event in, its effects out.

    Rates first: what is over them is dropped. Then presence: only a registered device may do
    anything but register, ping and leave. Then the rule of its kind decides. `Turn` orders
    what comes out: saves, the state, and what is told.

Every event belongs to one user, so nothing of one user can touch another's: a `Turn` has
only that user. Time comes in with each event and never goes back.
"""

import heapq
from collections.abc import Iterable
from typing import assert_never

from soul_coordinator.core import (
    events,
    forwarding,
    messages,
    ownership,
    presence,
    receipts,
    recovery,
    registration,
    reports,
    requests,
    transfers,
)
from soul_coordinator.core.device import Device
from soul_coordinator.core.effects import CloseConnection, Effect, Publish
from soul_coordinator.core.rates import REQUEST_CHANNELS
from soul_coordinator.core.records import UserRecord
from soul_coordinator.core.user import Turn, User
from soul_coordinator.core.values import Address, Instant
from soul_protocol import limits
from soul_protocol.errors import Code

_CHANNELS: dict[type, str] = {
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
        self._records = tuple(users)
        restart_until = now + limits.RESTART_GRACE
        self.users = {
            record.id: User.restored(record, restart_until=restart_until) for record in self._records
        }
        self._due: list[tuple[Instant, str]] = []
        self._queued: dict[str, Instant] = {}

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
            self._schedule(user)
        self._records = ()
        return tuple(effects)

    def next_deadline(self) -> Instant | None:
        """When `DeadlineReached` is to be handled next; None: not before another event."""
        return self._due[0][0] if self._due else None

    def handle(self, event: events.Event, *, now: Instant) -> tuple[Effect, ...]:
        """Decide. `now` may not go back; a clock that does is taken as standing still."""
        self._now = now = max(self._now, now)
        match event:
            case events.DeadlineReached():
                return self._time_passed(now)
            case events.PassIssued() | events.TokenEnded():
                name = event.user
            case events.UserRemoved():
                return self._remove(event.user)
            case _:
                name = event.sender.user
        user = self.users.get(name)
        if user is None:
            user = self.users[name] = User(name)
        turn = Turn(user, now, coordinator=self.id, entropy=getattr(event, "entropy", 0))
        self._decide(turn, event)
        self._schedule(user)
        return turn.effects()

    def _decide(self, turn: Turn, event: events.Event) -> None:
        match event:
            case events.DeadlineReached() | events.UserRemoved():
                raise AssertionError("handled before")
            case events.PassIssued():
                turn.user.passes[event.guest.device] = event.guest
            case events.TokenEnded():
                _token_ended(turn, event)
            case events.ConnectionLost():
                # Never dropped: the true state must not depend on a rate.
                presence.connection_lost(turn, event)
            case events.SaidGoodbye():
                presence.said_goodbye(turn, event)
            case events.MessageRefused():
                if _within_rate(turn, event.sender, event.channel, event.id):
                    _refuse(turn, event)
            case events.StateReported():
                self._state_reported(turn, event)
            case _:
                request = getattr(event, "id", None)
                if _within_rate(turn, event.sender, _CHANNELS[type(event)], request):
                    self._requested(turn, event)

    def _state_reported(self, turn: Turn, event: events.StateReported) -> None:
        device = turn.user.devices.get(event.sender.device)
        if device is not None and event.conn in device.spent:
            return
        device = _present(turn, event.sender)
        if device is None:
            return
        if device.conn != event.conn:
            _say_unregistered(turn, event.sender)
            return
        reports.state_reported(turn, device, event)

    def _requested(
        self,
        turn: Turn,
        event: events.Registered
        | events.Pinged
        | events.DevicesQueried
        | events.StateQueried
        | events.CommandRequested
        | events.TransferRequested
        | events.PlaybackClaimed
        | events.RenameRequested
        | events.DeletionRequested
        | events.TransferAnswered,
    ) -> None:
        if isinstance(event, events.Registered):
            registration.registered(turn, event)
            return
        if isinstance(event, events.Pinged):
            known = turn.user.devices.get(event.sender.device)
            if known is not None and known.registered and known.node == event.sender.node:
                presence.heard(turn, known)
            presence.pinged(turn, event)
            return
        unplaced = turn.user.unplaced.get(event.sender.device) == event.sender
        if unplaced and isinstance(
            event, events.DevicesQueried | events.StateQueried | events.DeletionRequested
        ):
            sender = None
        else:
            sender = _present(turn, event.sender)
            if sender is None:
                return
        match event:
            case events.DevicesQueried():
                ownership.devices_queried(turn, event)
            case events.StateQueried():
                ownership.state_queried(turn, event)
            case events.RenameRequested():
                ownership.rename_requested(turn, event)
            case events.DeletionRequested():
                ownership.deletion_requested(turn, event)
            case events.TransferAnswered():
                transfers.answered(turn, event)
            case events.CommandRequested() if sender is not None:
                requests.command_requested(turn, sender, event)
            case events.TransferRequested() if sender is not None:
                ownership.transfer_requested(turn, sender, event)
            case events.PlaybackClaimed() if sender is not None:
                ownership.playback_claimed(turn, sender, event)
            case events.CommandRequested() | events.TransferRequested() | events.PlaybackClaimed():
                raise AssertionError("only registered devices come here")
            case _:
                assert_never(event)

    # Time

    def _time_passed(self, now: Instant) -> tuple[Effect, ...]:
        effects: list[Effect] = []
        while self._due and self._due[0][0] <= now:
            at, name = heapq.heappop(self._due)
            user = self.users.get(name)
            if user is None or self._queued.get(name) != at:
                continue  # a newer entry took its place
            del self._queued[name]
            turn = Turn(user, now, coordinator=self.id)
            reports.time_passed(turn)
            presence.time_passed(turn)
            transfers.time_passed(turn)
            forwarding.time_passed(turn)
            recovery.purge_state(turn)
            _forget_unseen(turn)
            effects.extend(turn.effects())
            self._schedule(user)
        return tuple(effects)

    def _schedule(self, user: User) -> None:
        due = _next_due(user)
        queued = self._queued.get(user.id)
        # An entry that comes too early is harmless: it finds nothing to do and is renewed.
        if due is not None and (queued is None or due < queued):
            self._queued[user.id] = due
            heapq.heappush(self._due, (due, user.id))

    def _remove(self, name: str) -> tuple[Effect, ...]:
        user = self.users.pop(name, None)
        self._queued.pop(name, None)
        if user is None:
            return ()
        return (
            Publish(name, "state", None),
            Publish(name, "devices", None),
            CloseConnection(name, None, "deleted"),
        )


def _next_due(user: User) -> Instant | None:
    """The earliest moment at which something of this user is due."""
    due = [one.expires_at for one in user.pending.values()]
    for device in user.devices.values():
        due += [at for at in (device.grace_until, device.restart_until) if at is not None]
        if device.registered:
            due.append(device.heard_at + limits.SILENCE)
        elif not device.is_online:
            due.append(device.last_seen + limits.DEVICE_KEPT)
        if device.held is not None:
            due.append(device.held_until)
        allowed = user.passes.get(device.id)
        if device.node == "guest" and allowed is not None:
            due.append(allowed.ends_at)
    if user.handover is not None:
        due.append(user.handover.deadline)
    due += receipts.abandoned_at(user)
    purge = recovery.purge_at(user)
    if purge is not None:
        due.append(purge)
    return min(due, default=None)


def _within_rate(turn: Turn, sender: Address, channel: str, request: str | None) -> bool:
    """Whether a message is within its rate; if not, it is dropped, and that is said once a second."""
    rates = turn.user.rates.of(sender.device, turn.now)
    bucket = rates.requests if channel in REQUEST_CHANNELS else rates.others
    if channel == "state":
        bucket = rates.states
    wait = bucket.take(turn.now)
    if not wait:
        return True
    if turn.now - rates.told_rate_at >= limits.RATE_REPLY_EVERY:
        rates.told_rate_at = turn.now
        error = messages.error(Code.RATE_LIMITED, request=request, retry_after_ms=wait)
        turn.reply(sender, error)
    return False


def _present(turn: Turn, sender: Address) -> Device | None:
    """The registered device that speaks; None: it was told to register."""
    device = turn.user.devices.get(sender.device)
    if device is None or not device.registered or device.node != sender.node:
        _say_unregistered(turn, sender)
        return None
    presence.heard(turn, device)
    return device


def _say_unregistered(turn: Turn, sender: Address) -> None:
    rates = turn.user.rates.of(sender.device, turn.now)
    if turn.now - rates.told_unregistered_at >= limits.COMPLAIN_EVERY:
        rates.told_unregistered_at = turn.now
        turn.reply(sender, messages.error(Code.NOT_REGISTERED))


def _refuse(turn: Turn, event: events.MessageRefused) -> None:
    """Answer a message that broke the contract; it changed nothing."""
    if event.id is None:
        turn.reply(event.sender, messages.error(Code(event.code), event.message))
    elif not receipts.answer_again(turn, event.sender, event.id):
        receipts.reject(turn, event.sender, event.id, event.code, event.message)


def _token_ended(turn: Turn, event: events.TokenEnded) -> None:
    """A token was revoked; the broker closes its connection. A guest is gone with it."""
    turn.user.passes.pop(event.device, None)
    device = turn.user.devices.get(event.device)
    if device is None:
        return
    if device.node == "guest":
        ownership.forget(turn, device, "token_expired")
        return
    device.spend(device.conn)
    device.conn = None
    presence.go_offline(turn, device, "token_expired")


def _forget_unseen(turn: Turn) -> None:
    """Devices unseen for 30 days, guests whose time is over, answers to devices that vanished."""
    for device_id in receipts.abandoned(turn.user, turn.now):
        turn.drop_receipts(device_id, tuple(turn.user.receipts.pop(device_id)))
    for device in tuple(turn.user.devices.values()):
        allowed = turn.user.passes.get(device.id)
        if device.node == "guest" and allowed is not None and allowed.ends_at <= turn.now:
            del turn.user.passes[device.id]
            ownership.forget(turn, device, "token_expired")
        elif not device.is_online and device.last_seen + limits.DEVICE_KEPT <= turn.now:
            ownership.forget(turn, device, "deleted")
