"""Every rule at once: what the simulator, and the state machine of the core's tests, hold a core to."""

from collections.abc import Sequence

from simulator.invariants import Invariants
from simulator.moment import Moment, before
from simulator.playback_rules import PlaybackRules
from simulator.presence_rules import PresenceRules
from simulator.request_rules import RequestRules
from simulator.store import MemoryStore
from soul_coordinator.core import events
from soul_coordinator.core.coordinator import Coordinator
from soul_coordinator.core.effects import Effect, ForgetDevice
from soul_coordinator.core.values import Instant


class Rules:
    """Watches a core and its store: each start, each event with its effects, and now and then all it knows.

    Raises `BrokenError` where a rule does not hold.
    """

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self._watch = Invariants(store)
        self._presence, self._requests = PresenceRules(), RequestRules(store)
        self._playback = PlaybackRules()

    # Starts

    def killed(self, now: Instant) -> None:
        """The process is gone, and a new one is about to load what was saved."""
        self._watch.now = now
        self._watch.restarted()
        saved = {(user, device) for user, rows in self.store.users.items() for device in rows.devices}
        self._presence.restarted(now, saved)
        self._requests.restarted()
        self._playback.restarted()

    def started(self, effects: Sequence[Effect]) -> None:
        """What a core says at its start."""
        self._watch.after(None, effects, (None, None, False))

    # Events

    def coming(self, core: Coordinator, event: events.Event, now: Instant) -> None:
        """An event is about to be decided."""
        self._watch.now = now
        self._was, self._known = self._watch.before(core, event), before(core, event, now)

    def decided(self, core: Coordinator, event: events.Event, effects: Sequence[Effect]) -> None:
        """It was decided; nothing of it is saved yet."""
        self._watch.after(event, effects, self._was)
        if isinstance(event, events.UserRemoved):
            self.removed(event.user)
            return
        moment = Moment(core, self._watch.now, event, self._known, effects)
        self._presence.check(moment)
        self._requests.check(moment)
        self._playback.check(moment)
        for effect in effects:
            if isinstance(effect, ForgetDevice):
                self._watch.forgotten(effect.device)

    def removed(self, user: str) -> None:
        """A user is gone, and all that was watched of it; one of that name may come again."""
        for rules in (self._watch, self._presence, self._requests, self._playback):
            rules.removed(user)

    # All of it

    def nobody_waits(self) -> None:
        """No request waits too long, once all that is due was done."""
        self._watch.nobody_waits()

    def saved(self, core: Coordinator) -> None:
        """The store knows what the core knows, and the core nothing that must not be."""
        self._watch.saved(core)
        self._presence.still(core, self._watch.now)

    # What only the world knows

    def sounds(self, user: str, epoch: int, device: str) -> None:
        """A device plays in an epoch."""
        self._watch.sounds(user, epoch, device)

    def asleep(self, ms: int) -> None:
        """The machine stood still."""
        self._watch.asleep(ms)

    def forget_old(self) -> None:
        """Nobody asks again for what was answered long ago."""
        self._watch.forget_old()
