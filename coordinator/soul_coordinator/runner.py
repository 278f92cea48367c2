"""The single writer: events in, one after the other; saved, then told.

    inbox (bounded) --> core --> store (one commit a batch) --> link

A commit that takes no wait is made on the spot, any other in the writer thread: meanwhile the
next batch gathers, so that a busy server commits few large ones. If the store fails, nothing
of the batch was told; the runner ends with `StoreError`, and its owner starts a new one from
the store.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from soul_coordinator.adapters.inbound import event_of
from soul_coordinator.adapters.outbound import Outgoing, outgoing
from soul_coordinator.clock import Clock
from soul_coordinator.core.coordinator import Coordinator
from soul_coordinator.core.effects import CloseConnection, Effect, Execute, Publish, Reply, Save, Tell
from soul_coordinator.core.events import DeadlineReached, Event
from soul_coordinator.writer import Writer

INBOX_MAX: Final = 20_000
"""Messages waiting to be decided; beyond it the newest are dropped, and their senders repeat them."""

INBOX_BYTES: Final = 256 * 1024 * 1024
INBOX_BYTES_OF_USER: Final = INBOX_BYTES // 4
"""Likewise: a device may say 51 MB at once, and a few that flood leave room for everybody else."""

BATCH_MAX: Final = 256
"""Events decided before one commit."""

BATCH_BYTES: Final = 1024 * 1024
"""Of messages, likewise: 256 of the largest would hold up everybody in this process for a second."""

PLAN_AFTER: Final = 5
"""ms after an event, or the first of several, within which the core is asked what is due next.

Not at once: whoever was told something is to run first, on few cores in our place.
"""

_TELLS: Final = (Reply, Execute, Publish, CloseConnection)

_log = structlog.get_logger("soul_coordinator")


class Store(Protocol):
    """What the runner needs of a store."""

    def commit(self, saves: Sequence[Save]) -> None:
        """Save all or nothing; raises an error of the store's own."""

    def commit_at_once(self, saves: Sequence[Save]) -> bool:
        """Likewise where that takes no wait; False: nothing was saved, it is for `commit`."""


class LinkError(Exception):
    """The broker cannot be reached, refused the coordinator, or the connection ended."""


class Link(Protocol):
    """One connection to the broker."""

    lost: asyncio.Future[None]
    """Fails with `LinkError` when the connection has ended."""

    def publish(self, out: Outgoing) -> None:
        """Start a PUBLISH, in order."""

    async def retained(self, pattern: str) -> frozenset[str]:
        """The topics of a filter that hold a retained message; raises `LinkError`."""

    async def drain(self) -> None:
        """Wait while too many are under way."""

    async def flush(self) -> None:
        """Wait until the broker has all of them."""


class Connect(Protocol):
    """Makes a link: subscribed to all that devices say, once it is entered.

    Entering raises `LinkError` when the broker cannot be reached or refuses.
    """

    def __call__(
        self, *, client_id: str, will: Outgoing, deliver: Callable[[str, bytes], None]
    ) -> AbstractAsyncContextManager[Link]:
        """A link that is not entered yet."""


@dataclass(slots=True)
class Counters:
    """What the coordinator did, for /metrics."""

    events: int = 0
    commits: int = 0
    told: int = 0
    dropped: int = 0


class Inbox:
    """What waits to be decided: raw messages from the link, and events from elsewhere."""

    def __init__(self, counters: Counters) -> None:
        self._items: deque[tuple[str, bytes] | Event] = deque()
        self._bytes = 0
        self._bytes_of: dict[str, int] = {}
        """Of each user of whom something waits."""
        self._waiter: asyncio.Future[None] | None = None
        self._counters = counters

    def deliver(self, topic: str, payload: bytes) -> None:
        """A message from the broker."""
        user, size = _weighed(topic, payload)
        held = self._bytes_of.get(user, 0) + size
        if held > INBOX_BYTES_OF_USER or self._bytes + size > INBOX_BYTES or len(self._items) >= INBOX_MAX:
            self._drop()
        else:
            self._put((topic, payload))
            self._bytes += size
            self._bytes_of[user] = held

    def post(self, event: Event) -> None:
        """An event of our own making. These are few, and nobody would repeat one: there is always room."""
        self._put(event)

    def _put(self, item: tuple[str, bytes] | Event) -> None:
        self._items.append(item)
        self._wake()

    def _drop(self) -> None:
        self._counters.dropped += 1
        if self._counters.dropped % 1_000 == 1:
            _log.warning("inbox full, messages dropped", dropped=self._counters.dropped)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def clear(self) -> None:
        """Forget what came before a new start: its senders will repeat it."""
        self._items.clear()
        self._bytes_of.clear()
        self._bytes = 0

    async def wait(self, seconds: float | None) -> None:
        """Return when there is something, or after `seconds`. One waiter at a time."""
        if self._items:
            return
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = None if seconds is None else loop.call_later(seconds, self._wake)
        try:
            await self._waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()

    @property
    def waiting(self) -> int:
        """How many there are."""
        return len(self._items)

    def take(self) -> tuple[str, bytes] | Event | None:
        """The oldest item; None when empty."""
        if not self._items:
            return None
        item = self._items.popleft()
        if isinstance(item, tuple):
            user, size = _weighed(*item)
            self._bytes -= size
            self._bytes_of[user] -= size
            if not self._bytes_of[user]:
                del self._bytes_of[user]
        return item


def _weighed(topic: str, payload: bytes) -> tuple[str, int]:
    """Whose message it is, the U of `soul/v1/U/...` (nothing else is subscribed to), and its bytes."""
    return topic.split("/", 3)[2], len(topic) + len(payload)


class Runner:
    """Drives one core over one link. `run` ends only with an error or by being cancelled."""

    def __init__(
        self,
        *,
        core: Coordinator,
        inbox: Inbox,
        store: Store,
        link: Link,
        writer: Writer,
        clock: Clock,
        counters: Counters,
        entropy: Callable[[], int] = lambda: secrets.randbits(128),
    ) -> None:
        self._core = core
        self._inbox = inbox
        self._store = store
        self._link = link
        self._writer = writer
        self._clock = clock
        self._counters = counters
        self._entropy = entropy
        self.undecided: tuple[Event, ...] = ()
        """The events of the batch that the store failed to save: nobody was answered."""

    async def start(self) -> None:
        """Save and tell what the core has to say at its start."""
        await self._carry_out(self._core.start(now=self._clock.now()))

    async def run(self) -> None:
        """Decide until cancelled.

        Raises:
            StoreError: a batch could not be saved; nothing of it was told.
        """
        deadline, look_at = self._core.next_deadline(), None
        while True:
            now = self._clock.now()
            if look_at is not None and look_at <= now:
                deadline, look_at = self._core.next_deadline(), None
            moments = [moment for moment in (deadline, look_at) if moment is not None]
            await self._inbox.wait(max(0.0, (min(moments) - now) / 1_000) if moments else None)
            effects, batch = self._decide()
            now = self._clock.now()
            look_at = now + PLAN_AFTER if look_at is None else look_at
            if deadline is not None and deadline <= now:
                effects.extend(self._core.handle(DeadlineReached(), now=now))
                look_at = now
            if effects:
                await self._carry_out(effects, batch)
            if self._inbox.waiting:
                await asyncio.sleep(0)  # whoever floods us leaves a turn to everybody else

    def _decide(self) -> tuple[list[Effect], list[Event]]:
        effects: list[Effect] = []
        batch: list[Event] = []
        left = BATCH_BYTES
        for _ in range(BATCH_MAX):
            item = self._inbox.take() if left > 0 else None
            if item is None:
                break
            if isinstance(item, tuple):
                left -= len(item[1])
            event = event_of(*item, self._entropy) if isinstance(item, tuple) else item
            if event is not None:
                batch.append(event)
                effects.extend(self._core.handle(event, now=self._clock.now()))
        self._counters.events += len(batch)
        return effects, batch

    async def _carry_out(self, effects: Sequence[Effect], batch: Sequence[Event] = ()) -> None:
        saves: list[Save] = []
        tells: list[Tell] = []
        for effect in effects:
            if isinstance(effect, _TELLS):
                tells.append(effect)
            else:
                saves.append(effect)
        if saves:
            try:
                if not (self._writer.idle and self._store.commit_at_once(saves)):
                    await self._writer.run(self._store.commit, saves)
            except Exception:
                # Whatever failed, it is raised to the service, which logs it, and decides again on these.
                # Not where we were cancelled meanwhile: then it may have been saved.
                self.undecided = tuple(batch)
                raise
            self._counters.commits += 1
        now = self._clock.now()
        for tell in tells:
            self._link.publish(outgoing(tell, now=now))
        self._counters.told += len(tells)
        await self._link.drain()
