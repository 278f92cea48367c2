"""MQTT 3.1.1 packets: what the decoder gives, and the bytes of what we send.

Only the packets that cross a broker: those that clients send are classes, those that
we send are functions giving bytes. `Publish` goes both ways; it is encoded once, and
the same bytes go to every receiver at QoS 0.
"""

from dataclasses import dataclass, field
from typing import Final

CONNECT: Final = 1
CONNACK: Final = 2
PUBLISH: Final = 3
PUBACK: Final = 4
PUBREC: Final = 5
PUBREL: Final = 6
PUBCOMP: Final = 7
SUBSCRIBE: Final = 8
SUBACK: Final = 9
UNSUBSCRIBE: Final = 10
UNSUBACK: Final = 11
PINGREQ: Final = 12
PINGRESP: Final = 13
DISCONNECT: Final = 14

ACCEPTED: Final = 0
IDENTIFIER_REJECTED: Final = 2
SERVER_UNAVAILABLE: Final = 3
NOT_AUTHORIZED: Final = 5
"""CONNACK return codes (section 3.2.2.3)."""

REFUSED: Final = 0x80
"""SUBACK return code of a refused filter (section 3.9.3)."""

PINGRESP_BYTES: Final = b"\xd0\x00"
UNACCEPTABLE_PROTOCOL_BYTES: Final = b"\x20\x02\x00\x01"
"""A CONNACK with the return code 1."""


def remaining_length(length: int) -> bytes:
    """The variable length field (section 2.2.3) for `length` bytes, 0 to 268,435,455."""
    if length < 0x80:
        return bytes((length,))
    if length < 0x4000:  # as nearly every message
        return bytes((length & 0x7F | 0x80, length >> 7))
    encoded = bytearray()
    while length >= 0x80:
        encoded.append(length & 0x7F | 0x80)
        length >>= 7
    encoded.append(length)
    return bytes(encoded)


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker publishes for a client that ends without DISCONNECT (section 3.1.2.5)."""

    topic: str
    payload: bytes
    qos: int
    retain: bool


@dataclass(slots=True)
class Connect:
    """CONNECT (section 3.1). `keep_alive` is in seconds, 0 for none.

    Not frozen: that makes each field a call when a packet is made.
    """

    client_id: str
    clean_session: bool
    keep_alive: int
    will: Will | None = None
    username: str | None = None
    password: bytes | None = field(default=None, repr=False)


class Publish:
    """PUBLISH (section 3.3), coming in or going out.

    A plain class and not a dataclass: one is made for every message. `wire` holds the
    encoding at QoS 0 without retain; where the message came in so, these are the bytes
    that came, never encoded again.
    """

    __slots__ = ("_first", "_prefix", "_wire", "dup", "packet_id", "payload", "qos", "retain", "topic")

    def __init__(  # noqa: PLR0917 (made for every message: positional is faster)
        self,
        topic: str,
        payload: bytes,
        qos: int = 0,
        retain: bool = False,
        dup: bool = False,
        packet_id: int = 0,
        wire: bytes | None = None,
    ) -> None:
        self.topic = topic
        self.payload = payload
        self.qos = qos
        self.retain = retain
        self.dup = dup
        self.packet_id = packet_id
        self._wire = wire
        self._prefix = b""
        """What comes before the packet id, where the first byte is `_first`: to many the same."""
        self._first = 0

    def wire(self) -> bytes:
        """The whole packet at QoS 0 without retain, the same object on every call."""
        if self._wire is None:
            self._wire = self._head(0x30, 0) + self.payload
        return self._wire

    def encode(self, qos: int, packet_id: int, *, dup: bool = False, retain: bool = False) -> bytes:
        """The whole packet; `packet_id` is ignored at QoS 0."""
        first = 0x30 | dup << 3 | qos << 1 | retain
        if qos == 0:
            return self.wire() if first == 0x30 else self._head(first, 0) + self.payload
        if first != self._first:
            self._prefix, self._first = self._head(first, 2), first
        return self._prefix + packet_id.to_bytes(2, "big") + self.payload

    def _head(self, first: int, extra: int) -> bytes:
        topic = self.topic.encode()
        length = remaining_length(2 + len(topic) + extra + len(self.payload))
        return bytes((first,)) + length + len(topic).to_bytes(2, "big") + topic

    def __repr__(self) -> str:
        return (
            f"Publish({self.topic!r}, {len(self.payload)} bytes, qos={self.qos}, "
            f"retain={self.retain}, dup={self.dup}, packet_id={self.packet_id})"
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Publish):
            return NotImplemented
        return self._fields() == other._fields()

    def __hash__(self) -> int:
        return hash(self._fields())

    def _fields(self) -> tuple[str, bytes, int, bool, bool, int]:
        return self.topic, self.payload, self.qos, self.retain, self.dup, self.packet_id


class Acknowledgement:
    """PUBACK, PUBREC, PUBREL or PUBCOMP by `kind` (sections 3.4 to 3.7)."""

    __slots__ = ("kind", "packet_id")

    def __init__(self, kind: int, packet_id: int) -> None:
        self.kind = kind
        self.packet_id = packet_id

    def __repr__(self) -> str:
        return f"Acknowledgement({self.kind}, {self.packet_id})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Acknowledgement):
            return NotImplemented
        return (self.kind, self.packet_id) == (other.kind, other.packet_id)

    def __hash__(self) -> int:
        return hash((self.kind, self.packet_id))


@dataclass(slots=True)
class Subscribe:
    """SUBSCRIBE (section 3.8): filters with the QoS asked for. Not frozen, as `Connect`."""

    packet_id: int
    filters: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """UNSUBSCRIBE (section 3.10)."""

    packet_id: int
    filters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PingRequest:
    """PINGREQ (section 3.12)."""


@dataclass(frozen=True, slots=True)
class Disconnect:
    """DISCONNECT (section 3.14)."""


Packet = Connect | Publish | Acknowledgement | Subscribe | Unsubscribe | PingRequest | Disconnect


def connack(code: int, *, session_present: bool = False) -> bytes:
    """CONNACK (section 3.2); a refusal never says that a session is present [MQTT-3.2.2-4]."""
    return bytes((0x20, 2, session_present and code == ACCEPTED, code))


def puback(packet_id: int) -> bytes:
    """PUBACK (section 3.4)."""
    return b"\x40\x02" + packet_id.to_bytes(2, "big")


def pubrec(packet_id: int) -> bytes:
    """PUBREC (section 3.5)."""
    return b"\x50\x02" + packet_id.to_bytes(2, "big")


def pubrel(packet_id: int) -> bytes:
    """PUBREL (section 3.6); its flags are 0010 [MQTT-3.6.1-1]."""
    return b"\x62\x02" + packet_id.to_bytes(2, "big")


def pubcomp(packet_id: int) -> bytes:
    """PUBCOMP (section 3.7)."""
    return b"\x70\x02" + packet_id.to_bytes(2, "big")


def suback(packet_id: int, codes: list[int]) -> bytes:
    """SUBACK (section 3.9), one code for each filter in its order."""
    if len(codes) == 1:
        return b"\x90\x03" + packet_id.to_bytes(2, "big") + bytes(codes)
    return b"\x90" + remaining_length(2 + len(codes)) + packet_id.to_bytes(2, "big") + bytes(codes)


def unsuback(packet_id: int) -> bytes:
    """UNSUBACK (section 3.11)."""
    return b"\xb0\x02" + packet_id.to_bytes(2, "big")
