"""The HTTP port: MQTT over WebSocket at `/mqtt`, everything else to an HTTP server.

The first request's head decides; until it is whole nothing else is read, and it has a bound
and a deadline. What was read goes along: to the WebSocket, or to the protocol that the
injected factory makes (aiohttp's), which then owns the socket.
"""

import asyncio
import ipaddress
from collections.abc import Callable, Iterable
from typing import Final, cast
from urllib.parse import urlsplit

from soul_broker.endpoint import Gate
from soul_broker.hub import Hub
from soul_broker.links import peer_name
from soul_broker.websocket import WebSocketLink, accept

_HEAD_BYTES: Final = 16 * 1024
_END: Final = b"\r\n\r\n"

Factory = Callable[[], asyncio.BaseProtocol]


def is_mqtt_upgrade(head: bytes) -> bool:
    """Whether a request's head asks for a WebSocket at `/mqtt`, whatever prefix and query."""
    line, _, rest = head.partition(b"\r\n")
    parts = line.split(b" ")
    if len(parts) != 3 or parts[0] != b"GET":
        return False
    path = parts[1].partition(b"?")[0]
    if not path.endswith(b"/mqtt"):
        return False
    for header in rest.split(b"\r\n"):
        name, _, value = header.partition(b":")
        if name.strip().lower() == b"upgrade" and b"websocket" in value.lower():
            return True
    return False


def origin_allowed(origin: str | None, hosts: Iterable[str], allowed: frozenset[str]) -> bool:
    """Whether a page of `origin` may open a WebSocket.

    No Origin: not a browser. Else the page's host and port have to be one of `hosts` (as the
    Host header gives it), or the origin one of those `allowed`.
    """
    if origin is None or origin in allowed:
        return True
    try:
        page = urlsplit(origin)
    except ValueError:
        return False
    return page.scheme in ("http", "https") and page.netloc.lower() in {host.lower() for host in hosts}


class HttpPort(asyncio.Protocol):
    """A socket of the HTTP port until its first request is read."""

    __slots__ = ("_factory", "_head", "_hub", "_since", "_transport", "gate", "slot")

    def __init__(self, hub: Hub, gate: Gate, factory: Factory | None) -> None:
        self.gate = gate
        self.slot = -1
        self._hub = hub
        self._factory = factory
        self._head = b""
        self._since = hub.now()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Admit the socket, or close it where there are too many."""
        # uvloop's transports are none of asyncio's classes.
        transport = self._transport = cast("asyncio.Transport", transport)
        if not self._hub.opened(self):
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Gather the head; once it is clear what it asks for, hand the socket over."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        self._head += data
        start = self._head[:4]
        if start != b"GET "[: len(start)]:
            self._hand_over(transport)
            return
        end = self._head.find(_END)
        if end < 0:
            if len(self._head) > _HEAD_BYTES:
                answer = "431 Request Header Fields Too Large"
                transport.write(_response(answer, b"too large\n"))
                transport.close()
            return
        if end > _HEAD_BYTES or not is_mqtt_upgrade(self._head[: end + 2]):
            self._hand_over(transport)
        else:
            self._upgrade(transport, end + len(_END))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's signature)
        """The socket is closed, by whichever side."""
        self._transport = None
        self._hub.closed(self)

    def deadline(self) -> float:
        """When the head has to be there."""
        return self._since + self._hub.settings.connect_deadline

    def wake(self, now: float) -> None:
        """The deadline has passed."""
        if now < self.deadline():
            self._hub.wheel.schedule(self, self.deadline())
        else:
            self.abort()

    def end(self, reason: str, *, abort: bool = False) -> None:  # noqa: ARG002 (nothing to log yet)
        """Close the socket."""
        if self._transport is not None:
            self._transport.abort()

    def abort(self) -> None:
        """Close the socket."""
        self.end("", abort=True)

    def _hand_over(self, transport: asyncio.Transport) -> None:
        head, self._head = self._head, b""
        protocol = cast("asyncio.Protocol", (self._factory or _Plain)())
        self._transport = None
        self._hub.closed(self)
        self._hub.registry.hand_over(transport)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(head)

    def _upgrade(self, transport: asyncio.Transport, end: int) -> None:
        head, rest = self._head[:end], self._head[end:]
        self._head = b""
        peer = peer_name(transport)
        settings = self._hub.settings
        trusted = _address(peer) in settings.trusted_proxies
        accepted, answer, forwarded = accept(
            head,
            lambda origin, hosts: origin_allowed(origin, hosts, settings.allowed_origins),
            trusted=trusted,
        )
        transport.write(answer)
        if accepted is None:
            transport.close()
            return
        self._transport = None
        self._hub.closed(self)
        link = WebSocketLink(self._hub, self.gate, accepted, peer if forwarded is None else forwarded)
        transport.set_protocol(link)
        link.connection_made(transport)
        if rest:
            link.data_received(rest)


class _Plain(asyncio.Protocol):
    """What answers where no HTTP server was injected: `/healthz` is well, the rest not there."""

    __slots__ = ("_transport",)

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            healthy = data.startswith((b"GET /healthz ", b"HEAD /healthz "))
            answer = _response("200 OK", b"ok\n") if healthy else _response("404 Not Found", b"not found\n")
            self._transport.write(answer)
            self._transport.close()


def _response(status: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"Connection: close\r\n\r\n" + body


def _address(peer: str) -> str:
    host = peer.rpartition(":")[0].strip("[]")
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return host
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found)


def http_ports(hub: Hub, gate: Gate, factory: Factory | None) -> Callable[[], asyncio.BaseProtocol]:
    """The protocol factory of an HTTP listener."""
    return lambda: HttpPort(hub, gate, factory)
