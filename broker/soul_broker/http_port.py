"""The HTTP port: MQTT over WebSocket at `/mqtt`, everything else to an HTTP server.

The first request's head decides; until it is whole nothing else is read, and it has a bound
and a deadline. What was read goes along: to the WebSocket, which takes the socket over, or to the
protocol that the injected factory makes (aiohttp's). Proxies use a connection again: a later
request for MQTT reaches that protocol, which hands the socket back (`HttpPort.upgrade`).
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final, cast
from urllib.parse import urlsplit

from soul_broker.addresses import host_of, origin_of
from soul_broker.conduct import log_socket_end
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
    """A socket of the HTTP port: until its first request is read, and then before an HTTP server.

    It counts as a connection all the time; what a WebSocket becomes counts for itself.
    """

    __slots__ = (
        "_factory",
        "_head",
        "_hub",
        "_server",
        "_since",
        "_transport",
        "gate",
        "origin",
        "peer",
        "slot",
    )

    def __init__(self, hub: Hub, gate: Gate, factory: Factory | None) -> None:
        self.gate = gate
        self.slot = -1
        self.peer = "?"
        self.origin: str | None = None
        self._hub = hub
        self._factory = factory
        self._head = b""
        self._server: asyncio.Protocol | None = None
        self._since = hub.now()
        self._transport: asyncio.Transport | None = None

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Admit the socket, or close it where there are too many."""
        # uvloop's transports are none of asyncio's classes.
        transport = self._transport = cast("asyncio.Transport", transport)
        self.peer = peer_name(transport)
        host = host_of(self.peer)
        # A proxy's sockets are many people's; a WebSocket counts for whom the proxy names.
        self.origin = None if host in self._hub.proxies else origin_of(host)
        if not self._hub.opened(self):
            self._transport = None
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Gather the head; once it is clear what it asks for, hand it over."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if self._server is not None:
            self._server.data_received(data)
            return
        self._head += data
        start = self._head[:4]
        if start != b"GET "[: len(start)]:
            self._serve(transport)
            return
        end = self._head.find(_END)
        if end < 0:
            if len(self._head) > _HEAD_BYTES:
                answer = "431 Request Header Fields Too Large"
                transport.write(_response(answer, b"too large\n"))
                transport.close()
            return
        if end > _HEAD_BYTES or not is_mqtt_upgrade(self._head[: end + 2]):
            self._serve(transport)
        else:
            head, self._head = self._head, b""
            self._upgrade(transport, head[: end + len(_END)], head[end + len(_END) :])

    def eof_received(self) -> bool | None:
        """The peer has said everything."""
        return None if self._server is None else self._server.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed, by whichever side."""
        server, self._server = self._server, None
        if server is not None:
            server.connection_lost(exc)
        elif self._transport is not None:
            log_socket_end(self, "no request")
        self._transport = None
        self._hub.closed(self)

    def pause_writing(self) -> None:
        """The socket's buffer is full."""
        if self._server is not None:
            self._server.pause_writing()

    def resume_writing(self) -> None:
        """The socket's buffer has drained."""
        if self._server is not None:
            self._server.resume_writing()

    def upgrade(self, head: bytes) -> None:
        """A later request of this connection asks for MQTT: answer it, and take the socket back.

        `head` is the request, to its empty line. The HTTP server is told that the connection is lost.
        """
        server, self._server = self._server, None
        if self._transport is not None:
            self._upgrade(self._transport, head, b"")
        if server is not None:
            server.connection_lost(None)

    # soul_broker.endpoint.Endpoint

    def deadline(self) -> float:
        """When the head has to be there."""
        return self._since + self._hub.settings.connect_deadline

    def wake(self, now: float) -> None:
        """The deadline has passed."""
        if now < self.deadline():
            self._hub.wheel.schedule(self, self.deadline())
        else:
            self.abort()

    def end(self, reason: str, *, abort: bool = False) -> None:  # noqa: ARG002 (its server knows)
        """Close the socket after what was written has gone."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close the socket."""
        if self._transport is not None:
            self._transport.abort()

    def _serve(self, transport: asyncio.Transport) -> None:
        head, self._head = self._head, b""
        # From here on the server's own deadlines hold.
        self._hub.wheel.cancel(self)
        self._server = server = cast("asyncio.Protocol", (self._factory or _Plain)())
        server.connection_made(transport)
        server.data_received(head)

    def _upgrade(self, transport: asyncio.Transport, head: bytes, rest: bytes) -> None:
        settings = self._hub.settings
        accepted, answer, peer = accept(
            head,
            lambda origin, hosts: origin_allowed(origin, hosts, settings.allowed_origins),
            peer=self.peer,
            proxies=self._hub.proxies,
        )
        transport.write(answer)
        if accepted is None:
            transport.close()
            return
        self._transport = None
        self._hub.handed_over(self)
        link = WebSocketLink(self._hub, self.gate, accepted, peer)
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


def http_ports(hub: Hub, gate: Gate, factory: Factory | None) -> Callable[[], asyncio.BaseProtocol]:
    """The protocol factory of an HTTP listener."""
    return lambda: HttpPort(hub, gate, factory)
