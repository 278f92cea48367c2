"""What must hold after every event, whatever the links and clocks did."""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import replace

from simulator.store import MemoryStore
from soul_coordinator.core import events
from soul_coordinator.core.coordinator import Coordinator
from soul_coordinator.core.effects import CloseConnection, Effect, Execute, Publish, Reply
from soul_coordinator.core.records import UserRecord
from soul_coordinator.core.user import User
from soul_coordinator.core.values import Address, Message, Playback
from soul_protocol import limits

REQUESTS = (
    events.CommandRequested,
    events.TransferRequested,
    events.PlaybackClaimed,
    events.RenameRequested,
    events.DeletionRequested,
)
PATIENCE = limits.COMMAND_LIFETIME_MAX + limits.TRANSFER_RESTART
"""No request waits longer than this for its final result."""


class BrokenError(AssertionError):
    """An invariant does not hold."""


def require(holds: bool, what: str | Callable[[], str]) -> None:
    """Break the rule that asks this. Long words are put together only then."""
    if not holds:
        raise BrokenError(what if isinstance(what, str) else what())


class Invariants:
    """Watches a core: its events, its effects, and its users after each."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.now = 0
        self.sequences: dict[str, int] = {}
        self.renderers: dict[tuple[str, int], str] = {}
        self.sounding: dict[tuple[str, int], str] = {}
        self.finals: dict[tuple[str, str], tuple[str, str | None, int]] = {}
        self.open: dict[tuple[str, str], int] = {}
        self.devices_of: dict[str, set[str]] = {}
        self._due: list[tuple[int, tuple[str, str]]] = []

    # Before and after one event

    def before(self, core: Coordinator, event: events.Event) -> tuple[User | None, Playback | None, bool]:
        sender: Address | None = getattr(event, "sender", None)
        user = core.users.get(sender.user) if sender is not None else None
        known = False
        if user is not None and sender is not None and isinstance(event, REQUESTS):
            receipt = user.receipts.get(sender.device, {}).get(event.id)
            known = receipt is not None and self.now - receipt.at <= limits.REMEMBERED_FOR
        return user, None if user is None else user.playback, known

    def after(
        self,
        event: events.Event | None,
        effects: Sequence[Effect],
        was: tuple[User | None, Playback | None, bool],
    ) -> None:
        user, playback, known = was
        told = False
        for effect in effects:
            match effect:
                case Reply(to, message):
                    told, whose = True, to.user
                    if message["type"] == "command_result":
                        self._answered(to, message)
                        if message.get("code") == "transfer_failed" and user is not None:
                            self._untouched(event, user, playback)
                case Execute(to, message):
                    told, whose = True, to.user
                    self._one_renderer(to, message)
                case Publish(whose, channel, message):
                    told = True
                    if channel == "state" and message is not None:
                        self._in_order(whose, message["state"], starting=event is None)
                case CloseConnection(whose):
                    told = True
                case _:
                    whose = effect.user
                    require(event is None or isinstance(event, events.DeadlineReached) or not told,
                            f"{effect} is saved after something was told")  # fmt: skip
            require(user is None or whose == user.id, f"{effect} crosses users")
        if known and user is not None:
            require(user.playback is playback, "a repeated request changed the state")
            again = [one for one in effects if isinstance(one, Execute)]
            again = [one for one in again if one.message.get("command", {}).get("type") != "set_window"]
            require(not again, lambda: f"a repeated request was carried out again: {again}")

    # The rules

    def _in_order(self, user: str, state: Message, *, starting: bool) -> None:
        last, sequence = self.sequences.get(user, 0), state["sequence"]
        saved = self.store.of(user).playback.sequence
        if starting:
            require(sequence == saved and sequence >= last, lambda: f"started at {sequence}, {last} was told")
        else:
            require(sequence == last + 1, lambda: f"sequence {sequence} after {last}")
        self.sequences[user] = sequence
        owner = state["device_id"]
        if owner is not None:
            self._renders(user, state["epoch"], owner)

    def _renders(self, user: str, epoch: int, device: str) -> None:
        owner = self.renderers.setdefault((user, epoch), device)
        require(owner == device, lambda: f"epoch {epoch} of {user} has two renderers: {owner}, {device}")

    def _one_renderer(self, to: Address, message: Message) -> None:
        if message["type"] == "start_playback":
            self._renders(to.user, message["epoch"], to.device)

    def sounds(self, user: str, epoch: int, device: str) -> None:
        """A device plays in an epoch."""
        owner = self.sounding.setdefault((user, epoch), device)
        require(owner == device, lambda: f"two devices play in epoch {epoch} of {user}: {owner}, {device}")

    def _answered(self, to: Address, message: Message) -> None:
        key = to.device, message["id"]
        self.devices_of.setdefault(to.user, set()).add(to.device)
        final = self.finals.get(key)
        if final is not None and self.now - final[2] > limits.REMEMBERED_FOR:
            final = None
        answer = message["status"], message.get("code")
        if message["status"] == "accepted":
            require(final is None, lambda: f"{key} was {final} and is accepted now")
            if key not in self.open:
                self.open[key] = self.now
                heapq.heappush(self._due, (self.now + PATIENCE, key))
            return
        require(final is None or final[:2] == answer, lambda: f"{key} was {final} and is {answer} now")
        if final is None:
            self.finals[key] = (*answer, self.now)
        self.open.pop(key, None)

    def asleep(self, ms: int) -> None:
        """The machine stood still: nobody can be answered meanwhile."""
        self.open = {key: since + ms for key, since in self.open.items()}

    def nobody_waits(self) -> None:
        """Every request got its final result in time. To be asked once all that is due was done."""
        while self._due and self._due[0][0] < self.now:
            _, key = heapq.heappop(self._due)
            since = self.open.get(key)
            if since is not None:
                require(since + PATIENCE >= self.now, f"{key} has no final result since {since}")
                heapq.heappush(self._due, (since + PATIENCE, key))

    def _untouched(self, event: events.Event | None, user: User, before: Playback | None) -> None:
        """A transfer that failed before its commit leaves the source as it was."""
        failed_early = self.store.of(user.id).record.transfer is None and isinstance(
            event, events.TransferAnswered
        )
        if failed_early and user.playback.paused_reason != "playback_failed":
            require(user.playback is before, "a transfer that failed touched its source")

    # Restart

    def saved(self, core: Coordinator) -> None:
        """What a restart would load is what the core knows."""
        for record in self.store.load():
            user = core.users.get(record.id)
            if user is not None:
                self._saved_user(user, record)

    def _saved_user(self, user: User, record: UserRecord) -> None:
        live, kept = user.playback, record.playback
        if live.is_playing:
            kept = replace(kept, position_ms=live.position_ms, position_at=live.position_at)
        require(live == kept, lambda: f"state: {live} is saved as {kept}")
        again = User.restored(record, restart_until=self.now)
        devices = {one.id: replace(one.record(), last_seen=0) for one in user.listed}
        rows = {one.id: replace(one.record(), last_seen=0) for one in again.devices.values()}
        require(devices == rows, lambda: f"devices: {devices} are saved as {rows}")
        numbers = {one.number: one for one in user.pending.values()}
        require(numbers == {one.number: one for one in record.pending}, "pending commands")
        require(user.issued == again.issued and user.loss == again.loss, "context")
        committed = None if user.handover is None else user.handover.starting
        require((committed and committed.id) == (record.transfer and record.transfer.id), "transfer")
        receipts = {
            (one, key): kept for one, answers in again.receipts.items() for key, kept in answers.items()
        }
        known = {key: user.receipts.get(key[0], {}).get(key[1]) for key in receipts}
        require(known == receipts, lambda: f"receipts {known} are saved as {receipts}")

    def restarted(self) -> None:
        """The process is gone: what waited for an uncommitted transfer waits no more."""
        for user in self.store.users.values():
            record = user.record.transfer
            waiting = set(user.pending)
            if record is not None and record.requester is not None and record.request is not None:
                waiting.add((record.requester.device, record.request))
            for key, receipt in user.receipts.items():
                require(receipt.status != "accepted" or key in waiting, f"{receipt} has no end")
        # A final result that was saved and not told is told when the id comes again.
        rows = {key: one for user in self.store.users.values() for key, one in user.receipts.items()}
        waits = {key for key, one in rows.items() if one.status == "accepted"}
        waits |= {
            key for user in self.store.users.values() for key, one in user.pending.items() if not one.own
        }
        # Whoever waits for a transfer waits from the start: it is sent again for 15 s.
        self.open = {key: max(since, self.now) for key, since in self.open.items() if key in waits}
        self.forget_old()

    def removed(self, user: str) -> None:
        """A user is gone; one of the same name begins anew."""
        self.sequences.pop(user, None)
        self.renderers = {key: one for key, one in self.renderers.items() if key[0] != user}
        self.sounding = {key: one for key, one in self.sounding.items() if key[0] != user}
        # Devices of different users have different ids here: the answers go with the devices.
        for device in self.devices_of.pop(user, ()):
            self.forgotten(device)

    def forgotten(self, device: str) -> None:
        """A device is deleted, and its requests with it."""
        self.open = {key: since for key, since in self.open.items() if key[0] != device}
        self.finals = {key: one for key, one in self.finals.items() if key[0] != device}

    def forget_old(self) -> None:
        horizon = self.now - limits.REMEMBERED_FOR
        self.finals = {key: one for key, one in self.finals.items() if one[2] >= horizon}
