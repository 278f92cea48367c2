"""A connection's bytes over WebSocket (RFC 6455; MQTT 3.1.1 section 6), by `websockets`' sans-I/O half.

MQTT packets and frames need not coincide [MQTT-6.0.0-2]: a frame may hold a part of a packet
or several. Only binary frames are MQTT's [MQTT-6.0.0-1]. No extension is offered:
deflate costs more memory than a connection of ours.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final, cast

from websockets.frames import OP_BINARY, OP_CLOSE, OP_CONT, OP_TEXT, CloseCode, Frame
from websockets.http11 import Request
from websockets.protocol import OPEN
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from soul_broker.addresses import TrustedProxies, host_of
from soul_broker.connection import Connection
from soul_broker.endpoint import Gate
from soul_broker.hub import Hub
from soul_broker.links import SocketLink

_FRAME_BYTES_BEFORE: Final = 64 * 1024
"""The longest message before authentication: the packets in it have their own bound."""
_FRAME_SLACK: Final = 64 * 1024
_STEP: Final = 4_096
"""Bytes that are parsed at a time: some 700 frames at most."""
_FRAMES_PER_MESSAGE: Final = 4
"""How many frames a client may need for a packet before they count as a flood."""

_BAD_REQUEST: Final = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

_quiet = logging.getLogger("soul_broker.websocket")
_quiet.addHandler(logging.NullHandler())
_quiet.propagate = False


def accept(
    head: bytes,
    origin_allowed: Callable[[str | None, list[str]], bool],
    *,
    peer: str,
    proxies: TrustedProxies,
) -> tuple[ServerProtocol | None, bytes, str]:
    """Answer the opening handshake.

    Args:
        head: the whole request, to its empty line.
        origin_allowed: judges the Origin header against the hosts that the request was for.
        peer: the socket's other end.
        proxies: whose X-Forwarded-Host and X-Forwarded-For are believed.

    Returns:
        The protocol, or None where it is refused; the answer's bytes; the client as a peer, which
        is another than the socket's where a trusted proxy told it.
    """
    protocol = ServerProtocol(
        subprotocols=[Subprotocol("mqtt")], extensions=None, max_size=_FRAME_BYTES_BEFORE, logger=_quiet
    )
    protocol.receive_data(head)
    requests = [event for event in protocol.events_received() if isinstance(event, Request)]
    if not requests:
        return None, _BAD_REQUEST, peer
    headers = requests[0].headers
    hosts = headers.get_all("Host")
    if host_of(peer) in proxies:
        hosts += [host.strip() for value in headers.get_all("X-Forwarded-Host") for host in value.split(",")]
        peer = proxies.client(peer, headers.get_all("X-Forwarded-For"))
    origins = headers.get_all("Origin")
    if len(origins) > 1 or not origin_allowed(origins[0] if origins else None, hosts):
        response = protocol.reject(403, "This page may not connect.\n")
    else:
        try:
            response = protocol.accept(requests[0])
        except UnicodeEncodeError:
            # It quotes a bad header in its answer, and cannot quote bytes that are no text.
            return None, _BAD_REQUEST, peer
    protocol.send_response(response)
    answer = b"".join(protocol.data_to_send())
    return (protocol if protocol.state is OPEN else None), answer, peer


class WebSocketLink(SocketLink):
    """WebSocket, after its opening handshake."""

    __slots__ = ("_frames", "_peer", "_protocol", "_since")

    def __init__(self, hub: Hub, gate: Gate, protocol: ServerProtocol, peer: str) -> None:
        super().__init__(hub, gate)
        self._protocol = protocol
        self._peer = peer
        self._frames = 0
        self._since = hub.now()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Admit the connection, or close it where there are too many."""
        # uvloop's transports are none of asyncio's classes.
        transport = self._transport = cast("asyncio.Transport", transport)
        self._admit(Connection(self._hub, self, self._gate, self._peer), transport)

    def data_received(self, data: bytes) -> None:
        """Pass on what the frames in it carry.

        In steps: before the frames of one are parsed, it is known how many there were so far.
        """
        if len(data) <= _STEP:
            self._receive(data)
            return
        for start in range(0, len(data), _STEP):
            self._receive(data[start : start + _STEP])

    def _receive(self, data: bytes) -> None:
        protocol, connection, transport = self._protocol, self._connection, self._transport
        if connection is None or transport is None or transport.is_closing():
            return
        protocol.receive_data(data)
        carried: list[bytes] = []
        closing = False
        frames = protocol.events_received()
        if self._too_many(connection, len(frames)):
            return
        for event in frames:
            if not isinstance(event, Frame):
                continue
            if event.opcode is OP_BINARY or event.opcode is OP_CONT:
                if event.data:
                    carried.append(bytes(event.data))
            elif event.opcode is OP_TEXT:
                protocol.fail(CloseCode.UNSUPPORTED_DATA, "MQTT is binary")
                closing = True
                break
            elif event.opcode is OP_CLOSE:
                closing = True
        if carried:
            connection.receive(carried[0] if len(carried) == 1 else b"".join(carried))
            if connection.session is not None:
                protocol.max_size = self._hub.settings.packet_bytes + _FRAME_SLACK
        ended = self._send_pending()
        if closing or ended or protocol.parser_exc is not None:
            self._finish()

    def write(self, packets: list[bytes]) -> None:
        """Send packets, in one frame."""
        if self._transport is not None and self._protocol.state is OPEN:
            self._protocol.send_binary(packets[0] if len(packets) == 1 else b"".join(packets))
            self._send_pending()

    def close(self) -> None:
        """Say so in a close frame, and close after what was written has gone."""
        if self._transport is not None:
            if self._protocol.state is OPEN:
                self._protocol.send_close(CloseCode.NORMAL_CLOSURE)
                self._send_pending()
            self._finish()

    def _too_many(self, connection: Connection, frames: int) -> bool:
        """Count frames, of whatever kind; True where they were a flood and the connection is closed."""
        self._frames += frames
        settings = self._hub.settings
        if self._frames <= settings.flood_messages * _FRAMES_PER_MESSAGE or connection.service:
            return False
        now = self._hub.now()
        if now - self._since >= settings.flood_seconds:
            self._since = now
            self._frames = 0
            return False
        self._hub.statistics.flooders_closed += 1
        connection.end("flood of frames", abort=True)
        return True

    def _send_pending(self) -> bool:
        """Write what the protocol has to say; True where it has nothing more to say ever."""
        pieces = self._protocol.data_to_send()
        if not pieces:
            return False
        ended = not pieces[-1]
        transport = self._transport
        if transport is not None:
            transport.write(b"".join(pieces))
            # Of a client that reads nothing, `Connection` holds back what is its own; pongs are ours.
            connection, bound = self._connection, self._hub.settings.write_hard
            if connection is None or connection.service:
                return ended
            if transport.get_write_buffer_size() > bound:
                self._hub.statistics.slow_closed += 1
                connection.end("reads too slowly", abort=True)
        return ended

    def _finish(self) -> None:
        if self._transport is not None:
            self._transport.close()
