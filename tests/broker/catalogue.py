"""Good packets, byte by byte and as they are read; the bad ones are in `malformed`."""

from broker import wire
from broker.wire import Will
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
