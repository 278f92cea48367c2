"""MQTT 3.1.1 packets, on umqtt's client, without a socket: bytes in, bytes out, nothing that waits.

umqtt (1.3.4 to 1.8.0; frozen into stock firmware) decodes PUBLISH and encodes PING, PUBACK and what has
QoS 0. The rest is encoded here, since there it waits in the same call, counts packet ids past 65535 or
takes topics for short. It reads from a `_Tape`: one packet that has arrived whole, and been checked.

What arrives lies in one buffer, made once. A packet that does not fit is drained and acknowledged, so
that the broker does not send it again, and told by `on_oversize`.
"""

import struct

from micropython import const
from umqtt.simple import MQTTClient

MAX_PAYLOAD = const(24 * 1024)
"""The largest payload that is read, in bytes, unless the device announces less (`max_payload_bytes`)."""

_HEAD = const(512)  # the fixed header, a topic of the contract (< 180 bytes), a packet id
_APART = const(512)  # what is longer is not copied to be sent

CONNACK = const(0x20)
PUBLISH = const(0x30)
PUBACK = const(0x40)
SUBACK = const(0x90)
PINGRESP = const(0xD0)

PACKET_DISCONNECT = b"\xe0\x00"


class Malformed(Exception):
    """The other side does not speak MQTT 3.1.1: the connection is of no use."""


class _Tape:
    """Stands in for umqtt's socket: gives it one packet to read, and keeps what it writes."""

    def __init__(self, view):
        self.view = view
        self.at = self.end = 0
        self.parts = []

    def read(self, count):
        start = self.at
        if start + count > self.end:
            raise Malformed("a packet ends early")
        self.at = start + count
        found = self.view[start : self.at]
        # umqtt compares what is short, and hands on what is long: that is a view, valid for now.
        return bytes(found) if count <= 2 else found

    def write(self, data, count=-1):
        if count >= 0:
            data = bytes(data[:count])
        if len(data) > _APART:
            self.parts.append(data)
        elif self.parts and isinstance(self.parts[-1], bytearray):
            self.parts[-1] += data
        else:
            self.parts.append(bytearray(data))

    def setblocking(self, _flag):
        """Do nothing. Of a socket on the ESP32 umqtt's call would clear the timeout."""

    def take(self):
        """What was written, as a list of buffers to be sent in order."""
        parts, self.parts = self.parts, []
        return parts


class Packets(MQTTClient):
    """Packets of one device.

    Args:
        device, user, token, keepalive: what CONNECT says; the keepalive in s.
        on_message: called with each message: (topic: str, payload: memoryview). The payload is part of the
            one buffer and valid during the call only.
        on_oversize: called with the topic and the size of what did not fit.
        payload: the largest that is read, in bytes.
    """

    def __init__(self, device, user, token, keepalive, on_message, on_oversize=None, payload=MAX_PAYLOAD):
        super().__init__(device, "", 0, user, token, keepalive)
        self.set_callback(self._deliver)
        self._on_message = on_message
        self._on_oversize = on_oversize
        self._buffer = bytearray(payload + _HEAD)
        self._view = memoryview(self._buffer)
        self._inward = _Tape(self._view)
        self.taken = set()
        """Packet ids that wait for their acknowledgement."""
        self.answer = 0
        """Of the last CONNACK its code, of the last SUBACK its worst."""
        self.acknowledged = 0
        """The packet id of the last PUBACK or SUBACK."""
        self.retained = False
        """Whether the message that is being delivered was kept by the broker for whoever subscribes."""
        self.reset()

    def reset(self):
        """Begin a new connection."""
        self._start = self._end = 0
        self._skip = 0
        self._oversize = ("", 0, 0)
        self._inward.parts = []
        self.sock = self._inward

    # ---- out: each returns a list of buffers, to be sent in order -----------------------------------

    def connect_packet(self, will=None):
        """CONNECT with a clean session; `will` is (topic, payload, qos)."""
        flags = 0x02
        fields = [self.client_id]
        if will:
            flags |= 0x04 | will[2] << 3
            fields += will[:2]
        if self.user:
            flags |= 0xC0
            fields += [self.user, self.pswd]
        fields = [to_bytes(field) for field in fields]
        size = 10 + sum([2 + len(field) for field in fields])
        packet = _fixed(0x10, size)
        packet += struct.pack("!H4sBBH", 4, b"MQTT", 4, flags, self.keepalive)
        for field in fields:
            packet += struct.pack("!H", len(field))
            packet += field
        return [packet]

    def subscribe_packet(self, pid, topics):
        """SUBSCRIBE to every (filter, qos) of `topics`."""
        topics = [(to_bytes(name), qos) for name, qos in topics]
        packet = _fixed(0x82, 2 + sum([3 + len(name) for name, _ in topics]))
        packet += struct.pack("!H", pid)
        for name, qos in topics:
            packet += struct.pack("!H", len(name))
            packet += name
            packet.append(qos)
        return [packet]

    def publish_packet(self, topic, payload, pid=0, again=False):
        """PUBLISH of bytes: with a packet id at QoS 1, else at QoS 0."""
        tape = self.sock = _Tape(None)
        if not pid:
            self.publish(topic, payload)
        else:
            head = _fixed(0x32 | (0x08 if again else 0), 4 + len(topic) + len(payload))
            head += struct.pack("!H", len(topic))
            head += topic
            head += struct.pack("!H", pid)
            tape.write(head)
            tape.write(payload)
        self.sock = self._inward
        return tape.take()

    def ping_packet(self):
        """PINGREQ."""
        tape = self.sock = _Tape(None)
        self.ping()
        self.sock = self._inward
        return tape.take()

    def acknowledgements(self):
        """The PUBACKs that `next_packet` made since the last call."""
        return self._inward.take()

    def owed(self):
        """How many bytes of them there are."""
        return sum([len(part) for part in self._inward.parts])

    def take_id(self):
        """A packet id (1 to 65535, then 1 again) that nothing under way has."""
        while True:
            self.pid = self.pid % 65535 + 1
            if self.pid not in self.taken:
                self.taken.add(self.pid)
                return self.pid

    # ---- in ------------------------------------------------------------------------------------------

    def space(self):
        """Where to read to; never empty."""
        if self._start == self._end:
            self._start = self._end = 0
        elif self._start:
            rest = self._end - self._start
            self._view[:rest] = self._view[self._start : self._end]
            self._start, self._end = 0, rest
        return self._view[self._end :]

    def got(self, count):
        """`count` bytes were read to `space`."""
        self._end += count

    def partial(self):
        """Whether a packet has begun to arrive."""
        return self._skip > 0 or self._end > self._start

    def next_packet(self):
        """Take one packet; a message is delivered meanwhile.

        Returns:
            Its kind (`PUBLISH`, `PUBACK`, ...), or 0 if it has not arrived whole.

        Raises:
            Malformed: it is none.
        """
        if self._skip:
            return self._drain()
        start, there = self._start, self._end - self._start
        if there < 2:
            return 0
        size = shift = 0
        at = start + 1
        while True:
            if at == self._end:
                return 0
            byte = self._buffer[at]
            at += 1
            size |= (byte & 0x7F) << shift
            if not byte & 0x80:
                break
            shift += 7
            if shift > 21:
                raise Malformed("a length of more than four bytes")
        head = self._buffer[start]
        kind = head & 0xF0
        self._check(head, kind, size)
        whole = at - start + size
        if whole > len(self._buffer):
            return self._begin_drain(head, at, whole)
        if there < whole:
            return 0
        self._start += whole
        if kind == PUBLISH:
            self._check_publish(head, at, size)
            self.retained = bool(head & 0x01)
            self._inward.at, self._inward.end = start, start + whole
            self.wait_msg()
        elif kind != PINGRESP:
            self.acknowledged = self._short(at)
            # SUBACK: any code that says no. CONNACK: its second byte.
            self.answer = max(self._view[at + 2 : at + size]) if kind == SUBACK else self._buffer[at + 1]
        return kind

    def _check(self, head, kind, size):
        if kind == PUBLISH:
            good = head & 0x06 <= 0x02 and size >= 3
        elif kind == SUBACK:
            good = head == SUBACK and 3 <= size < 127
        elif kind in (CONNACK, PUBACK):
            good = head == kind and size == 2
        else:
            good = head == PINGRESP and size == 0
        if not good:
            raise Malformed(f"a packet 0x{head:02x} of {size} bytes")

    def _check_publish(self, head, at, size):
        length = self._short(at)
        if not length or 2 + length + (2 if head & 0x06 else 0) > size:
            raise Malformed(f"a topic of {length} bytes")

    def _short(self, at):
        return self._buffer[at] << 8 | self._buffer[at + 1]

    def _begin_drain(self, head, at, whole):
        if self._end < at + 2:
            return 0
        length = self._short(at)
        if at + length + 4 > len(self._buffer):
            raise Malformed(f"a topic of {length} bytes")
        if self._end < at + length + 4:
            return 0
        pid = self._short(at + 2 + length) if head & 0x06 else 0
        self._oversize = (_text(self._view[at + 2 : at + 2 + length]), whole, pid)
        self._skip = whole
        return self._drain()

    def _drain(self):
        here = min(self._skip, self._end - self._start)
        self._skip -= here
        self._start += here
        if self._skip:
            return 0
        topic, whole, pid = self._oversize
        self._oversize = ("", 0, 0)
        if pid:
            self._inward.write(struct.pack("!BBH", PUBACK, 2, pid))
        if self._on_oversize:
            self._on_oversize(topic, whole)
        return PUBLISH

    def _deliver(self, topic, payload):
        name = _text(topic)
        if name is not None:
            self._on_message(name, payload)


def to_bytes(text):
    """UTF-8; umqtt would count characters for bytes."""
    if isinstance(text, str):
        return text.encode()
    return text if isinstance(text, bytes) else bytes(text)


def _text(view):
    try:
        return str(view, "utf-8")
    except (UnicodeError, ValueError):  # MicroPython's UnicodeError is no ValueError everywhere
        return None


def _fixed(head, size):
    """A packet's fixed header (MQTT 3.1.1, section 2.2)."""
    packet = bytearray((head,))
    while size > 0x7F:
        packet.append(size & 0x7F | 0x80)
        size >>= 7
    packet.append(size)
    return packet
