"""Load without a client library: raw sockets, a crowd of them by one epoll."""

import contextlib
import select
import socket
import ssl
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final

from bench.broker_engines import Credentials, Engine
from broker import wire

HEAD: Final = 0
"""In place of an answer's length: an HTTP head."""

UPGRADE: Final = (
    b"GET /mqtt HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
)

Script = list[tuple[bytes, int]]
"""What a client sends, and how many bytes it waits for after each."""


def receive(connection: socket.socket, count: int) -> bytes:
    """Exactly as many bytes."""
    received = b""
    while len(received) < count:
        piece = connection.recv(count - len(received))
        if not piece:
            raise ConnectionError("closed")
        received += piece
    return received


def framed(payload: bytes) -> bytes:
    """A masked WebSocket frame with the mask 0."""
    size = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2, "big")
    return b"\x82" + size + b"\0\0\0\0" + payload


def connect(who: Credentials) -> bytes:
    """Its CONNECT."""
    return wire.connect(who.device, who.user, who.password, keep_alive=600)


def arrival(who: Credentials, kind: str = "tcp") -> Script:
    """Connect and subscribe to what a device is sent."""
    subscribe = wire.subscribe((f"soul/v1/{who.user}/device/{who.device}/down/+", 1))
    if kind == "ws":
        return [(UPGRADE, HEAD), (framed(connect(who)), 6), (framed(subscribe), 7)]
    return [(connect(who), 4), (subscribe, 5)]


def service(engine: Engine, client_id: str) -> socket.socket:
    """A connected service over TCP, that blocks."""
    connection = socket.create_connection(("127.0.0.1", engine.tcp))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(connect(engine.service._replace(device=client_id)))
    if receive(connection, 4) != wire.ACCEPTED:
        raise RuntimeError(f"{engine.name} refused a service")
    return connection


def tls_client(engine: Engine, context: ssl.SSLContext, who: Credentials) -> socket.socket:
    """A device over TLS, arrived."""
    plain = socket.create_connection(("127.0.0.1", engine.tls))
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection = context.wrap_socket(plain, server_hostname="localhost")
    # mosquitto's CONNACK waits for this side to acknowledge the session tickets before it.
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
    for packet, answer in arrival(who):
        connection.sendall(packet)
        receive(connection, answer)
    return connection


@contextlib.contextmanager
def crowd(port: int, scripts: Iterable[Script], *, at_once: int = 100) -> Iterator[list[socket.socket]]:
    """Clients that have played their scripts, in that order; non-blocking, closed at the end.

    At most `at_once` play at a time: more than a listener's backlog (mosquitto's has 100 places) would
    measure how the kernel repeats a lost SYN.
    """
    waiting = deque(enumerate(scripts))
    clients: dict[int, socket.socket] = {}
    playing: dict[int, tuple[int, Script, bytearray]] = {}
    epoll = select.epoll()
    try:
        while waiting or playing:
            while waiting and len(playing) < at_once:
                place, script = waiting.popleft()
                client = clients[place] = socket.socket()
                client.setblocking(False)
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                client.connect_ex(("127.0.0.1", port))
                playing[client.fileno()] = place, script, bytearray()
                epoll.register(client.fileno(), select.EPOLLOUT)
            for number, event in epoll.poll(30):
                place, script, received = playing[number]
                client = clients[place]
                if event & select.EPOLLOUT:
                    client.send(script[0][0])
                    epoll.modify(number, select.EPOLLIN)
                    continue
                received += _some(client)
                if not _complete(received, script[0][1]):
                    continue
                received.clear()
                del script[0]
                if script:
                    client.send(script[0][0])
                else:
                    epoll.unregister(number)
                    del playing[number]
        yield [clients[place] for place in range(len(clients))]
    finally:
        epoll.close()
        for client in clients.values():
            client.close()


def _some(client: socket.socket) -> bytes:
    piece = client.recv(4_096)
    if not piece:
        raise ConnectionError("closed by the broker")
    return piece


def _complete(received: bytearray, count: int) -> bool:
    return received.endswith(b"\r\n\r\n") if count == HEAD else len(received) >= count
