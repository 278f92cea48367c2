"""Packets of MQTT 3.1.1: split, joined, too large, malformed; ids that wrap; long tokens."""

import random
import struct

from soul import mqtt_packets as mp


def fixed(head, size):
    out = bytearray((head,))
    while True:
        size, low = size >> 7, size & 0x7F
        out.append(low | (0x80 if size else 0))
        if not size:
            return bytes(out)


def publish(topic, payload, pid=0):
    body = struct.pack("!H", len(topic)) + topic + (struct.pack("!H", pid) if pid else b"") + payload
    return fixed(0x32 if pid else 0x30, len(body)) + body


class Peer:
    """Packets with what they delivered."""

    def __init__(self, keepalive=30, token="t"):
        self.got = []
        self.large = []
        self.packets = mp.Packets(
            "device", "alice", token, keepalive, self._message, lambda *what: self.large.append(what)
        )

    def _message(self, topic, payload):
        self.got.append((topic, bytes(payload)))

    def feed(self, data, step=None):
        """Let `data` arrive, `step` bytes at a time or as many as fit; returns the kinds of its packets."""
        kinds = []
        at = 0
        while at < len(data):
            space = self.packets.space()
            assert len(space) > 0
            count = min(len(space), len(data) - at, step or len(data))
            space[:count] = data[at : at + count]
            self.packets.got(count)
            at += count
            kind = self.packets.next_packet()
            while kind:
                kinds.append(kind)
                kind = self.packets.next_packet()
        return kinds

    def owed(self):
        return b"".join([bytes(part) for part in self.packets.acknowledgements()])


def joined(parts):
    return b"".join([bytes(part) for part in parts])


def refused(data):
    try:
        Peer().feed(data)
    except mp.Malformed:
        return True
    return False


def test_packets_split_at_every_byte_and_joined_arrive_alike():
    stream = publish(b"a/b", b"one", 7) + b"\xd0\x00" + publish(b"c", b"") + b"\x40\x02\x00\x09"
    for step in (1, 2, 3, 5, 7, 11, None):
        peer = Peer()
        assert peer.feed(stream, step) == [mp.PUBLISH, mp.PINGRESP, mp.PUBLISH, mp.PUBACK]
        assert peer.got == [("a/b", b"one"), ("c", b"")]
        assert peer.owed() == b"\x40\x02\x00\x07"
        assert peer.packets.acknowledged == 9


def test_the_largest_payload_fits_with_the_longest_topic():
    topic = b"soul/v1/" + b"u" * 64 + b"/device/" + b"d" * 36 + b"/down/execute"
    payload = bytes([65 + at % 26 for at in range(mp.MAX_PAYLOAD)])
    peer = Peer()
    # Behind others, so that what has begun to arrive has to move to the front of the buffer.
    peer.feed(publish(b"x", b"y" * 3000) + publish(topic, payload, 1) + publish(b"z", b"last"), 1460)
    assert len(peer.got) == 3
    assert peer.got[1] == (topic.decode(), payload)
    assert peer.got[2] == ("z", b"last")
    assert peer.large == []


def test_what_is_too_large_is_drained_acknowledged_and_told():
    for size in (mp.MAX_PAYLOAD + 600, 200_000):
        stream = publish(b"big", bytes(size), 513) + publish(b"after", b"ok", 514)
        for step in (1, 1460, None) if size < 100_000 else (1460, None):
            peer = Peer()
            assert peer.feed(stream, step) == [mp.PUBLISH, mp.PUBLISH]
            assert peer.got == [("after", b"ok")]
            assert peer.owed() == b"\x40\x02\x02\x01\x40\x02\x02\x02"
            assert peer.large == [("big", len(publish(b"big", bytes(size), 513)))]
    peer = Peer()
    peer.feed(publish(b"big", bytes(40_000)) + publish(b"after", b"ok"))
    assert peer.owed() == b"" and peer.got == [("after", b"ok")]


def test_malformed_packets_are_refused():
    for data in (
        b"\x00\x00",  # reserved
        b"\xf0\x00",
        b"\x10\x00",  # what only a client says
        b"\x82\x00",
        b"\xc0\x00",
        b"\xe0\x00",
        b"\xd1\x00",  # flags
        b"\xd0\x01\x00",
        b"\x41\x02\x00\x01",
        b"\x40\x01\x00",
        b"\x40\x03\x00\x01\x00",
        b"\x20\x01\x00",
        b"\x90\x02\x00\x01",
        b"\x30\x80\x80\x80\x80\x01",  # a length of five bytes
        b"\x30\x00",  # a PUBLISH without a topic
        b"\x30\x02\x00\x01",
        b"\x30\x03\x00\x00x",
        b"\x30\x04\x00\x05ab",  # a topic longer than its packet
        b"\x32\x04\x00\x02ab",  # no packet id
        b"\x34\x07\x00\x01a\x00\x01xy",  # QoS 2, which nobody asked for
        b"\x36\x07\x00\x01a\x00\x01xy",
        b"\x30\xff\xff\x7f\xff\xff" + b"x" * 100,  # too large, and its topic as well
    ):
        assert refused(data), data


def test_any_bytes_are_packets_or_malformed():
    random.seed(3)
    for _ in range(400):
        data = bytes([random.getrandbits(8) for _ in range(60)])
        refused(bytes([0x30 | data[0] & 0x0B]) + data[1:])
        refused(data)


def test_a_topic_that_is_no_text_is_acknowledged_and_dropped():
    peer = Peer()
    assert peer.feed(publish(b"\xff\xfe", b"x", 3) + publish(b"t", b"y", 4)) == [mp.PUBLISH, mp.PUBLISH]
    assert peer.got == [("t", b"y")]
    assert peer.owed() == b"\x40\x02\x00\x03\x40\x02\x00\x04"


def test_packet_ids_wrap_past_65535_and_pass_by_those_under_way():
    packets = Peer().packets
    packets.pid = 65533
    assert packets.take_id() == 65534
    packets.taken.add(1)
    assert [packets.take_id() for _ in range(3)] == [65535, 2, 3]


def test_connect_with_a_will_and_a_long_token():
    token = "x" * 5000
    packet = joined(Peer(token=token).packets.connect_packet(("w/\u00e4", b"gone", 1)))
    body = (
        struct.pack("!H4sBBH", 4, b"MQTT", 4, 0xC0 | 0x0C | 0x02, 30)
        + b"\x00\x06device\x00\x04w/\xc3\xa4\x00\x04gone\x00\x05alice"
        + struct.pack("!H", 5000)
        + token.encode()
    )
    assert packet == fixed(0x10, len(body)) + body
    bare = joined(Peer().packets.connect_packet())
    assert bare == b"\x10\x1c\x00\x04MQTT\x04\xc2\x00\x1e\x00\x06device\x00\x05alice\x00\x01t"


def test_subscribe_to_long_filters():
    name = b"soul/v1/" + b"u" * 64 + b"/device/" + b"d" * 36 + b"/down/+"
    packet = joined(Peer().packets.subscribe_packet(5, [(name.decode(), 1), ("b", 0)]))
    body = b"\x00\x05" + struct.pack("!H", len(name)) + name + b"\x01\x00\x01b\x00"
    assert packet == fixed(0x82, len(body)) + body


def test_publish_at_both_qos_and_again():
    packets = Peer().packets
    assert joined(packets.publish_packet(b"t", b"abc")) == b"\x30\x06\x00\x01tabc"
    assert joined(packets.publish_packet(b"t", b"abc", 258)) == b"\x32\x08\x00\x01t\x01\x02abc"
    assert joined(packets.publish_packet(b"t", b"abc", 258, True)) == b"\x3a\x08\x00\x01t\x01\x02abc"
    text = "\u00fcber" * 300
    for pid in (0, 1):
        packet = joined(packets.publish_packet(b"t", mp.to_bytes(text), pid))
        assert packet == publish(b"t", text.encode(), pid)
    assert joined(packets.ping_packet()) == b"\xc0\x00"


def test_the_worst_answer_to_a_subscription_counts():
    peer = Peer()
    assert peer.feed(b"\x90\x05\x00\x02\x01\x80\x01") == [mp.SUBACK]
    assert (peer.packets.acknowledged, peer.packets.answer) == (2, 0x80)
    assert peer.feed(b"\x20\x02\x00\x05") == [mp.CONNACK]
    assert peer.packets.answer == 5


def test_the_buffer_is_as_large_as_what_the_device_announces():
    got, large = [], []
    packets = mp.Packets(
        "device", "alice", "t", 30, lambda *what: got.append(what[0]), lambda *what: large.append(what), 1_000
    )
    for size in (1_000, 3_000):
        data, at = publish(b"t", bytes(size)), 0
        while at < len(data):
            space = packets.space()
            count = min(len(space), len(data) - at)
            space[:count] = data[at : at + count]
            packets.got(count)
            at += count
            packets.next_packet()
    assert got == ["t"] and len(large) == 1 and large[0][1] > 3_000
