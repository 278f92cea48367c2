"""Bytes to MQTT 3.1.1 packets: incremental, strict, without I/O.

Usage: `feed` what the peer sent, then `next_packet` until it gives None. What is
incomplete is kept, never more than `limit` bytes of it: a length beyond that is refused
when its header is read, before its body arrives. After an error the stream is
unusable: the caller closes the connection [MQTT-4.8.0-1].
"""

from collections.abc import Callable
from typing import Final

from soul_broker import packets as mqtt
from soul_broker.errors import MalformedPacketError, UnacceptableProtocolError
from soul_broker.packets import (
    Acknowledgement,
    Connect,
    Disconnect,
    Packet,
    PingRequest,
    Publish,
    Subscribe,
    Unsubscribe,
    Will,
)
from soul_broker.topics import is_filter, is_topic

_PROTOCOL: Final = b"\0\4MQTT\4"
_REMEMBERED_TOPICS: Final = 4_096
_REMEMBERED_BYTES: Final = 256
_MOST_FILTERS: Final = 1_024
"""In one SUBSCRIBE or UNSUBSCRIBE: 512 KiB have room for 130,000, which take a second of work."""


class TopicMemory:
    """Checked topic names by their bytes, so that a topic in use is decoded once and shared.

    Bounded: when full, it starts afresh. One serves all connections of a broker.
    """

    __slots__ = ("_topics",)

    def __init__(self) -> None:
        self._topics: dict[bytes, str] = {}

    def decode(self, raw: bytes) -> str:
        """The topic of a PUBLISH.

        Raises:
            MalformedPacketError: empty, with a wildcard, or not UTF-8 [MQTT-3.3.2-2].
        """
        topic = self._topics.get(raw)
        if topic is None:
            topic = _text(raw)
            if not is_topic(topic):
                raise MalformedPacketError("bad topic in PUBLISH")
            if len(raw) <= _REMEMBERED_BYTES:
                if len(self._topics) >= _REMEMBERED_TOPICS:
                    self._topics.clear()
                self._topics[raw] = topic
        return topic


class Decoder:
    """The packets in one peer's stream. `limit`, in bytes, may be raised while it runs."""

    __slots__ = ("_data", "_need", "_partial", "_position", "_start", "_topics", "limit")

    def __init__(self, limit: int, topics: TopicMemory) -> None:
        self.limit = limit
        self._topics = topics
        self._data = b""
        self._position = 0
        self._start = 0
        self._partial: bytearray | None = None
        self._need = 0

    def feed(self, data: bytes) -> None:
        """Take what the peer sent, in order."""
        partial = self._partial
        if partial is not None:
            # Amortised: a large packet that trickles in is not copied at every byte.
            partial += data
            if len(partial) < self._need:
                return
            self._partial = None
            self._data = bytes(partial)
            self._position = 0
        elif self._position < len(self._data):
            self._data = self._data[self._position :] + data
            self._position = 0
        else:
            self._data = data
            self._position = 0

    def pending(self) -> int:
        """How many bytes are held that no packet was made of yet."""
        if self._partial is not None:
            return len(self._partial)
        return len(self._data) - self._position

    def done(self) -> bool:
        """Whether no byte is left for `next_packet`; what was read already is held no longer."""
        if self._position < len(self._data):
            return False
        self._data = b""
        self._position = 0
        return True

    def last_packet(self) -> bytes:
        """The bytes of what `next_packet` gave last."""
        return self._data[self._start : self._position]

    def stop(self) -> None:
        """Forget everything held: nothing more will be read."""
        self._data = b""
        self._position = 0
        self._partial = None

    def next_packet(self) -> Packet | None:
        """The next whole packet, or None until more is fed.

        Raises:
            MalformedPacketError: the bytes break MQTT 3.1.1 or our limit.
            UnacceptableProtocolError: a CONNECT of another protocol level [MQTT-3.1.2-2].
        """
        if self._partial is not None:
            return None
        data = self._data
        start = self._position
        end = len(data)
        if end - start < 2:
            self._keep(start, 2)
            return None
        first = data[start]
        length = data[start + 1]
        body = start + 2
        if length > 0x7F:
            length &= 0x7F
            shift = 7
            while True:
                if body >= end:
                    self._keep(start, body - start + 1)
                    return None
                byte = data[body]
                body += 1
                length |= (byte & 0x7F) << shift
                if byte < 0x80:
                    break
                shift += 7
                if shift > 21:
                    raise MalformedPacketError("bad remaining length")
        stop = body + length
        if stop - start > self.limit:
            raise MalformedPacketError("packet too large")
        if stop > end:
            self._keep(start, stop - start)
            return None
        self._start = start
        self._position = stop
        kind = first >> 4
        if kind == mqtt.PUBLISH:
            return self._publish(data, start, body, stop)
        parser = _PARSERS.get(kind)
        if parser is None:
            raise MalformedPacketError(f"packet type {kind} from a client")
        return parser(first & 0x0F, data[body:stop])

    def _keep(self, start: int, need: int) -> None:
        data = self._data
        if start < len(data):
            self._partial = bytearray(data[start:])
            self._need = need
        self._data = b""
        self._position = 0

    def _publish(self, data: bytes, start: int, body: int, stop: int) -> Publish:
        flags = data[start] & 0x0F
        qos = flags >> 1 & 3
        if qos == 3:
            raise MalformedPacketError("QoS 3 [MQTT-3.3.1-4]")
        if stop - body < 2:
            raise MalformedPacketError("PUBLISH without a topic")
        at = body + 2
        rest = at + (data[body] << 8 | data[body + 1])
        if rest > stop:
            raise MalformedPacketError("topic longer than its packet")
        topic = self._topics.decode(data[at:rest])
        if flags == 0:
            return Publish(topic, data[rest:stop], wire=data[start:stop])
        packet_id = 0
        if qos:
            if stop - rest < 2:
                raise MalformedPacketError("PUBLISH without a packet id")
            packet_id = data[rest] << 8 | data[rest + 1]
            if packet_id == 0:
                raise MalformedPacketError("packet id 0 [MQTT-2.3.1-1]")
            rest += 2
        elif flags & 8:
            raise MalformedPacketError("DUP at QoS 0 [MQTT-3.3.1-2]")
        return Publish(topic, data[rest:stop], qos, bool(flags & 1), bool(flags & 8), packet_id)


class _Reader:
    """The fields of one packet's body, in order. Calls cost more than what they do: none calls another."""

    __slots__ = ("_at", "_body")

    def __init__(self, body: bytes, at: int = 0) -> None:
        self._body = body
        self._at = at

    def more(self) -> bool:
        return self._at < len(self._body)

    def byte(self) -> int:
        at = self._at
        self._at = at + 1
        try:
            return self._body[at]
        except IndexError:
            raise _short() from None

    def integer(self) -> int:
        body, at = self._body, self._at
        self._at = at + 2
        try:
            return body[at] << 8 | body[at + 1]
        except IndexError:
            raise _short() from None

    def packet_id(self) -> int:
        packet_id = self.integer()
        if packet_id == 0:
            raise MalformedPacketError("packet id 0 [MQTT-2.3.1-1]")
        return packet_id

    def binary(self) -> bytes:
        body, at = self._body, self._at + 2
        try:
            end = self._at = at + (body[at - 2] << 8 | body[at - 1])
        except IndexError:
            raise _short() from None
        if end > len(body):
            raise _short()
        return body[at:end]

    def text(self) -> str:
        return _text(self.binary())

    def end(self) -> None:
        if self._at < len(self._body):
            raise MalformedPacketError("bytes after the end of a packet")


def _short() -> MalformedPacketError:
    return MalformedPacketError("a field runs past its packet")


def _text(raw: bytes) -> str:
    """UTF-8 without surrogates [MQTT-1.5.3-1] and NUL [MQTT-1.5.3-2]."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise MalformedPacketError("text that is not UTF-8") from error
    if "\0" in text:
        raise MalformedPacketError("NUL in text")
    return text


def _flags(flags: int, wanted: int) -> None:
    if flags != wanted:
        raise MalformedPacketError("reserved flags [MQTT-2.2.2-2]")


def _connect(flags: int, body: bytes) -> Connect:
    if flags:
        _flags(flags, 0)
    if not body.startswith(_PROTOCOL):
        raise _other_protocol(body)
    reader = _Reader(body, len(_PROTOCOL))
    bits = reader.byte()
    if bits & 1:
        raise MalformedPacketError("reserved CONNECT flag [MQTT-3.1.2-3]")
    keep_alive = reader.integer()
    client_id = reader.text()
    will_qos = bits >> 3 & 3
    will = None
    if bits & 4:
        if will_qos == 3:
            raise MalformedPacketError("will QoS 3 [MQTT-3.1.2-14]")
        topic = reader.text()
        if not is_topic(topic):
            raise MalformedPacketError("bad will topic")
        will = Will(topic, reader.binary(), will_qos, bool(bits & 0x20))
    elif bits & 0x38:
        raise MalformedPacketError("will flags without a will [MQTT-3.1.2-11]")
    username = reader.text() if bits & 0x80 else None
    if bits & 0x40 and username is None:
        raise MalformedPacketError("a password without a user name [MQTT-3.1.2-22]")
    password = reader.binary() if bits & 0x40 else None
    reader.end()
    return Connect(client_id, bool(bits & 2), keep_alive, will, username, password)


def _other_protocol(body: bytes) -> MalformedPacketError:
    """What a CONNECT is instead of one of ours."""
    reader = _Reader(body)
    name = reader.text()
    level = reader.byte()
    if name not in ("MQTT", "MQIsdp"):
        return MalformedPacketError("not the MQTT protocol [MQTT-3.1.2-1]")
    return UnacceptableProtocolError(f"{name} level {level}")


def _acknowledgement(kind: int, wanted: int) -> Callable[[int, bytes], Packet]:
    def parse(flags: int, body: bytes) -> Acknowledgement:
        if flags != wanted or len(body) != 2:
            raise MalformedPacketError("malformed acknowledgement")
        packet_id = body[0] << 8 | body[1]
        if packet_id == 0:
            raise MalformedPacketError("packet id 0 [MQTT-2.3.1-1]")
        return Acknowledgement(kind, packet_id)

    return parse


def _subscribe(flags: int, body: bytes) -> Subscribe:
    _flags(flags, 2)
    reader = _Reader(body)
    packet_id = reader.packet_id()
    filters: list[tuple[str, int]] = []
    while reader.more():
        pattern = reader.text()
        qos = reader.byte()
        if qos > 2:
            raise MalformedPacketError("bad QoS in SUBSCRIBE [MQTT-3-8.3-4]")
        if not is_filter(pattern):
            raise MalformedPacketError("bad topic filter [MQTT-4.7.1-2]")
        filters.append((pattern, qos))
        if len(filters) > _MOST_FILTERS:
            raise MalformedPacketError("too many filters")
    if not filters:
        raise MalformedPacketError("SUBSCRIBE without a filter [MQTT-3.8.3-3]")
    return Subscribe(packet_id, tuple(filters))


def _unsubscribe(flags: int, body: bytes) -> Unsubscribe:
    _flags(flags, 2)
    reader = _Reader(body)
    packet_id = reader.packet_id()
    filters: list[str] = []
    while reader.more():
        pattern = reader.text()
        if not is_filter(pattern):
            raise MalformedPacketError("bad topic filter [MQTT-4.7.1-2]")
        filters.append(pattern)
        if len(filters) > _MOST_FILTERS:
            raise MalformedPacketError("too many filters")
    if not filters:
        raise MalformedPacketError("UNSUBSCRIBE without a filter [MQTT-3.10.3-2]")
    return Unsubscribe(packet_id, tuple(filters))


def _empty(packet: Packet) -> Callable[[int, bytes], Packet]:
    def parse(flags: int, body: bytes) -> Packet:
        if flags or body:
            raise MalformedPacketError("flags or bytes in an empty packet")
        return packet

    return parse


_PARSERS: Final[dict[int, Callable[[int, bytes], Packet]]] = {
    mqtt.CONNECT: _connect,
    mqtt.PUBACK: _acknowledgement(mqtt.PUBACK, 0),
    mqtt.PUBREC: _acknowledgement(mqtt.PUBREC, 0),
    mqtt.PUBREL: _acknowledgement(mqtt.PUBREL, 2),
    mqtt.PUBCOMP: _acknowledgement(mqtt.PUBCOMP, 0),
    mqtt.SUBSCRIBE: _subscribe,
    mqtt.UNSUBSCRIBE: _unsubscribe,
    mqtt.PINGREQ: _empty(PingRequest()),
    mqtt.DISCONNECT: _empty(Disconnect()),
}
