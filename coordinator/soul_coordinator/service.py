"""The coordinator as a service: terms, one after the other.

A term is one connection to the broker and one core made from the store. When the broker goes
away, the store fails or the computer was asleep, another begins under a new coordinator id: clients
then register again and repeat what was not answered, so that nothing depends on what was
under way. While the store cannot save, every request is answered with `unavailable`.
"""

import asyncio
import random
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import structlog

from soul_coordinator.adapters.inbound import event_of
from soul_coordinator.adapters.outbound import Outgoing, close, outgoing, refuse, status
from soul_coordinator.adapters.sqlite import SqliteStore
from soul_coordinator.adapters.sqlite_changes import (
    AccountChange,
    GuestInvited,
    TokenRevoked,
    UserAdded,
    UserGone,
)
from soul_coordinator.adapters.sqlite_errors import StoreCorrupt, StoreError
from soul_coordinator.clock import Clock
from soul_coordinator.core import events, messages
from soul_coordinator.core.coordinator import Coordinator
from soul_coordinator.core.effects import Reply
from soul_coordinator.runner import Connect, Counters, Inbox, Link, LinkError, Runner
from soul_coordinator.writer import Writer
from soul_protocol import codec
from soul_protocol.errors import Code
from soul_protocol.roles import Role
from soul_protocol.topics import PREFIX, RETAINED, AllChannel, all_topic

ACCOUNTS_EVERY: Final = 0.4
"""Seconds between two looks for changed accounts; changes take effect within 1 s."""

SLEPT_MAX: Final = 5_000
"""ms that the computer may be asleep within a term; what is longer begins another one."""

UPKEEP_EVERY: Final = 60.0
RETRY_FIRST: Final = 0.1
RETRY_MAX: Final = 2.0
_FAREWELL: Final = 1.0
_LOOK_EVERY: Final = 0.1
_WHOEVER: Final = "-"

_log = structlog.get_logger("soul_coordinator")


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the coordinator works; `problem` is a sentence where it does not."""

    working: bool
    problem: str | None
    coordinator: str | None
    users: int


class CoordinatorService:
    """Runs terms until it is cancelled.

    Args:
        store: opened by the caller, who also closes it once `run` has ended.
        connect: makes the link to the broker for each term (`mqtt_links`, or the server's own).
        new_clock: makes the clock of each term.
    """

    def __init__(
        self, *, store: SqliteStore, connect: Connect, new_clock: Callable[[], Clock] = Clock
    ) -> None:
        self._store = store
        self._connect = connect
        self._new_clock = new_clock
        self._clock = new_clock()
        self._writer = Writer()
        self.counters = Counters()
        self._inbox = Inbox(self.counters)
        self._core: Coordinator | None = None
        self._problem: str | None = "starting"
        self.ready = asyncio.Event()
        codec.prepare()

    @property
    def health(self) -> Health:
        """How it is now."""
        core = self._core
        return Health(
            working=self._problem is None,
            problem=self._problem,
            coordinator=None if core is None else core.id,
            users=0 if core is None else len(core.users),
        )

    def metrics(self) -> str:
        """Counters in Prometheus' text format."""
        health, counters = self.health, self.counters
        facts = {
            "soul_coordinator_up": ("gauge", int(health.working)),
            "soul_coordinator_users": ("gauge", health.users),
            "soul_coordinator_events_total": ("counter", counters.events),
            "soul_coordinator_commits_total": ("counter", counters.commits),
            "soul_coordinator_messages_total": ("counter", counters.told),
            "soul_coordinator_dropped_total": ("counter", counters.dropped),
        }
        return "".join(f"# TYPE {name} {kind}\n{name} {value}\n" for name, (kind, value) in facts.items())

    async def run(self) -> None:
        """Serve until cancelled; the farewell then takes a second at most.

        Raises:
            StoreCorrupt: the database is damaged at the start: somebody has to restore a backup.
        """
        wait = RETRY_FIRST
        try:
            while True:
                try:
                    await self._term()
                    wait = RETRY_FIRST
                except LinkError as error:
                    if self._problem is None:
                        wait = RETRY_FIRST
                    self._problem = str(error)
                    _log.warning("coordinator interrupted", why=str(error), retry_in_s=wait)
                    # Jitter, so that coordinators that lost one broker do not return as one.
                    await asyncio.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311 (no secret)
                    wait = min(2 * wait, RETRY_MAX)
                finally:
                    self.ready.clear()
        finally:
            self._problem = "stopped"
            self._writer.shutdown()

    async def _term(self) -> None:
        """One term; it ends where the link is lost (raises), or once a store that failed works again."""
        self._clock = self._new_clock()
        identity, started_at = secrets.token_hex(8), self._clock.now()
        offline = status(identity, online=False, started_at=started_at)
        self._inbox.clear()
        async with self._connect(
            client_id=f"coordinator-{identity}", will=offline, deliver=self._inbox.deliver
        ) as link:
            runner = None
            try:
                seen = await self._writer.run(self._store.last_account_change)
                users = await self._writer.run(self._store.load)
                core = Coordinator(coordinator_id=identity, users=users, now=started_at)
                runner = Runner(
                    core=core,
                    inbox=self._inbox,
                    store=self._store,
                    link=link,
                    writer=self._writer,
                    clock=self._clock,
                    counters=self.counters,
                )
                await self._go_online(runner, link, core)
                await self._serve(runner, link, seen)
            except StoreError as error:
                if self._core is None and isinstance(error, StoreCorrupt):
                    raise
                self._problem = str(error)
                _log.error("the database fails; requests are refused until it works", why=str(error))
                await self._refuse_until_saved(link, () if runner is None else runner.undecided)
                _log.info("the database works again")
            finally:
                await _farewell(link, offline)

    async def _go_online(self, runner: Runner, link: Link, core: Coordinator) -> None:
        for user, jti, exp in await self._writer.run(self._store.revoked_tokens):
            link.publish(close(user or _WHOEVER, jti=jti, exp=exp, reason="revoked"))
        for name, device_hash, at in await self._writer.run(self._store.deleted_devices):
            link.publish(refuse(name, device_hash, at))
        await runner.start()
        await _clear_strangers(link, core)
        link.publish(status(core.id, online=True, started_at=core.started_at))
        await link.flush()
        self._core, self._problem = core, None
        self.ready.set()
        _log.info("coordinator online", coordinator=core.id, users=len(core.users))

    async def _serve(self, runner: Runner, link: Link, seen: int) -> None:
        """Decide, watch the accounts, and notice when the link is lost: whichever fails first."""
        tasks: list[asyncio.Future[None]] = [
            asyncio.create_task(runner.run(), name="runner"),
            asyncio.create_task(self._watch_accounts(link, seen), name="accounts"),
            link.lost,
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks[:2]:
                task.cancel()
            await asyncio.gather(*tasks[:2], return_exceptions=True)

    async def _watch_accounts(self, link: Link, seen: int) -> None:
        version: int | None = None  # what changed since `seen`, while the term began, is asked for first
        upkeep_at = self._clock.now()
        while True:
            await asyncio.sleep(ACCOUNTS_EVERY)
            if (slept := self._clock.slept()) > SLEPT_MAX:
                # Everybody was silent and nobody is gone: as after a start, they say so themselves.
                raise LinkError(f"this computer was asleep for {slept // 1_000} s")
            if self._store.log_is_long:
                # Not in the writer: commits go on meanwhile.
                await asyncio.to_thread(self._store.shorten_log)
                await self._writer.run(self._store.end_log)
            if self._clock.now() >= upkeep_at:
                await self._writer.run(self._store.purge, self._clock.now())
                upkeep_at = self._clock.now() + int(1_000 * UPKEEP_EVERY)
            newest = await self._writer.run(self._store.accounts_version)
            if newest == version:
                continue
            version = newest
            seen, changes = await self._writer.run(self._store.account_changes, seen)
            for change in changes:
                self._take_over(link, change)

    def _take_over(self, link: Link, change: AccountChange) -> None:
        """An account changed: tell the core, and the broker."""
        match change:
            case UserAdded():
                pass
            case UserGone(user, tokens, at):
                for jti, exp in tokens:
                    link.publish(close(user, jti=jti, exp=exp, reason="deleted"))
                self._inbox.post(events.UserRemoved(user, at))
            case TokenRevoked(user, role, device, jti, exp):
                link.publish(close(user, jti=jti, exp=exp, reason="revoked"))
                if device is not None and role in {Role.DEVICE, Role.GUEST}:
                    self._inbox.post(events.TokenEnded(user, device))
            case GuestInvited(user, guest):
                self._inbox.post(events.PassIssued(user, guest))

    async def _refuse_until_saved(self, link: Link, undecided: Sequence[events.Event]) -> None:
        """Answer what arrives with `unavailable` until the store works again."""
        for event in undecided:
            self._refuse(link, event)
        reviving = asyncio.create_task(self._revive_store(), name="store")
        try:
            while not reviving.done():
                if link.lost.done():
                    link.lost.result()
                await self._inbox.wait(_LOOK_EVERY)
                while (item := self._inbox.take()) is not None:
                    refused = event_of(*item, lambda: 0) if isinstance(item, tuple) else item
                    if refused is not None:
                        self._refuse(link, refused)
                await link.drain()
            reviving.result()
        finally:
            reviving.cancel()

    async def _revive_store(self) -> None:
        wait = RETRY_FIRST
        while True:
            await asyncio.sleep(wait)
            try:
                await self._writer.run(self._store.revive)
            except StoreError as error:
                self._problem = str(error)
                wait = min(2 * wait, RETRY_MAX)
            else:
                return

    def _refuse(self, link: Link, event: events.Event) -> None:
        now = self._clock.now()
        if isinstance(event, events.Pinged):
            link.publish(outgoing(Reply(event.sender, messages.pong(event.t0, now)), now=now))
            return
        sender, request = getattr(event, "sender", None), getattr(event, "id", None)
        farewell = isinstance(event, events.ConnectionLost | events.SaidGoodbye)
        if sender is None or farewell or isinstance(event, events.StateReported):
            return
        answer = messages.error(Code.UNAVAILABLE)
        if request is not None:
            answer = {"type": "command_result", "id": request, "status": "rejected"}
            answer |= {"code": str(Code.UNAVAILABLE), "message": "the server cannot save at the moment"}
        link.publish(outgoing(Reply(sender, answer), now=now))


async def _clear_strangers(link: Link, core: Coordinator) -> None:
    """Take away what is retained of users who were removed while no coordinator ran."""
    for topic in await link.retained(f"{PREFIX}/+/all/{AllChannel.DEVICES}"):
        user = topic.split("/")[-3]
        if user not in core.users:
            for channel in RETAINED:
                link.publish(Outgoing(all_topic(user, channel), b"", qos=1, retain=True))


async def _farewell(link: Link, offline: Outgoing) -> None:
    """Say that this coordinator is gone, while the link is there; DISCONNECT drops the will."""
    if not link.lost.done():
        link.publish(offline)
        with suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL):
                await link.flush()
