"""Requests, judged from outside: what may be forwarded, what may be answered, what may start by itself."""

from simulator.invariants import require
from simulator.moment import Moment
from simulator.store import MemoryStore
from soul_coordinator.core import events
from soul_coordinator.core.values import CLASSES
from soul_protocol import limits

Key = tuple[str, str]


class RequestRules:
    """What the contract says of commands, conflicts and receipts."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.issued: dict[Key, int] = {}
        self.gone: dict[Key, tuple[int, str]] = {}
        self.commanded: dict[str, int] = {}
        self.moved: dict[str, int] = {}

    def restarted(self) -> None:
        self.moved.clear()

    def removed(self, user: str) -> None:
        """A user is gone."""
        self.issued = {key: at for key, at in self.issued.items() if key[0] != user}
        self.gone = {key: one for key, one in self.gone.items() if key[0] != user}
        self.commanded.pop(user, None)
        self.moved.pop(user, None)

    def check(self, moment: Moment) -> None:
        self._begun(moment)
        self._forwarded(moment)
        self._applied(moment)
        self._by_itself(moment)
        for user, message in moment.published("playback_state"):
            if message["state"]["device_id"] is None:
                for key in [key for key in self.issued if key[0] == user]:
                    del self.issued[key]

    def _forwarded(self, moment: Moment) -> None:
        event = moment.event
        if not isinstance(event, events.CommandRequested) or moment.was.known:
            return
        user, sender = moment.user, moment.was.sender
        if user is None:
            return
        ahead = {name: at for name, at in user.issued.items() if at > moment.now}
        require(not ahead, f"{event} was issued in the future: {ahead}")
        for to, message in moment.executed("execute_command"):
            if message["id"] != event.id:
                continue
            assert sender is not None
            require(
                moment.now < message["expires_at"] <= moment.now + limits.COMMAND_LIFETIME_MAX, "lifetime"
            )
            require(user.devices[to.device].is_online, lambda: f"{event} went to a device that is offline")
            own = to.device == event.sender.device
            require(own or sender.controls, lambda: f"{event.sender} must not command another")
            require(message["epoch"] == user.playback.epoch, f"{message} names another epoch")
            self._newest(moment, event, to.device)
            kept = user.pending[event.sender.device, event.id].change
            if event.command["type"] == "set_shuffle" and kept is not None and not was_shuffled(moment):
                ordered = kept.order is not None or not (event.command["enabled"] and kept.queue)
                require(ordered, f"{event} lost the original order")
            expected = event.command.get("expect_position")
            if expected is not None and not moment.was.pending and moment.playback is not None:
                place = moment.playback.queue_position
                require(expected == place, f"{event} expected {expected}, and it was {place}")
        # Of an account that is gone nothing is kept; what it allowed counts until the coordinator is told.
        stands = user.id not in self.store.removed
        if stands and any(moment.executed("prepare_playback")) and event.sender.node == "guest":
            allowed = self.store.of(user.id).passes.get(event.sender.device)
            require(
                allowed is not None and "transfer" in allowed.scope,
                lambda: f"{event.sender} has no such scope",
            )

    def _newest(self, moment: Moment, event: events.CommandRequested, to: str) -> None:
        issued = moment.now if event.issued_at is None else min(event.issued_at, moment.now)
        age = moment.now - issued
        require(age <= limits.ISSUED_AT_MAX_AGE, lambda: f"{event} is {age} ms old")
        name = CLASSES.get(event.command["type"])
        if name is None:
            return
        key = event.sender.user, name if name != "volume" else f"volume of {to}"
        newest = self.issued.get(key, 0)
        require(issued >= newest, lambda: f"{event} came after one issued at {newest}")
        self.issued[key] = issued

    def _begun(self, moment: Moment) -> None:
        event = moment.event
        if not isinstance(event, events.CommandRequested | events.TransferRequested) or moment.was.known:
            return
        begun = any(moment.executed("prepare_playback"))
        if begun:
            last = self.moved.get(event.sender.user, -limits.SECOND)
            require(moment.now - last >= limits.SECOND, "two transfers in a second")
            self.moved[event.sender.user] = moment.now
        if any(moment.replied("command_result")):
            self.commanded[event.sender.user] = moment.now

    def _applied(self, moment: Moment) -> None:
        event = moment.event
        results = [message for _, message in moment.replied("command_result")]
        applied = {message["id"] for message in results if message["status"] == "applied"}
        if isinstance(event, events.CommandRequested):
            require(moment.was.known or event.id not in applied, lambda: f"{event} was applied by nobody")
        if isinstance(event, events.StateReported):
            require(applied <= set(event.applied), lambda: f"{applied} were not reported as applied")
            done = {*event.applied, *(request for request, _ in event.refused)}
            user, sender = moment.user, moment.was.sender
            there = sender is not None and sender.registered and sender.conn == event.conn
            was = moment.playback
            current = was is not None and (was.device_id, was.epoch) == (event.sender.device, event.epoch)
            if user is not None and there and (current or event.report is None):
                left = [one for one in user.pending.values() if one.id in done]
                left = [one for one in left if one.target == event.sender.device]
                require(not left, lambda: f"{left} were answered and wait still")

    def _by_itself(self, moment: Moment) -> None:
        for user, message in moment.published("device_offline"):
            self.gone[user, message["device_id"]] = moment.now, message["reason"]
        event, place = moment.event, moment.place
        if not isinstance(event, events.Registered) or place is None:
            return
        key = place.user, place.device
        for _, message in moment.executed("execute_command"):
            own = message["from_device"] == "coordinator" and message["command"]["type"] == "play"
            if not own or key not in self.gone or message["expires_at"] != moment.now + 5_000:
                continue
            at, reason = self.gone[key]
            require(reason != "disconnect", "music started by itself after a goodbye")
            away = moment.now - at
            require(away < limits.RESUME_PLAYING_WITHIN, f"music started by itself after {away} ms")
            since = self.commanded.get(place.user, 0)
            require(since <= at, "music started by itself though someone asked for something")
        if any(moment.replied("registered")):
            self.gone.pop(key, None)


def was_shuffled(moment: Moment) -> bool:
    """Whether the queue was, or may be by a command that waits."""
    return moment.playback is None or moment.playback.shuffle or moment.was.pending > 0
