"""One MQTT connection, over TCP, TLS or WebSocket, by aiomqtt.

Thin: it knows MQTT, and nothing of the contract. What it adds to aiomqtt is that every
acknowledgement has a deadline, that a connection can be cut without DISCONNECT (so that the
will is sent), and that nothing is left behind when connecting is cancelled.
"""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Protocol
from urllib.parse import urlsplit

import aiomqtt
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt.reasoncodes import ReasonCode

from soul_protocol.limits import KEEPALIVE_SECONDS

CONNECT_WITHIN: Final = 3.0
"""For TCP, and again for TLS (s): a SYN lost on the way is repeated after 1 s."""

CONNACK_WITHIN: Final = 5.0
"""For CONNACK, and for SUBACK (s)."""

ACK_WITHIN: Final = 4.0
"""For PUBACK (s). Shorter than a command lives: there is time to send it on another connection."""

GOODBYE_WITHIN: Final = 1.0
"""For sending DISCONNECT (s)."""

INCOMING: Final = 1_000
"""How many messages may wait to be looked at; they are looked at one by one, at once."""

_PORTS: Final = {"mqtt": 1883, "mqtts": 8883, "ws": 80, "wss": 443}
_BAD_CREDENTIALS: Final = {4: 4, 5: 5, 134: 4, 135: 5}  # paho shows CONNACK codes as those of MQTT 5

_paho_log = logging.getLogger("soul_connect.paho")
_paho_log.setLevel(logging.WARNING)


class LinkLost(Exception):  # noqa: N818 (not an error of the program: an end that is expected)
    """The connection is gone, or could not be made.

    Attributes:
        by_peer: the other side closed it.
    """

    def __init__(self, message: str, *, by_peer: bool = False) -> None:
        super().__init__(message)
        self.by_peer = by_peer


class LinkRefused(LinkLost):
    """CONNACK 4 or 5: the token (or the client id with it) is not accepted."""

    def __init__(self, reason: int) -> None:
        super().__init__(f"the server refused the token (CONNACK {reason})", by_peer=True)
        self.reason = reason


class LinkUntrusted(LinkLost):
    """The server's certificate is not trusted."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the broker is, and how to speak to it."""

    transport: Literal["tcp", "websockets"]
    host: str
    port: int
    path: str
    tls: bool


def parse_url(url: str) -> Address:
    """`mqtt://host:1883`, `mqtts://host:8883`, `ws://host:80/mqtt`, `wss://host:443/mqtt`.

    Port and path are optional, as shown.

    Raises:
        ValueError: another scheme, no host, or credentials in the URL (they end up in logs).
    """
    parts = urlsplit(url if "://" in url else f"mqtt://{url}")
    if parts.scheme not in _PORTS:
        raise ValueError("the server's URL starts with mqtt://, mqtts://, ws:// or wss://")
    if not parts.hostname:
        raise ValueError("the server's URL names no host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("the token does not belong into the URL")
    path = parts.path if parts.path not in {"", "/"} else "/mqtt"
    return Address(
        transport="websockets" if parts.scheme in {"ws", "wss"} else "tcp",
        host=parts.hostname,
        port=parts.port or _PORTS[parts.scheme],
        path=path,
        tls=parts.scheme in {"mqtts", "wss"},
    )


def trust(ca_file: Path | None) -> ssl.SSLContext:
    """A TLS context that checks certificate and host name.

    With `ca_file` only that authority is trusted, else the system's.

    Raises:
        ValueError: the file cannot be read, or holds no certificate.
    """
    try:
        context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except (OSError, ssl.SSLError) as error:
        raise ValueError(f"cannot read the certificate authority {ca_file}: {error}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


@dataclass(frozen=True, slots=True)
class Inbox:
    """A message that came."""

    topic: str
    payload: bytes
    retained: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Dial:
    """All that a CONNECT and the SUBSCRIBE after it need."""

    address: Address
    client_id: str
    user: str
    token: str
    will: tuple[str, bytes] | None
    filters: tuple[str, ...]
    tls: ssl.SSLContext | None


class Link(Protocol):
    """An open connection, subscribed."""

    def messages(self) -> AsyncIterator[Inbox]:
        """The messages, as they come.

        Raises:
            LinkLost: the connection is gone; no other end is possible.
        """

    async def publish(self, topic: str, payload: bytes, qos: int, *, within: float = ACK_WITHIN) -> None:
        """Publish unretained; with QoS 1, return when it is acknowledged.

        Several calls may be under way; packets leave in the order of the calls.

        Raises:
            LinkLost: no PUBACK `within` so many seconds (or, with QoS 0, not even sent).
        """

    async def probe(self, within: float) -> None:
        """Return when the broker has answered something.

        Raises:
            LinkLost: it did not, `within` so many seconds.
        """


OpenLink = Callable[[Dial], AbstractAsyncContextManager[Link]]
"""How connections are made; see `open_link`."""


class MqttLink:
    """A `Link` over aiomqtt."""

    def __init__(self, client: aiomqtt.Client, filters: tuple[str, ...]) -> None:
        self._client = client
        self._filters = filters

    async def messages(self) -> AsyncIterator[Inbox]:
        """The messages, as they come; ends with `LinkLost` only."""
        try:
            async for message in self._client.messages:
                payload = message.payload if isinstance(message.payload, bytes) else b""
                yield Inbox(str(message.topic), payload, message.retain)
        except aiomqtt.MqttError as error:
            raise LinkLost(str(error.__cause__ or error), by_peer=_by_peer(error)) from None
        raise LinkLost("the connection was closed")

    async def publish(self, topic: str, payload: bytes, qos: int, *, within: float = ACK_WITHIN) -> None:
        """Publish; paho takes the packet at once, so that the order is that of the calls."""
        try:
            await self._client.publish(topic, payload, qos=qos, timeout=within)
        except aiomqtt.MqttError as error:
            raise LinkLost(str(error), by_peer=False) from None

    async def probe(self, within: float) -> None:
        """Subscribe again, which changes nothing.

        The broker itself answers that, whatever the rest of the world does (MQTT 3.1.1, 3.8.4).
        """
        try:
            await self._client.subscribe(self._filters[-1], qos=1, timeout=within)
        except aiomqtt.MqttError:
            raise LinkLost("the server does not answer any more") from None


@contextlib.asynccontextmanager
async def open_link(dial: Dial) -> AsyncIterator[Link]:
    """Connect, subscribe, and give the connection.

    When the block ends well, DISCONNECT is sent; when it is left by an exception, the
    connection is cut, and the broker sends the will.

    Raises:
        LinkRefused: the token was refused.
        LinkUntrusted: the certificate is not trusted.
        LinkLost: anything else that kept the connection from being made.
    """
    closed = asyncio.Event()
    client = _client(dial, closed)
    try:
        await _enter(client, closed)
        codes = await _subscribe(client, dial.filters)
        if any(code >= 0x80 for code in codes):
            raise LinkLost("the server refused a subscription")
        yield MqttLink(client, dial.filters)
        with contextlib.suppress(aiomqtt.MqttError, TimeoutError):
            await asyncio.wait_for(client.__aexit__(None, None, None), GOODBYE_WITHIN)
    finally:
        _cut(client)


def _client(dial: Dial, closed: asyncio.Event) -> aiomqtt.Client:
    where = dial.address
    loop = asyncio.get_running_loop()
    client = aiomqtt.Client(
        where.host,
        where.port,
        identifier=dial.client_id,
        username=dial.user,
        password=dial.token,
        will=None if dial.will is None else aiomqtt.Will(*dial.will, qos=1, retain=False),
        clean_session=True,
        transport=where.transport,
        websocket_path=where.path if where.transport == "websockets" else None,
        tls_context=dial.tls if where.tls else None,
        keepalive=KEEPALIVE_SECONDS,
        timeout=CONNACK_WITHIN,
        max_queued_incoming_messages=INCOMING,
        logger=_paho_log,
    )
    client.pending_calls_threshold = INCOMING
    paho = client._client  # noqa: SLF001 (aiomqtt passes neither of these two on)
    paho.connect_timeout = CONNECT_WITHIN
    forget_socket = client._on_socket_close  # noqa: SLF001

    def on_socket_close(*what: Any) -> None:
        forget_socket(*what)
        if not loop.is_closed():
            loop.call_soon_threadsafe(closed.set)

    paho.on_socket_close = on_socket_close
    return client


async def _enter(client: aiomqtt.Client, closed: asyncio.Event) -> None:
    # aiomqtt connects in a thread. That goes on when the task is cancelled, and would leave
    # a connection with our client id behind; and it waits out the whole time for CONNACK even
    # when the server has closed the connection.
    entering = asyncio.ensure_future(client.__aenter__())
    closing = asyncio.ensure_future(closed.wait())
    try:
        await asyncio.wait({entering, closing}, return_when=asyncio.FIRST_COMPLETED)
        if not entering.done():
            # A refusal closes the connection as well; it has been noted by now, if it was one.
            await asyncio.wait({entering}, timeout=0.05)
        if not entering.done():
            raise LinkLost("the server closed the connection")
        entering.result()
    except MqttConnectError as error:
        code = error.rc.value if isinstance(error.rc, ReasonCode) else error.rc
        if code in _BAD_CREDENTIALS:
            raise LinkRefused(_BAD_CREDENTIALS[code]) from None
        raise LinkLost(f"the server refused the connection: {error}") from None
    except (aiomqtt.MqttError, OSError) as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            raise LinkUntrusted(str(error)) from None
        raise LinkLost(str(error) or "cannot connect") from None
    finally:
        closing.cancel()
        if not entering.done():
            entering.add_done_callback(lambda done: _abandon(done, client))
            if closed.is_set():
                entering.cancel()


async def _subscribe(client: aiomqtt.Client, filters: tuple[str, ...]) -> tuple[int, ...]:
    try:
        codes = await client.subscribe([(topic, 1) for topic in filters])
    except aiomqtt.MqttError as error:
        raise LinkLost(str(error), by_peer=_by_peer(error)) from None
    return tuple(code.value if isinstance(code, ReasonCode) else code for code in codes)


def _by_peer(error: aiomqtt.MqttError) -> bool:
    """Whether the other side closed the connection, as against a silence that we noticed."""
    cause = error.__cause__
    code = cause.rc if isinstance(cause, aiomqtt.MqttCodeError) else None
    value = code.value if isinstance(code, ReasonCode) else code
    return value != _KEEPALIVE_TIMEOUT


_KEEPALIVE_TIMEOUT: Final = 141  # paho's "Keep alive timeout", in words of MQTT 5


def _abandon(entering: asyncio.Future[aiomqtt.Client], client: aiomqtt.Client) -> None:
    if not entering.cancelled():
        entering.exception()
    _cut(client)


def _cut(client: aiomqtt.Client) -> None:
    """Close the socket, if it is open, without DISCONNECT; and let no exception be left unseen."""
    client._client._sock_close()  # noqa: SLF001 (paho has no public way to close without DISCONNECT)
    for future in (client._connected, client._disconnected):  # noqa: SLF001
        if future.done() and not future.cancelled():
            future.exception()
