"""A device that costs next to nothing: MQTT bytes by hand over one blocking socket.

What is measured with it is the server, and the two system calls of this side.
"""

import json
import secrets
import socket
import time
import uuid
from collections.abc import Iterator
from typing import Any, Final, NamedTuple, Self

from broker import wire

Message = dict[str, Any]

CAPABILITIES: Final = {
    "can_render": True,
    "can_control": True,
    "can_host_jam": False,
    "supported_formats": ["simulated"],
    "max_sample_rate": 48_000,
}
PUBLISH: Final = 3
WAIT: Final = 10.0
"""Seconds within which an answer must come."""


class Packet(NamedTuple):
    """A PUBLISH that came in; `id` is 0 at QoS 0."""

    topic: bytes
    payload: bytes
    id: int


class Splitter:
    """Bytes in, whole packets out: `(first byte, body)` each."""

    __slots__ = ("_data",)

    def __init__(self) -> None:
        self._data = b""

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """The packets that are complete now."""
        held = self._data + data if self._data else data
        at, end = 0, len(held)
        while end - at >= 2:
            length, body, shift = held[at + 1], at + 2, 7
            if length > 0x7F:
                length &= 0x7F
                while body < end:
                    byte = held[body]
                    body += 1
                    length |= (byte & 0x7F) << shift
                    shift += 7
                    if byte < 0x80:
                        break
                else:
                    break
            if body + length > end:
                break
            yield held[at], held[body : body + length]
            at = body + length
        self._data = held[at:]


def published(first: int, body: bytes) -> Packet:
    """The parts of a PUBLISH."""
    end = 2 + (body[0] << 8 | body[1])
    topic = body[2:end]
    if first & 6:
        return Packet(topic, body[end + 2 :], body[end] << 8 | body[end + 1])
    return Packet(topic, body[end:], 0)


def registration(conn: str, name: str, *, ephemeral: bool = False) -> bytes:
    """The payload of `register` of a device that renders, or of an ephemeral one that does not."""
    able = CAPABILITIES | {"can_render": not ephemeral}
    device = {"name": name, "device_type": "desktop", "capabilities": able, "volume": 0.5}
    message: Message = {"type": "register", "conn": conn, "device": device, "protocol": 1}
    return json.dumps(message | {"ephemeral": ephemeral}).encode()


def report(conn: str, seq: int, epoch: int, *, applied: tuple[str, ...] = (), **state: Any) -> bytes:
    """The payload of a `state_update` of the active device."""
    base: Message = {
        "track_id": "a",
        "position_ms": 0,
        "is_playing": False,
        "queue_position": 0,
        "volume": 0.5,
        "shuffle": False,
        "repeat_mode": "off",
        "duration_ms": 180_000,
    }
    message = {"type": "state_update", "conn": conn, "seq": seq, "epoch": epoch, "state": base | state}
    return json.dumps(message | {"applied": applied}).encode()


class Device:
    """A device of `user`; registered, unless it is a service."""

    def __init__(
        self,
        port: int,
        user: str,
        token: str,
        *,
        name: str,
        ephemeral: bool = False,
        device: str | None = None,
    ) -> None:
        self.user, self.name = user, name
        self.id = device or str(uuid.uuid4())
        self.conn = secrets.token_hex(8)
        self.base = f"soul/v1/{user}/device/{self.id}"
        self._ephemeral = ephemeral
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=WAIT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._splitter = Splitter()
        self._ready: list[tuple[int, bytes]] = []
        self._number = 0
        self.socket.sendall(wire.connect(self.id, user, token, keep_alive=600))
        first, body = self.packet()
        if (first, body) != (0x20, b"\0\0"):
            raise RuntimeError(f"refused: {first:x} {body!r}")

    def subscribe(self, *filters: str) -> None:
        """Subscribe at QoS 1."""
        self.socket.sendall(wire.subscribe(*((pattern, 1) for pattern in filters)))
        while True:
            first, body = self.packet()
            if first == 0x90:
                break
        if any(code & 0x80 for code in body[2:]):
            raise RuntimeError("a subscription was refused")

    def register(self) -> Self:
        """Subscribe to what a device hears, and register."""
        self.subscribe(f"{self.base}/down/+", f"soul/v1/{self.user}/all/+")
        self.up("register", registration(self.conn, self.name, ephemeral=self._ephemeral))
        self.hear(b'"registered"')
        return self

    def publish(self, topic: str, payload: bytes) -> None:
        """QoS 1, one system call."""
        self.socket.sendall(self._packet(topic, payload))

    def _packet(self, topic: str, payload: bytes) -> bytes:
        self._number = self._number % 0xFFFF + 1
        return wire.publish(topic, payload, qos=1, packet_id=self._number)

    def up(self, channel: str, payload: bytes) -> None:
        """Say something on one of this device's own topics."""
        self.publish(f"{self.base}/up/{channel}", payload)

    def command(self, command: Message, **more: Any) -> str:
        """Send a command; returns its id."""
        request, packet = self.composed(command, **more)
        self.socket.sendall(packet)
        return request

    def composed(self, command: Message, **more: Any) -> tuple[str, bytes]:
        """The id and the packet of a command that is to be sent."""
        request = str(uuid.uuid4())
        channel = "queue" if command["type"] == "set_queue" else "command"
        message = {"type": "playback_command", "id": request, "command": command, **more}
        return request, self._packet(f"{self.base}/up/{channel}", json.dumps(message).encode())

    def packet(self) -> tuple[int, bytes]:
        """The next packet."""
        while not self._ready:
            data = self.socket.recv(1 << 16)
            if not data:
                raise ConnectionError("the server closed the connection")
            self.feed(data)
        return self._ready.pop(0)

    def feed(self, data: bytes) -> None:
        """Take what was read from the socket."""
        self._ready.extend(self._splitter.feed(data))

    def message(self) -> Packet:
        """The next PUBLISH; acknowledged by the caller (`acknowledge`), after the clock was read."""
        while True:
            first, body = self.packet()
            if first >> 4 == PUBLISH:
                return published(first, body)

    def acknowledge(self, packet: Packet) -> None:
        """PUBACK, where one is due."""
        if packet.id:
            self.socket.sendall(wire.acknowledge(wire.PUBACK, packet.id))

    def hear(self, *words: bytes) -> tuple[float, Packet]:
        """The next message with all these words in it, and when it came (`perf_counter`, s)."""
        while True:
            packet = self.message()
            came = time.perf_counter()
            found = all(word in packet.payload for word in words)
            self.acknowledge(packet)
            if found:
                return came, packet

    def drain(self) -> None:
        """Take what has come already."""
        self.socket.setblocking(False)
        try:
            while True:
                self.acknowledge(self.message())
        except BlockingIOError:
            pass
        finally:
            self.socket.settimeout(WAIT)

    def close(self) -> None:
        """Gone, with a goodbye."""
        goodbye = {"type": "disconnect", "conn": self.conn, "reason": "quit"}
        self.up("disconnect", json.dumps(goodbye).encode())
        self.socket.sendall(wire.DISCONNECT)
        self.cut()

    def cut(self) -> None:
        """Gone without a word."""
        self.socket.close()
