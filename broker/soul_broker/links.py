"""A connection's bytes over TCP or TLS: one small `asyncio.Protocol` for each socket."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from soul_broker.connection import Connection
from soul_broker.endpoint import Gate
from soul_broker.hub import Hub


def peer_name(transport: asyncio.BaseTransport) -> str:
    """`address:port` of the other side; `[address]:port` for IPv6; `?` where unknown."""
    peer = transport.get_extra_info("peername")
    return show_address(peer) if isinstance(peer, tuple) and len(peer) >= 2 else "?"


def show_address(address: tuple[Any, ...]) -> str:
    """`address:port` of what a socket has as its address."""
    host, port = address[0], address[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class SocketLink(asyncio.Protocol):
    """What a `Connection` needs of its socket, whatever stands between the socket's bytes and MQTT's."""

    __slots__ = ("_connection", "_gate", "_hub", "_transport")

    def __init__(self, hub: Hub, gate: Gate) -> None:
        self._hub = hub
        self._gate = gate
        self._transport: asyncio.Transport | None = None
        self._connection: Connection | None = None

    def _admit(self, connection: Connection, transport: asyncio.Transport) -> None:
        """Take the connection, or close its socket where there are too many."""
        if self._hub.opened(connection):
            self._connection = connection
        else:
            transport.abort()

    # asyncio.Protocol

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed, by whichever side."""
        self._transport = None
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.lost("connection lost" if exc is None else f"connection lost: {exc}")

    def pause_writing(self) -> None:
        """The socket's buffer is full."""
        if self._connection is not None:
            self._connection.pause_writing()

    def resume_writing(self) -> None:
        """The socket's buffer has drained."""
        if self._connection is not None:
            self._connection.resume_writing()

    # soul_broker.endpoint.Link

    def gone(self) -> bool:
        """Whether the socket is closed."""
        return self._transport is None

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def pause_reading(self) -> None:
        """Read nothing more for now."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        if self._transport is not None:
            self._transport.resume_reading()


class StreamLink(SocketLink):
    """TCP and TLS. Made by the listener for each accepted socket."""

    __slots__ = ()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Admit the socket, or close it where there are too many."""
        # uvloop's transports are none of asyncio's classes.
        transport = self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        if isinstance(peer, tuple) and len(peer) == 2:
            # IPv4, nearly everybody: nothing is taken apart that was not put together.
            connection = Connection(self._hub, self, self._gate, f"{peer[0]}:{peer[1]}", peer[0])
        else:
            connection = Connection(self._hub, self, self._gate, peer_name(transport))
        self._admit(connection, transport)

    def data_received(self, data: bytes) -> None:
        """Pass on what arrived."""
        if self._connection is not None:
            self._connection.receive(data)

    def write(self, packets: list[bytes]) -> None:
        """Send packets, in one write."""
        transport = self._transport
        if transport is not None:
            transport.write(packets[0] if len(packets) == 1 else b"".join(packets))

    def close(self) -> None:
        """Close after what was written has gone."""
        if self._transport is not None:
            self._transport.close()


def stream_links(hub: Hub, gate: Gate) -> Callable[[], asyncio.Protocol]:
    """The protocol factory of a TCP or TLS listener."""
    return lambda: StreamLink(hub, gate)
