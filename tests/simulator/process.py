"""The coordinator's process: the core, what it saved, and every rule that watches it.

As in `soul_coordinator.runner`: what has come is decided as one batch, then saved as one, then
told. While a batch is being saved the next one gathers. A kill comes before a batch, or after
it was saved and some of it told.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from simulator.invariants import BrokenError, require
from simulator.links import Time
from simulator.rules import Rules
from simulator.store import MemoryStore
from soul_coordinator.core import events
from soul_coordinator.core.coordinator import Coordinator
from soul_coordinator.core.effects import CloseConnection, Effect, Execute, Publish, Reply
from soul_coordinator.core.events import DeadlineReached

COMPARED_EVERY = 25
"""Batches between looks at whether the store knows what the core knows."""


@dataclass(frozen=True, slots=True)
class Kill:
    """A kill that waits for a save of the kind `saving` (empty: for any), and for `told` tells after it."""

    saving: str
    told: int
    down_ms: int


class Batch(NamedTuple):
    """What is to be saved at once, and what is to be told after that."""

    saves: list[Any]
    tells: list[Effect]


class Process:
    """`tell` carries what is told out of the house, `note` keeps what happened for the story."""

    def __init__(
        self, time: Time, *, tell: Callable[[Effect], None], note: Callable[[Any, Sequence[Effect]], None]
    ) -> None:
        self.time, self._tell, self._note = time, tell, note
        self.store = MemoryStore()
        self.rules = Rules(self.store)
        self.core: Coordinator | None = None
        self.handled = self.starts = self.kills = 0
        self.commit_ms = self.late_ms = 0
        """How long a commit takes, and how late a deadline is noticed."""
        self.armed: Kill | None = None
        self.unheard: set[str] = set()
        """Users whose removal the core was not told of yet."""
        self.on_start: Callable[[], None] = lambda: None
        self._inbox: deque[events.Event] = deque()
        self._saving: Batch | None = None
        self._batches = 0

    # Starts and kills

    def start(self) -> None:
        """Start from what was saved, and from nothing else."""
        if self.core is not None:
            return
        self.starts += 1
        now = self.time.now
        for user in self.unheard:
            self.rules.removed(user)
        self.unheard.clear()
        self.rules.killed(now)
        self.core = Coordinator(coordinator_id=f"c{self.starts}", users=self.store.load(), now=now)
        effects = self._guarded(lambda core: core.start(now=now))
        self._note("the coordinator starts", effects)
        self.rules.started(effects)
        self._commit(list(effects))
        self.on_start()

    def kill(self, down_ms: int) -> None:
        """Kill it at once; while it saves, right after that."""
        if self._saving is not None:
            self.armed = Kill("", 0, down_ms)
        elif self.core is not None:
            self._die(down_ms)

    def wake(self) -> None:
        """After a long time a commit is done, and a process that was down is there again."""
        while self._saving is not None:
            self._committed(self._saving)
        self.time.clear()
        self.start()

    def _die(self, down_ms: int) -> None:
        self._note("the coordinator is killed", ())
        self.kills += 1
        self.core, self.armed = None, None
        self._inbox.clear()
        self.time.after(down_ms, self.start)

    # Deciding

    @property
    def due(self) -> int | None:
        """When a deadline will be noticed."""
        if self.core is None or self._saving is not None:
            return None
        due = self.core.next_deadline()
        return None if due is None else due + self.late_ms

    def arrive(self, event: events.Event) -> None:
        """An event comes in; nobody hears what comes while the process is down."""
        if self.core is None:
            return
        self._inbox.append(event)
        if self._saving is None:
            self.decide()

    def decide(self) -> None:
        """Decide what has come and what is due, save that, then tell."""
        core = self.core
        if core is None:
            return
        effects: list[Effect] = []
        while self._inbox:
            effects += self._decided(core, self._inbox.popleft())
        due = core.next_deadline()
        if due is not None and due <= self.time.now:
            effects += self._decided(core, DeadlineReached())
            due = core.next_deadline()
            require(due is None or due > self.time.now, lambda: f"what was due at {due} is due still")
        self.rules.nobody_waits()
        self._commit(effects)

    def _decided(self, core: Coordinator, event: events.Event) -> Sequence[Effect]:
        self.rules.coming(core, event, self.time.now)
        effects = self._guarded(lambda core: core.handle(event, now=self.time.now))
        self.handled += 1
        self._note(event, effects)
        self.rules.decided(core, event, effects)
        if isinstance(event, events.UserRemoved):
            self.unheard.discard(event.user)
        return effects

    def _guarded(self, what: Callable[[Coordinator], Sequence[Effect]]) -> Sequence[Effect]:
        """What the core says; an exception out of it is a bug of its own, and breaks the first rule."""
        assert self.core is not None
        try:
            return what(self.core)
        except Exception as error:
            raise BrokenError(f"the core failed: {error!r}") from error

    # Saving and telling

    def _commit(self, effects: Sequence[Effect]) -> None:
        batch = Batch([], [])
        for effect in effects:
            told = isinstance(effect, Reply | Execute | Publish | CloseConnection)
            (batch.tells if told else batch.saves).append(effect)
        if batch.saves and self.commit_ms:
            self._saving = batch
            self.time.after(self.commit_ms, lambda: self._committed(batch))
        else:
            self._committed(batch)

    def _committed(self, batch: Batch) -> None:
        self._saving = None
        self.store.commit(batch.saves)
        armed, kinds = self.armed, {"", *(type(one).__name__ for one in batch.saves)}
        if armed is not None and batch.saves and armed.saving in kinds:
            for effect in batch.tells[: armed.told % (len(batch.tells) + 1)]:
                self._tell(effect)
            self._die(armed.down_ms)
            return
        for effect in batch.tells:
            self._tell(effect)
        if self._inbox:
            self.decide()
            return
        self._batches += 1
        if self._batches % COMPARED_EVERY == 0 and self.core is not None:
            self.rules.saved(self.core)
