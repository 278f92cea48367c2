"""One MQTT connection, over TCP, TLS or WebSocket, by paho-mqtt and its network thread.

paho calls back while it holds locks of its own. So a callback here only drops what came
into a mailbox, and the one thread that owns the link takes it from there: nothing is ever
locked twice.
"""

import contextlib
import os
import socket
import threading
import time
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from soul_connect.link import ACK_WITHIN, BAD_CREDENTIALS, Dial, Incoming, LinkLost, LinkRefused, lost
from soul_connect.lookup import Addresses, connection, look_up
from soul_protocol.limits import KEEPALIVE_SECONDS

INCOMING: Final = 1_000
"""How many messages may wait to be looked at; then the network thread waits, and TCP with it."""

_SILENT: Final = "Keep alive timeout"


@dataclass(frozen=True, slots=True)
class _Acknowledged:
    mid: int


@dataclass(frozen=True, slots=True)
class _Connected:
    code: int


@dataclass(frozen=True, slots=True)
class _Subscribed:
    mid: int
    refused: bool


@dataclass(frozen=True, slots=True)
class Sent:
    """For the owner's own use: there is something to send."""


@dataclass(frozen=True, slots=True)
class _LookedUp:
    done: Future[Addresses]


_T = TypeVar("_T", _LookedUp, _Connected, _Subscribed)
_Item = Incoming | LinkLost | Sent | _LookedUp | _Acknowledged | _Connected | _Subscribed


class ThreadLink:
    """A connection. All but `nudge` and `give_up` belongs to one thread."""

    def __init__(self, dial: Dial) -> None:
        self._dial = dial
        self._items: deque[_Item] = deque()
        self._stirred = threading.Condition()
        self._closed = False
        self._awaited: dict[int, float] = {}  # packet id -> until when (s, monotonic)
        self._client = self._make()

    # Opening and closing

    def open(self) -> None:
        """Connect and subscribe.

        Raises:
            LinkRefused: the token was refused.
            LinkUntrusted: the certificate is not trusted.
            LinkLost: there is no connection for another reason.
        """
        dial = self._dial
        try:
            self._look_up()
            self._client.connect(dial.address.host, dial.address.port, KEEPALIVE_SECONDS)
        except (OSError, ValueError) as error:
            raise lost(error) from None
        self._client.loop_start()
        connected = self._expect(_Connected, "the server did not answer CONNECT")
        if connected.code in BAD_CREDENTIALS:
            raise LinkRefused(BAD_CREDENTIALS[connected.code])
        if connected.code:
            raise LinkLost(f"the server refused the connection ({connected.code})")
        self._client.subscribe([(topic, 1) for topic in dial.filters])
        if self._expect(_Subscribed, "the server did not answer a subscription").refused:
            raise LinkLost("the server refused a subscription")

    def _look_up(self) -> None:
        """Let paho connect to the addresses that the host's name has now."""
        if self._client._get_proxy() is not None:  # noqa: SLF001
            return  # which looks the name up itself
        address, patience = self._dial.address, self._dial.patience
        asked = look_up(address.host, address.port)
        asked.add_done_callback(lambda done: self._put(_LookedUp(done)))
        try:
            found = self._expect(_LookedUp, f"{address.host} could not be looked up in time").done.result()
        finally:
            asked.cancel()
        # paho has no public way to be given a connection.
        self._client._create_socket_connection = lambda: connection(found, patience)  # type: ignore[method-assign] # noqa: SLF001

    def give_up(self) -> None:
        """From any thread: let `open` end soon."""
        with self._stirred:
            self._closed = True
            self._stirred.notify_all()

    def close(self, *, clean: bool) -> None:
        """End the connection: with DISCONNECT, or (so that the will is sent) by a cut."""
        self.give_up()
        if clean:
            self._client.disconnect()
        else:
            self._cut()
        self._client.loop_stop()

    def _cut(self) -> None:
        """Close without DISCONNECT, for which paho has no way of its own."""
        handle = self._client.socket()
        if handle is not None:
            with contextlib.suppress(OSError), socket.socket(fileno=os.dup(handle.fileno())) as twin:
                twin.shutdown(socket.SHUT_RDWR)

    # While it is open

    def publish(self, topic: str, payload: bytes, qos: int) -> int:
        """Publish unretained, and return the packet's id; QoS 1 is due to be acknowledged in `ACK_WITHIN`."""
        mid = self._client.publish(topic, payload, qos).mid
        if qos:
            self._awaited[mid] = time.monotonic() + ACK_WITHIN
        return mid

    def probe(self, within: float) -> None:
        """Subscribe again, which the broker itself answers (MQTT 3.1.1, 3.8.4)."""
        _, mid = self._client.subscribe(self._dial.filters[-1], 1)
        if mid is not None:
            self._awaited[mid] = time.monotonic() + within

    def nudge(self) -> None:
        """From any thread: let `next` return."""
        self._put(Sent())

    def awaits(self, mid: int) -> bool:
        """Whether a packet has not been acknowledged yet."""
        return mid in self._awaited

    def next(self, timeout: float | None = None) -> Incoming | None:
        """The next message; None: something else happened, or nothing did, for `timeout` seconds.

        Raises:
            LinkLost: the connection is gone, or an acknowledgement is overdue.
        """
        overdue = min(self._awaited.values(), default=None)
        ends = [end for end in (overdue, None if timeout is None else time.monotonic() + timeout) if end]
        item = self._take(min(ends, default=None))
        match item:
            case Incoming():
                return item
            case LinkLost():
                raise item
            case _Acknowledged(mid=mid) | _Subscribed(mid=mid):
                self._awaited.pop(mid, None)
            case _:
                pass
        if any(until <= time.monotonic() for until in self._awaited.values()):
            raise LinkLost("the server did not acknowledge in time")
        return None

    # Inside

    def _make(self) -> Client:
        dial = self._dial
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=dial.client_id,
            clean_session=True,
            protocol=MQTTProtocolVersion.MQTTv311,
            transport=dial.address.transport,
            reconnect_on_failure=False,
        )
        client.connect_timeout = dial.patience
        client.username_pw_set(dial.user, dial.token)
        if dial.will is not None:
            client.will_set(*dial.will, qos=1, retain=False)
        if dial.address.transport == "websockets":
            client.ws_set_options(dial.address.path)
        if dial.tls is not None and dial.address.tls:
            client.tls_set_context(dial.tls)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        return client

    def _expect(self, kind: type[_T], otherwise: str) -> _T:
        deadline = time.monotonic() + self._dial.patience
        kept: list[_Item] = []
        while True:
            item = self._take(deadline)
            if self._closed:
                raise LinkLost("given up")
            if isinstance(item, kind):
                with self._stirred:
                    self._items.extendleft(reversed(kept))
                return item
            if isinstance(item, LinkLost):
                raise item
            if item is None and time.monotonic() >= deadline:
                raise LinkLost(otherwise)
            if isinstance(item, Incoming):
                kept.append(item)

    def _take(self, deadline: float | None) -> _Item | None:
        with self._stirred:
            if not self._items and not self._closed:
                self._stirred.wait(None if deadline is None else max(0.0, deadline - time.monotonic()))
            if not self._items:
                return None
            item = self._items.popleft()
            self._stirred.notify_all()
            return item

    def _put(self, item: _Item) -> None:
        with self._stirred:
            self._items.append(item)
            self._stirred.notify_all()

    # Called by paho, in its thread

    def _on_connect(
        self, _client: Client, _data: Any, _flags: ConnectFlags, code: ReasonCode, _more: Properties | None
    ) -> None:
        self._put(_Connected(code.value))

    def _on_disconnect(
        self, _client: Client, _data: Any, _flags: DisconnectFlags, code: ReasonCode, _more: Properties | None
    ) -> None:
        self._put(LinkLost(str(code), by_peer=code.getName() != _SILENT))

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        item = Incoming(message.topic, bytes(message.payload), message.retain)
        with self._stirred:
            while len(self._items) >= INCOMING and not self._closed:
                self._stirred.wait()
            self._items.append(item)
            self._stirred.notify_all()

    def _on_publish(
        self, _client: Client, _data: Any, mid: int, _code: ReasonCode, _more: Properties | None
    ) -> None:
        self._put(_Acknowledged(mid))

    def _on_subscribe(
        self, _client: Client, _data: Any, mid: int, codes: list[ReasonCode], _more: Properties | None
    ) -> None:
        self._put(_Subscribed(mid, any(code.is_failure for code in codes)))
