"""A session kept alive: connects it, reconnects it, runs its timers, and hands out what it tells.

One task for each of: the connections, one after the other; the timers. Within a connection:
reading, and each publish that waits for its acknowledgement. The session itself is only
ever touched from the event loop, never across an await.
"""

import asyncio
import contextlib
import logging
import secrets
import ssl
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any

from soul_connect.actions import Action, Answer, Arrived, Probe, Publish
from soul_connect.address import Address
from soul_connect.errors import LinkError, NotConnectedError, UnreachableError
from soul_connect.link import (
    GOODBYE_WITHIN,
    Dial,
    Incoming,
    Link,
    LinkLost,
    LinkRefused,
    LinkUntrusted,
    dial_as,
    meaning,
)
from soul_connect.reconnect import AskToken, GiveUp, Reconnect, Wait
from soul_connect.requests import Wish
from soul_connect.session import Session
from soul_connect.told import Told
from soul_connect.wiring import Wiring

TokenSource = Callable[[], Awaitable[str | None]]
"""Gives another token, or None where there is none."""

_log = logging.getLogger("soul_connect")


class _Leaving(Exception):  # noqa: N818 (a signal)
    """The program disconnects."""


class Lifeline:
    """The part of a client that lives in time."""

    def __init__(
        self,
        session: Session,
        *,
        address: Address,
        tls: ssl.SSLContext | None,
        token: str,
        new_token: TokenSource | None,
        wiring: Wiring,
    ) -> None:
        self.told = Told(session.identity.device_id)
        self._session = session
        self._address = address
        self._tls = tls
        self._token = token
        self._new_token = new_token
        self._wiring = wiring
        self._reconnect = Reconnect(rng=wiring.rng, can_ask=new_token is not None)
        self._link: Link | None = None
        self._outbox: asyncio.Queue[Coroutine[Any, Any, None]] = asyncio.Queue()
        """What is on its way, for somebody to wait for its acknowledgement."""
        self._main: asyncio.Task[None] | None = None
        self._impatient = False
        self._leaving: str | None = None
        self._left = asyncio.Event()
        self._stirred = asyncio.Event()
        self._armed: float | None = None
        self._hurried = asyncio.Event()
        self._opening: asyncio.Timeout | None = None
        self._last_error: LinkError | None = None

    def now(self) -> float:
        """The local clock, in ms."""
        return self._wiring.clock() * 1_000

    # For the program

    async def start(self, patience: float | None) -> None:
        """Begin, and wait until registered, for `patience` seconds or for ever.

        Raises:
            UnreachableError: not in time.
            LinkError: what keeps this client from it, as soon as that is known.
        """
        if self._main is None or self._main.done():
            self._leaving = self._last_error = None
            self._left.clear()
            self.told.begin()
            self._main = asyncio.create_task(self._run(), name="soul-connect")
        self._impatient = patience is not None
        try:
            async with asyncio.timeout(patience):
                await self.told.first_arrival()
        except TimeoutError:
            raise UnreachableError(f"the server did not answer within {patience:g} s") from self._last_error

    async def stop(self, reason: str) -> None:
        """Say goodbye and end."""
        main = self._main
        if main is None:
            return
        self._leaving = reason
        self._left.set()
        if self._link is None:  # on the way to a connection: nobody to say goodbye to
            main.cancel()
        await asyncio.wait({main}, timeout=3 * GOODBYE_WITHIN)
        main.cancel()
        await asyncio.wait({main})
        if not main.cancelled() and (bug := main.exception()) is not None:
            raise bug

    async def wait_closed(self) -> None:
        """Return when it has ended; raise why, if it ended by itself."""
        if self._main is not None:
            await asyncio.wait({self._main})
            if not self._main.cancelled():
                self._main.result()
        if self.told.fatal is not None:
            raise self.told.fatal

    def hurry(self) -> None:
        """Connect now instead of later; an attempt that hangs is given up for that."""
        self._hurried.set()
        opening = self._opening
        if opening is not None and not opening.expired() and self._reconnect.hangs(self.now()):
            opening.reschedule(asyncio.get_running_loop().time())

    async def ask(self, id: str, wish: Wish, *, lifetime_ms: int, accepted_will_do: bool) -> Answer:  # noqa: A002
        """Make a request and wait for its end."""
        if self._main is None or self._main.done() or self._leaving is not None:
            raise self.told.fatal or NotConnectedError("not connected")
        actions = self._session.request(id, wish, now=self.now(), lifetime_ms=lifetime_ms)
        future = self.told.expect(id, accepted_will_do=accepted_will_do)
        try:
            self.apply(actions)
            return await future
        except asyncio.CancelledError:
            self.apply(self._session.cancel(id))
            raise
        finally:
            self.told.forget(id)

    def apply(self, actions: Iterable[Action]) -> None:
        """Do what the session wants done, and let the timers look at the clock again."""
        for action in actions:
            self._do(action)
        due = self._session.next_deadline()
        if due is not None and (self._armed is None or due < self._armed):
            self._stirred.set()

    def _do(self, action: Action) -> None:
        link = self._link
        if isinstance(action, Publish) and link is not None:
            # On its way now: a task of its own would only make it wait.
            self._outbox.put_nowait(link.publish(action.topic, action.payload, action.qos))
        elif isinstance(action, Probe) and link is not None:
            self._outbox.put_nowait(link.probe(action.within_ms / 1_000))
        elif isinstance(action, Arrived):
            self._reconnect.online(self.now())
        self.told.hear(action)

    # The tasks

    async def _run(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                timers = tasks.create_task(self._timers(), name="soul-connect timers")
                await self._connections()
                timers.cancel()
        finally:
            self.apply(self._session.end())
            self.told.is_hindered(self.told.fatal or NotConnectedError("the client ended"))
            self.told.end(self.told.fatal)

    async def _timers(self) -> None:
        while True:
            self._stirred.clear()
            self._armed = self._session.next_deadline()
            wait = None if self._armed is None else max(0.0, self._armed - self.now()) / 1_000
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._stirred.wait()
            for action in self._session.wake(now=self.now()):
                self._do(action)

    async def _connections(self) -> None:
        while self._leaving is None and self.told.fatal is None:
            step: Wait | AskToken | GiveUp
            try:
                await self._connection()
                return
            except LinkLost as lost:
                self._note(lost)
                refused = isinstance(lost, LinkRefused)
                step = self._reconnect.refused() if refused else self._reconnect.lost(self.now())
            if self.told.fatal is None:
                await self._follow(step)

    async def _connection(self) -> None:
        """One connection, from CONNECT to its end; returns only when the program leaves.

        Raises:
            LinkLost: it could not be made, or is gone.
        """
        conn, who = secrets.token_hex(8), self._session.identity
        dial = dial_as(
            who,
            address=self._address,
            token=self._token,
            tls=self._tls,
            will=self._session.will(conn),
            patience=self._reconnect.begin(self.now()),
        )
        connected, by_peer = False, False
        try:
            async with contextlib.AsyncExitStack() as stack:
                link = await self._open(dial, stack)
                connected = True
                self._reconnect.opened(self.now())
                self._hurried.clear()
                await self._serve(link, conn)
        except LinkLost as lost:
            by_peer = lost.by_peer
            raise
        finally:
            self._link = None
            while not self._outbox.empty():
                self._outbox.get_nowait().close()
            if not connected:
                self.apply(self._session.failed())
            else:
                self.apply(self._session.disconnected(now=self.now(), by_peer=by_peer))
                if who.watches_only:
                    self.told.online.set(False)

    async def _open(self, dial: Dial, stack: contextlib.AsyncExitStack) -> Link:
        """Enter `open_link`, in twice the time of a step: not even a name is looked up for longer."""
        try:
            async with asyncio.timeout(2 * dial.patience) as self._opening:
                return await stack.enter_async_context(self._wiring.open_link(dial))
        except TimeoutError:
            raise LinkLost("no connection in time") from None
        finally:
            self._opening = None

    async def _serve(self, link: Link, conn: str) -> None:
        goodbye: Publish | None = None
        self._link, self._outbox = link, asyncio.Queue()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._send(tasks), name="soul-connect sender")
                tasks.create_task(self._leave(), name="soul-connect leaving")
                self.apply(self._session.connected(conn, now=self.now()))
                if self._session.identity.watches_only:
                    self.told.is_online()
                await link.listen(self._hear)
        except* LinkLost as group:
            ends = [end for end in _leaves(group) if isinstance(end, LinkLost)]
            raise LinkLost(str(ends[0]), by_peer=any(end.by_peer for end in ends)) from None
        except* _Leaving:
            goodbye = self._session.goodbye(self._leaving or "quit")
        if goodbye is not None:
            with contextlib.suppress(LinkLost):
                await link.publish(goodbye.topic, goodbye.payload, goodbye.qos, within=GOODBYE_WITHIN)

    def _hear(self, message: Incoming) -> None:
        topic, payload = message.topic, message.payload
        self.apply(self._session.received(topic, payload, now=self.now(), retained=message.retained))

    async def _send(self, tasks: asyncio.TaskGroup) -> None:
        """Start each in order; each waits for its acknowledgement by itself."""
        outbox = self._outbox
        while True:
            tasks.create_task(await outbox.get(), name="soul-connect publish")
            outbox.task_done()

    async def _leave(self) -> None:
        await self._left.wait()
        # What was said before the goodbye is on its way before the goodbye.
        await self._outbox.join()
        await asyncio.sleep(0)
        raise _Leaving

    def _note(self, lost: LinkLost) -> None:
        _log.info("connection: %s", lost)
        self._last_error = meaning(lost)
        if isinstance(lost, LinkUntrusted) and self._impatient:
            self.told.is_hindered(self._last_error)

    async def _follow(self, step: Wait | AskToken | GiveUp) -> None:
        """Wait, or get another token, or end."""
        while True:
            if isinstance(step, GiveUp):
                self.told.fatal = self._last_error  # the refusal
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(step.ms / 1_000):
                    await self._hurried.wait()
            self._hurried.clear()
            if isinstance(step, Wait):
                return
            step = await self._ask_token()

    async def _ask_token(self) -> Wait | AskToken | GiveUp:
        if self._new_token is None:
            return GiveUp()
        try:
            token = await self._new_token()
        except Exception:  # noqa: BLE001 (the program's own; it may be as unreachable as the server)
            _log.warning("could not get another token", exc_info=True)
            return self._reconnect.token_unavailable()
        is_new = token is not None and token != self._token
        if token is not None:
            self._token = token
        return self._reconnect.token_given(is_new=is_new)


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found
