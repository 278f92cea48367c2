"""Presence and limits, judged from outside: who may be current, who may be offline, how much is let in."""

from collections import defaultdict, deque

from simulator.invariants import require
from simulator.moment import Moment
from soul_coordinator.core import events
from soul_coordinator.core.coordinator import Coordinator
from soul_coordinator.core.effects import ForgetDevice
from soul_coordinator.core.rates import REQUEST_CHANNELS
from soul_protocol import limits

Key = tuple[str, str]

CHANNELS: dict[type, str] = {
    events.DevicesQueried: "query",
    events.StateQueried: "query",
    events.CommandRequested: "command",
    events.TransferRequested: "transfer",
    events.PlaybackClaimed: "transfer",
    events.RenameRequested: "manage",
    events.DeletionRequested: "manage",
    events.Registered: "register",
    events.Pinged: "ping",
}


class Allowance:
    """At most `count` + `count` t / minute in any t."""

    def __init__(self, count: int, now: int) -> None:
        self.count, self.left, self.at = count, count * limits.MINUTE, now

    def take(self, now: int) -> bool:
        self.left = min(self.count * limits.MINUTE, self.left + (now - self.at) * self.count)
        self.at = now
        self.left -= limits.MINUTE
        return self.left >= 0


class PresenceRules:
    """What the contract says of arrival, presence and limits."""

    def __init__(self) -> None:
        self.started = 0
        self.current: dict[Key, str] = {}
        self.spent: defaultdict[Key, deque[str]] = defaultdict(lambda: deque(maxlen=12))
        self.lost: dict[Key, int] = {}
        self.since_start: set[Key] = set()
        self.allowed: dict[tuple[str, str, bool], Allowance] = {}
        self.told_limited: dict[Key, int] = {}

    def restarted(self, now: int, saved: set[Key]) -> None:
        """The process is gone, and with it whoever was not saved: command lines."""
        self.started = now
        for key in {*self.current, *self.spent} - saved:
            self._forget(key)
        self.since_start.clear()
        self.allowed.clear()
        self.told_limited.clear()

    def removed(self, user: str) -> None:
        """A user is gone."""
        for key in [one for one in {*self.current, *self.spent, *self.lost} if one[0] == user]:
            self._forget(key)

    def check(self, moment: Moment) -> None:
        self._limits(moment)
        self._farewells(moment)
        self._offline(moment)
        self._registered(moment)
        self._unregistered(moment)
        for one in moment.effects:
            if isinstance(one, ForgetDevice):
                self._forget((one.user, one.device))
        place, user = moment.place, moment.user
        if place is not None and user is not None and place.device not in user.devices:
            self._forget((place.user, place.device))

    def _forget(self, key: Key) -> None:
        for kept in (self.current, self.spent, self.lost):
            kept.pop(key, None)
        for more in (True, False):
            self.allowed.pop((*key, more), None)

    def _farewells(self, moment: Moment) -> None:
        event = moment.event
        if isinstance(event, events.ConnectionLost | events.SaidGoodbye) and moment.was.sender is not None:
            key = event.sender.user, event.sender.device
            if self.current.get(key) == event.conn:
                self.spent[key].append(event.conn)
                self.lost[key] = moment.now
                del self.current[key]

    def _registered(self, moment: Moment) -> None:
        event = moment.event
        if not isinstance(event, events.Registered) or not any(moment.replied("registered")):
            return
        key = event.sender.user, event.sender.device
        require(event.conn not in self.spent[key], lambda: f"{event.conn} became current again on {key}")
        old = self.current.get(key)
        if old is not None and old != event.conn:
            self.spent[key].append(old)
        self.current[key] = event.conn
        self.since_start.add(key)
        self.lost.pop(key, None)
        user = moment.core.users[key[0]]
        for _, message in moment.replied("registered"):
            foreign = message["should_resume"] and user.playback.device_id != key[1]
            require(not foreign, lambda: f"{key} is to load what another plays")
        before = moment.was.sender
        if before is None or not before.registered or before.conn != event.conn:
            sent = {message["id"] for _, message in moment.executed("execute_command")}
            for pending in user.pending.values():
                require(pending.target != key[1] or pending.id in sent, f"{pending} was not sent again")

    def _offline(self, moment: Moment) -> None:
        for user, message in moment.published("device_offline"):
            key, reason, event = (user, message["device_id"]), message["reason"], moment.event
            if reason == "disconnect":
                require(isinstance(event, events.SaidGoodbye), f"{key} said no goodbye")
            elif reason == "connection_lost":
                lost = self.lost.get(key)
                shown = lost is not None and moment.now - lost >= limits.LOSS_GRACE
                unseen = key not in self.since_start and moment.now - self.started >= limits.RESTART_GRACE
                require(shown or unseen, f"{key} was not lost")
            elif reason == "timeout":
                # Who is not here any more was unseen for so long that it was forgotten at once.
                device = moment.core.users[user].devices.get(key[1])
                heard = moment.now - limits.SILENCE if device is None else device.heard_at
                require(moment.now - heard >= limits.SILENCE, f"{key} was heard at {heard}")

    def _unregistered(self, moment: Moment) -> None:
        event, sender = moment.event, moment.was.sender
        talks = events.CommandRequested | events.TransferRequested | events.PlaybackClaimed
        if isinstance(event, talks | events.StateReported) and (sender is None or not sender.registered):
            user = moment.user
            changed = (
                user is not None and moment.playback is not None and user.playback is not moment.playback
            )
            require(not changed, lambda: f"an unregistered device changed the state: {event}")
            require(
                not any(moment.executed("execute_command")),
                lambda: f"an unregistered device commanded: {event}",
            )

    def _limits(self, moment: Moment) -> None:
        channel, place = CHANNELS.get(type(moment.event)), moment.place
        if channel is None or place is None:
            return
        codes = [message["code"] for _, message in moment.replied("error")]
        key = place.user, place.device
        if "rate_limited" in codes:
            last = self.told_limited.get(key, -limits.RATE_REPLY_EVERY)
            require(
                moment.now - last >= limits.RATE_REPLY_EVERY, lambda: f"rate_limited twice a second to {key}"
            )
            self.told_limited[key] = moment.now
        elif moment.effects and "not_registered" not in codes:
            more = channel in REQUEST_CHANNELS
            count = limits.REQUESTS_PER_MINUTE if more else limits.OTHER_PER_MINUTE
            allowed = self.allowed.setdefault((*key, more), Allowance(count, moment.now))
            require(allowed.take(moment.now), lambda: f"over the limit of {channel}: {moment.event}")

    def still(self, core: Coordinator, now: int) -> None:
        """What must hold of the devices at any time."""
        for user in core.users.values():
            names = [one.name.casefold() for one in user.listed]
            require(len(names) == len(set(names)), f"names twice: {names}")
            places = sum(one.node == "device" for one in user.listed)
            require(places <= limits.DEVICES_PER_USER, f"{places} devices of {user.id}")
            require(
                len(names) - places <= limits.GUESTS_PER_USER, f"{len(names) - places} guests of {user.id}"
            )
            for device in user.devices.values():
                known = device.registered or device.grace_until or device.restart_until
                require(not device.is_online or bool(known), f"{device.id} is online without being there")
                silent = device.registered and now - device.heard_at > limits.SILENCE + limits.SECOND
                require(not silent, f"{device.id} is silent since {device.heard_at}")
                unseen = not device.is_online and now - device.last_seen > limits.DEVICE_KEPT + limits.SECOND
                require(not unseen, f"{device.id} is unseen since {device.last_seen}")
            self._purged(user.id, core, now)

    def _purged(self, name: str, core: Coordinator, now: int) -> None:
        user = core.users[name]
        playback, active = user.playback, user.active
        old = now - playback.updated_at > limits.RESUME_WITHIN + limits.SECOND
        if old and (active is None or not active.is_online):
            kept = playback.queue or playback.track_id or playback.device_id
            require(not kept, lambda: f"the state of {name} is kept since {playback.updated_at}")
