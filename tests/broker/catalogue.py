"""Packets byte by byte, good and bad: one catalogue for every test that needs some."""

from broker import wire
from broker.wire import Will, packet, text
from soul_broker import packets as mqtt
from soul_broker.packets import (
    Acknowledgement,
    Connect,
    Disconnect,
    Packet,
    PingRequest,
    Publish,
    Subscribe,
    Unsubscribe,
)
from soul_broker.packets import Will as ParsedWill

_HEADER = text("MQTT") + b"\x04"

GOOD: dict[str, tuple[bytes, Packet]] = {
    "connect": (wire.connect("c", "u", "p"), Connect("c", True, 60, None, "u", b"p")),
    "connect, bare": (bytes.fromhex("100c00044d5154540400000a0000"), Connect("", False, 10)),
    "connect, will": (
        wire.connect("c", will=Will("a/b", b"\xff\0", 2, True), clean=False),
        Connect("c", False, 60, ParsedWill("a/b", b"\xff\0", 2, True)),
    ),
    "connect, empty password": (wire.connect("c", "u", ""), Connect("c", True, 60, None, "u", b"")),
    "publish": (wire.publish("a/b", b"x"), Publish("a/b", b"x")),
    "publish, empty": (wire.publish("a"), Publish("a", b"")),
    "publish, retained": (wire.publish("a", b"x", retain=True), Publish("a", b"x", retain=True)),
    "publish, qos 1": (
        wire.publish("a", b"x", qos=1, packet_id=65535),
        Publish("a", b"x", 1, packet_id=65535),
    ),
    "publish, qos 2, dup": (
        wire.publish("a", b"x", qos=2, dup=True, packet_id=1),
        Publish("a", b"x", 2, dup=True, packet_id=1),
    ),
    "publish, other scripts": (wire.publish("дом/音", b"x"), Publish("дом/音", b"x")),
    "publish, a length of two bytes": (wire.publish("a", b"x" * 300), Publish("a", b"x" * 300)),
    "publish, a length longer than needed": (b"\x30\x84\x00\x00\x01ax", Publish("a", b"x")),
    "puback": (b"\x40\x02\x00\x05", Acknowledgement(mqtt.PUBACK, 5)),
    "pubrec": (b"\x50\x02\x00\x05", Acknowledgement(mqtt.PUBREC, 5)),
    "pubrel": (b"\x62\x02\x00\x05", Acknowledgement(mqtt.PUBREL, 5)),
    "pubcomp": (b"\x70\x02\x00\x05", Acknowledgement(mqtt.PUBCOMP, 5)),
    "subscribe": (
        wire.subscribe(("a/+/b", 0), ("#", 2), ("/", 1), packet_id=3),
        Subscribe(3, (("a/+/b", 0), ("#", 2), ("/", 1))),
    ),
    "unsubscribe": (wire.unsubscribe("a/#", "+"), Unsubscribe(1, ("a/#", "+"))),
    "pingreq": (wire.PING, PingRequest()),
    "disconnect": (wire.DISCONNECT, Disconnect()),
}

BAD_FIRST: dict[str, bytes] = {
    "no CONNECT": wire.publish("a", b"x"),
    "a ping": wire.PING,
    "HTTP": b"GET / HTTP/1.1\r\n\r\n",
    "another protocol": packet(0x10, text("MQTX") + b"\x04\x02\0\x3c" + text("c")),
    "flags of CONNECT": packet(0x11, _HEADER + b"\x02\0\x3c" + text("c")),
    "the reserved CONNECT flag": packet(0x10, _HEADER + b"\x03\0\x3c" + text("c")),
    "will QoS 3": packet(0x10, _HEADER + b"\x1e\0\x3c" + text("c") + text("t") + text("m")),
    "will QoS without a will": packet(0x10, _HEADER + b"\x0a\0\x3c" + text("c")),
    "will retain without a will": packet(0x10, _HEADER + b"\x22\0\x3c" + text("c")),
    "a will to a wildcard": packet(0x10, _HEADER + b"\x06\0\x3c" + text("c") + text("a/#") + text("m")),
    "a will to nowhere": packet(0x10, _HEADER + b"\x06\0\x3c" + text("c") + text("") + text("m")),
    "a password without a user": packet(0x10, _HEADER + b"\x42\0\x3c" + text("c") + text("p")),
    "a missing client id": packet(0x10, _HEADER + b"\x02\0\x3c"),
    "a missing user name": packet(0x10, _HEADER + b"\x82\0\x3c" + text("c")),
    "bytes after the end": packet(0x10, _HEADER + b"\x02\0\x3c" + text("c") + b"\0"),
    "a client id that is no UTF-8": packet(0x10, _HEADER + b"\x02\0\x3c" + text(b"\xc3\x28")),
    "a client id with NUL": packet(0x10, _HEADER + b"\x02\0\x3c" + text("a\0b")),
    "too large before authentication": b"\x10" + wire.length(20_000),
    "an empty CONNECT": b"\x10\x00",
}

BAD: dict[str, bytes] = {
    "QoS 3": b"\x36\x05\0\x01a\0\x01",
    "DUP at QoS 0": b"\x38\x04\0\x01ax",
    "no topic length": b"\x30\x01\0",
    "topic longer than the packet": b"\x30\x04\0\x09ax",
    "no packet id": b"\x32\x03\0\x01a",
    "half a packet id": b"\x32\x04\0\x01a\0",
    "packet id 0": wire.publish("a", b"x", qos=1, packet_id=0),
    "an empty topic": wire.publish("", b"x"),
    "a topic with +": wire.publish("a/+", b"x"),
    "a topic with #": wire.publish("a/#", b"x"),
    "a topic with NUL": wire.publish("a\0b", b"x"),
    "a topic that is no UTF-8": packet(0x30, text(b"\xff") + b"x"),
    "a topic with a surrogate": packet(0x30, text(b"\xed\xa0\x80") + b"x"),
    "an overlong topic character": packet(0x30, text(b"\xc0\xaf") + b"x"),
    "remaining length of five bytes": b"\x30\xff\xff\xff\xff\x01",
    "too large": b"\x30" + wire.length(600_000),
    "packet type 0": b"\x00\x00",
    "packet type 15": b"\xf0\x00",
    "CONNACK from a client": b"\x20\x02\0\0",
    "SUBACK from a client": b"\x90\x03\0\x01\0",
    "PINGRESP from a client": wire.PONG,
    "flags of SUBSCRIBE": packet(0x80, b"\0\x01" + text("a") + b"\0"),
    "SUBSCRIBE to nothing": packet(0x82, b"\0\x01"),
    "SUBSCRIBE with id 0": wire.subscribe(("a", 0), packet_id=0),
    "SUBSCRIBE with QoS 3": wire.subscribe(("a", 3)),
    "SUBSCRIBE with reserved bits": packet(0x82, b"\0\x01" + text("a") + b"\x04"),
    "SUBSCRIBE without QoS": packet(0x82, b"\0\x01" + text("a")),
    "an empty filter": wire.subscribe(("", 0)),
    "# in the middle": wire.subscribe(("a/#/b", 0)),
    "# beside other characters": wire.subscribe(("a#", 0)),
    "+ beside other characters": wire.subscribe(("a+/b", 0)),
    "UNSUBSCRIBE from nothing": packet(0xA2, b"\0\x01"),
    "flags of UNSUBSCRIBE": packet(0xA0, b"\0\x01" + text("a")),
    "flags of PUBREL": b"\x60\x02\0\x01",
    "PUBACK with id 0": b"\x40\x02\0\0",
    "a long PUBACK": b"\x40\x03\0\x01\0",
    "a short PUBREC": b"\x50\x01\0",
    "flags of PINGREQ": b"\xc1\x00",
    "a body in PINGREQ": b"\xc0\x01\0",
    "flags of DISCONNECT": b"\xe1\x00",
    "a second CONNECT": wire.connect("c"),
}
