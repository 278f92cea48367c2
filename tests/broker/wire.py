"""A raw MQTT client for tests: bytes out, packets in, nothing hidden."""

import asyncio
import ssl
from types import TracebackType
from typing import NamedTuple, Self, cast

WAIT = 5.0
"""Seconds within which anything expected must come."""


def length(count: int) -> bytes:
    encoded = bytearray()
    while True:
        count, digit = divmod(count, 128)
        encoded.append(digit | (0x80 if count else 0))
        if not count:
            return bytes(encoded)


def text(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return len(raw).to_bytes(2, "big") + raw


def packet(first: int, body: bytes) -> bytes:
    return bytes([first]) + length(len(body)) + body


class Will(NamedTuple):
    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False


def connect(
    client_id: str = "c",
    username: str | None = None,
    password: str | None = None,
    *,
    clean: bool = True,
    keep_alive: int = 60,
    will: Will | None = None,
    level: int = 4,
) -> bytes:
    flags = clean << 1
    payload = text(client_id)
    if will is not None:
        flags |= 4 | will.qos << 3 | will.retain << 5
        payload += text(will.topic) + text(will.payload)
    if username is not None:
        flags |= 0x80
        payload += text(username)
    if password is not None:
        flags |= 0x40
        payload += text(password)
    properties = b"\0" if level == 5 else b""
    header = text("MQTT") + bytes([level, flags]) + keep_alive.to_bytes(2, "big") + properties
    return packet(0x10, header + payload)


def publish(
    topic: str,
    payload: bytes = b"",
    *,
    qos: int = 0,
    retain: bool = False,
    dup: bool = False,
    packet_id: int = 1,
) -> bytes:
    number = packet_id.to_bytes(2, "big") if qos else b""
    return packet(0x30 | dup << 3 | qos << 1 | retain, text(topic) + number + payload)


def subscribe(*filters: tuple[str, int], packet_id: int = 1) -> bytes:
    body = b"".join(text(pattern) + bytes([qos]) for pattern, qos in filters)
    return packet(0x82, packet_id.to_bytes(2, "big") + body)


def unsubscribe(*filters: str, packet_id: int = 1) -> bytes:
    return packet(0xA2, packet_id.to_bytes(2, "big") + b"".join(map(text, filters)))


def acknowledge(first: int, packet_id: int) -> bytes:
    return packet(first, packet_id.to_bytes(2, "big"))


PUBACK, PUBREC, PUBREL, PUBCOMP = 0x40, 0x50, 0x62, 0x70
PING, PONG, DISCONNECT = b"\xc0\x00", b"\xd0\x00", b"\xe0\x00"
ACCEPTED, RESUMED = b"\x20\x02\x00\x00", b"\x20\x02\x01\x00"
REFUSED = b"\x20\x02\x00\x05"


class Message(NamedTuple):
    topic: str
    payload: bytes
    qos: int
    retain: bool
    dup: bool
    packet_id: int


class Raw:
    """One connection. What was expected and does not come within `WAIT` fails the test."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, address: tuple[str, int], *, tls: ssl.SSLContext | None = None) -> Self:
        server = "localhost" if tls else None
        return cls(*await asyncio.open_connection(*address, ssl=tls, server_hostname=server))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.drop()

    def send(self, *packets: bytes) -> None:
        self.writer.write(b"".join(packets))

    def drop(self) -> None:
        """Gone without a word, as a killed process is."""
        self.writer.transport.abort()

    def read_no_more(self) -> None:
        """Leave to the socket's buffers what the broker sends."""
        cast("asyncio.Transport", self.writer.transport).pause_reading()

    def read_again(self) -> None:
        cast("asyncio.Transport", self.writer.transport).resume_reading()

    async def receive(self) -> bytes:
        """The next packet, whole."""
        async with asyncio.timeout(WAIT):
            head = await self.reader.readexactly(2)
            count, shift = head[1] & 0x7F, 7
            while head[-1] & 0x80:
                head += await self.reader.readexactly(1)
                count |= (head[-1] & 0x7F) << shift
                shift += 7
            return head + await self.reader.readexactly(count)

    async def expect(self, wanted: bytes) -> None:
        assert await self.receive() == wanted

    async def message(self) -> Message:
        """The next packet, which is a PUBLISH."""
        received = await self.receive()
        first = received[0]
        assert first >> 4 == 3, received
        start = 1
        while received[start] & 0x80:
            start += 1
        start += 1
        end = start + 2 + int.from_bytes(received[start : start + 2], "big")
        topic, qos = received[start + 2 : end].decode(), first >> 1 & 3
        number = 0
        if qos:
            number = int.from_bytes(received[end : end + 2], "big")
            end += 2
        return Message(topic, received[end:], qos, bool(first & 1), bool(first & 8), number)

    async def closed(self) -> bytes:
        """Wait for the broker to close; what it still sent."""
        async with asyncio.timeout(WAIT):
            try:
                return await self.reader.read(-1)
            except ConnectionError:
                return b""

    async def silent(self) -> None:
        """Nothing is on its way: the answer to a ping is the next packet."""
        self.send(PING)
        await self.expect(PONG)
