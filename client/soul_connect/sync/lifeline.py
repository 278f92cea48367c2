"""A session kept alive by threads: the counterpart of `soul_connect.lifeline`.

Three threads: one owns the connections, one after the other; one runs the timers; paho's
reads and writes. The session is only ever touched with the lock held, and nothing waits
with the lock held, but for what the condition of the timers gives up while it waits.
"""

import logging
import random
import secrets
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from soul_connect.actions import Action, Answer, Arrived, Probe, Publish
from soul_connect.address import Address
from soul_connect.errors import LinkError, NotConnectedError, UnreachableError
from soul_connect.link import GOODBYE_WITHIN, LinkLost, LinkRefused, LinkUntrusted, dial_as, meaning
from soul_connect.reconnect import AskToken, GiveUp, Reconnect, Wait
from soul_connect.requests import Wish
from soul_connect.session import Session
from soul_connect.sync.told import Told
from soul_protocol.elapsed import elapsed

if TYPE_CHECKING:
    from soul_connect.sync.link import ThreadLink

TokenSource = Callable[[], str | None]
"""Gives another token, or None where there is none. Called in a thread of the client."""

LEAVE_WITHIN = 2.0
"""How long (s) `stop` waits for an attempt to connect, which cannot be interrupted."""

_log = logging.getLogger("soul_connect")


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
        rng: random.Random,
    ) -> None:
        self.told = Told(session.identity.device_id)
        self._session = session
        self._address = address
        self._tls = tls
        self._token = token
        self._new_token = new_token
        self._reconnect = Reconnect(rng=rng, can_ask=new_token is not None)
        self._lock = threading.RLock()
        self._stirred = threading.Condition(self._lock)
        self._hurried = threading.Event()
        self._thread: threading.Thread | None = None
        self._link: ThreadLink | None = None
        self._outbox: deque[Publish | Probe] | None = None
        self._leaving: str | None = None
        self._over = True
        self._impatient = False
        self._last_error: LinkError | None = None

    def now(self) -> float:
        """The local clock, in ms, those that the computer slept included."""
        return elapsed() * 1_000

    # For the program

    def start(self, patience: float | None) -> None:
        """Begin, and wait until registered, for `patience` seconds or for ever.

        Raises:
            UnreachableError: not in time.
            LinkError: what keeps this client from it, as soon as that is known.
        """
        began = time.monotonic()
        if self._leaving is not None and self._thread is not None:
            # Of an earlier life, which is about to end, unless the program's own `new_token` hangs.
            self._thread.join(patience)
            if self._thread.is_alive():
                raise UnreachableError(f"what was there before did not end within {patience:g} s")
        left = None if patience is None else max(0.0, patience - (time.monotonic() - began))
        with self._lock:
            self._impatient = patience is not None
            if self._over:
                self._over, self._leaving, self._last_error = False, None, None
                self._hurried.clear()
                self.told.begin()
                self._thread = threading.Thread(target=self._run, name="soul-connect", daemon=True)
                self._thread.start()
        if not self.told.first_arrival(left):
            raise UnreachableError(f"the server did not answer within {patience:g} s") from self._last_error

    def stop(self, reason: str) -> None:
        """Say goodbye and end."""
        with self._lock:
            thread, link = self._thread, self._link
            if thread is None or self._over:
                return
            self._leaving = reason
            if link is not None and self._outbox is not None:
                link.nudge()
            elif link is not None:
                link.give_up()
        self._hurried.set()
        thread.join(LEAVE_WITHIN)
        if thread.is_alive():
            self._end()

    def wait_closed(self) -> None:
        """Return when it has ended; raise why, if it ended by itself."""
        if self._thread is not None:
            self._thread.join()
        if self.told.fatal is not None:
            raise self.told.fatal

    def hurry(self) -> None:
        """Connect now instead of later; an attempt that hangs is given up for that."""
        self._hurried.set()
        with self._lock:
            if self._link is not None and self._outbox is None and self._reconnect.hangs(self.now()):
                self._link.give_up()

    def ask(self, id: str, wish: Wish, *, lifetime_ms: int, accepted_will_do: bool) -> Answer:  # noqa: A002
        """Make a request and wait for its end."""
        with self._lock:
            if self._over or self._leaving is not None:
                raise self.told.fatal or NotConnectedError("not connected")
            actions = self._session.request(id, wish, now=self.now(), lifetime_ms=lifetime_ms)
            future = self.told.expect(id, accepted_will_do=accepted_will_do)
            self._apply(actions)
        try:
            return future.result()
        except KeyboardInterrupt:
            self.cancel(id)
            raise
        finally:
            with self._lock:
                self.told.forget(id)

    def cancel(self, id: str) -> None:  # noqa: A002 (the wire's word)
        """Withdraw a request that has not been sent."""
        with self._lock:
            self._apply(self._session.cancel(id))

    def _apply(self, actions: Iterable[Action]) -> None:
        """Do what the session wants done, with the lock held."""
        for action in actions:
            if isinstance(action, Publish | Probe):
                if self._outbox is not None and self._link is not None:
                    self._outbox.append(action)
                    self._link.nudge()
            elif isinstance(action, Arrived):
                self._reconnect.online(self.now())
            self.told.hear(action)
        self._stirred.notify_all()

    # The threads

    def _run(self) -> None:
        timers = threading.Thread(target=self._timers, name="soul-connect timers", daemon=True)
        timers.start()
        try:
            self._connections()
        finally:
            self._end()
            timers.join()

    def _end(self) -> None:
        with self._lock:
            self._over = True
            self._apply(self._session.end())
            self.told.is_hindered(self.told.fatal or NotConnectedError("the client ended"))
            self.told.end(self.told.fatal)

    def _timers(self) -> None:
        with self._lock:
            while not self._over:
                due = self._session.next_deadline()
                self._stirred.wait(None if due is None else max(0.0, due - self.now()) / 1_000)
                self._apply(self._session.wake(now=self.now()))

    def _connections(self) -> None:
        while self._leaving is None and self.told.fatal is None:
            step: Wait | AskToken | GiveUp
            try:
                self._connection()
                return
            except LinkLost as lost:
                self._note(lost)
                refused = isinstance(lost, LinkRefused)
                step = self._reconnect.refused() if refused else self._reconnect.lost(self.now())
            if self.told.fatal is None and self._leaving is None:
                self._follow(step)

    def _connection(self) -> None:
        """One connection, from CONNECT to its end; returns only when the program leaves.

        Raises:
            LinkLost: it could not be made, or is gone.
        """
        from soul_connect.sync.link import ThreadLink  # noqa: PLC0415 (with paho: for the first connection)

        conn, who = secrets.token_hex(8), self._session.identity
        dial = dial_as(
            who,
            address=self._address,
            token=self._token,
            tls=self._tls,
            will=self._session.will(conn),
            patience=self._reconnect.begin(self.now()),
        )
        link = ThreadLink(dial)
        opened = by_peer = clean = False
        try:
            self._link = link
            link.open()
            opened = True
            self._hurried.clear()
            with self._lock:
                self._reconnect.opened(self.now())
                self._outbox = deque()
                self._apply(self._session.connected(conn, now=self.now()))
                if who.watches_only:
                    self.told.is_online()
            self._serve(link)
            clean = True
        except LinkLost as lost:
            by_peer = lost.by_peer
            raise
        finally:
            with self._lock:
                self._link = self._outbox = None
                if not opened:
                    self._apply(self._session.failed())
                else:
                    self._apply(self._session.disconnected(now=self.now(), by_peer=by_peer))
                    if who.watches_only:
                        self.told.online.set(False)
            link.close(clean=clean)

    def _serve(self, link: "ThreadLink") -> None:
        while True:
            self._send(link)
            if self._leaving is not None:
                self._say_goodbye(link)
                return
            message = link.next()
            if message is not None:
                with self._lock:
                    self._apply(
                        self._session.received(
                            message.topic, message.payload, now=self.now(), retained=message.retained
                        )
                    )

    def _send(self, link: "ThreadLink") -> None:
        """Publish in order, without the lock: paho may make us wait for locks of its own."""
        while True:
            with self._lock:
                action = self._outbox.popleft() if self._outbox else None
            match action:
                case None:
                    return
                case Probe(within_ms=within):
                    link.probe(within / 1_000)
                case Publish(topic=topic, payload=payload, qos=qos):
                    link.publish(topic, payload, qos)

    def _say_goodbye(self, link: "ThreadLink") -> None:
        goodbye = self._session.goodbye(self._leaving or "quit")
        if goodbye is None:
            return
        mid = link.publish(goodbye.topic, goodbye.payload, goodbye.qos)
        deadline = time.monotonic() + GOODBYE_WITHIN
        while link.awaits(mid) and time.monotonic() < deadline:
            link.next(max(0.001, deadline - time.monotonic()))

    def _note(self, lost: LinkLost) -> None:
        _log.info("connection: %s", lost)
        self._last_error = meaning(lost)
        if isinstance(lost, LinkUntrusted) and self._impatient:
            with self._lock:
                self.told.is_hindered(self._last_error)

    def _follow(self, step: Wait | AskToken | GiveUp) -> None:
        """Wait, or get another token, or end."""
        while self._leaving is None:
            if isinstance(step, GiveUp):
                self.told.fatal = self._last_error  # the refusal
                return
            self._hurried.wait(step.ms / 1_000)
            if self._leaving is None:
                self._hurried.clear()
            if isinstance(step, Wait):
                return
            step = self._ask_token()

    def _ask_token(self) -> Wait | AskToken | GiveUp:
        if self._new_token is None:
            return GiveUp()
        try:
            token = self._new_token()
        except Exception:  # noqa: BLE001 (the program's own; it may be as unreachable as the server)
            _log.warning("could not get another token", exc_info=True)
            return self._reconnect.token_unavailable()
        is_new = token is not None and token != self._token
        if token is not None:
            self._token = token
        return self._reconnect.token_given(is_new=is_new)
