"""Packets that break MQTT 3.1.1, by what is wrong with them; after any of them a connection is closed.

`FIRST` is for a connection that has said nothing, `LATER` for one that was admitted: kind, name, bytes.
"""

from collections.abc import Callable
from typing import Final

from broker import wire
from broker.catalogue import GOOD
from broker.wire import Will, length, packet, text

_HEADER: Final = text("MQTT") + b"\x04"
_ID: Final = b"\0\x01"


def _connect(flags: int, *fields: bytes) -> bytes:
    return packet(0x10, _HEADER + bytes([flags]) + b"\0\x3c" + b"".join(fields))


# Every packet that a client sends, so short that it is wrong without its last byte: first byte, body.
_CONNECT = (0x10, wire.connect("c", "u", "p", will=Will("t", b"m"))[2:])
_WHOLE: Final[dict[str, tuple[int, bytes]]] = {
    "PUBLISH": (0x30, text("a")),
    "PUBLISH at QoS 1": (0x32, text("a") + _ID),
    "PUBLISH at QoS 2": (0x34, text("a") + _ID),
    "PUBACK": (0x40, _ID),
    "PUBREC": (0x50, _ID),
    "PUBREL": (0x62, _ID),
    "PUBCOMP": (0x70, _ID),
    "SUBSCRIBE": (0x82, _ID + text("a") + b"\0"),
    "UNSUBSCRIBE": (0xA2, _ID + text("a")),
    "PINGREQ": (0xC0, b""),
    "DISCONNECT": (0xE0, b""),
}
_NO_TEXT: Final = {
    "a byte of no character": b"\xff",
    "a continuation alone": b"\x80",
    "a cut character": b"a\xe2\x82",
    "an overlong character": b"\xc0\xaf",
    "a surrogate": b"\xed\xa0\x80",
    "beyond U+10FFFF": b"\xf4\x90\x80\x80",
    "Latin-1": b"caf\xe9",
}
_NULS: Final = {"NUL": b"\0", "NUL inside": b"a\0b", "NUL at the end": b"a\0"}

_FIRST_TEXTS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "protocol name": lambda raw: packet(0x10, text(raw) + b"\x04\x02\0\x3c" + text("c")),
    "client id": lambda raw: _connect(0x02, text(raw)),
    "will topic": lambda raw: _connect(0x06, text("c"), text(raw), text("m")),
    "user name": lambda raw: _connect(0x82, text("c"), text(raw)),
}
_LATER_TEXTS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "topic": lambda raw: packet(0x30, text(raw) + b"x"),
    "topic at QoS 1": lambda raw: packet(0x32, text(raw) + _ID),
    "filter": lambda raw: packet(0x82, _ID + text(raw) + b"\0"),
    "second filter": lambda raw: packet(0x82, _ID + text("a") + b"\0" + text(raw) + b"\0"),
    "filter to leave": lambda raw: packet(0xA2, _ID + text(raw)),
}


def _texts(places: dict[str, Callable[[bytes], bytes]], bad: dict[str, bytes]) -> dict[str, bytes]:
    return {f"{place}: {name}": make(raw) for place, make in places.items() for name, raw in bad.items()}


def _cut(name: str, first: int, body: bytes) -> dict[str, bytes]:
    return {f"{name} cut to {count}": packet(first, body[:count]) for count in range(len(body))}


def _lengths(name: str, first: int, body: bytes) -> dict[str, bytes]:
    made = {f"{name}: a length of five bytes": bytes([first]) + b"\xff\xff\xff\xff\x01"}
    if not name.startswith("PUBLISH"):
        made[f"{name}: a byte too many"] = packet(first, body + b"\0")
    return made


def _nibbles(name: str, first: int, body: bytes) -> dict[str, bytes]:
    return {
        f"{name} with flags {flags:04b}": packet(first & 0xF0 | flags, body)
        for flags in range(16)
        if flags != first & 0x0F
    }


def _all(make: Callable[[str, int, bytes], dict[str, bytes]]) -> dict[str, bytes]:
    return {name: raw for each, whole in _WHOLE.items() for name, raw in make(each, *whole).items()}


_SERVERS: Final = {
    "CONNACK": wire.ACCEPTED,
    "SUBACK": b"\x90\x03\0\x01\0",
    "UNSUBACK": b"\xb0\x02\0\x01",
    "PINGRESP": wire.PONG,
    "packet type 0": b"\x00\x00",
    "packet type 15": b"\xf0\x00",
}

FIRST: Final[dict[str, dict[str, bytes]]] = {
    "no CONNECT": {name: raw for name, (raw, _) in GOOD.items() if not name.startswith("connect")}
    | {"HTTP": b"GET / HTTP/1.1\r\n\r\n", "TLS": b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"},
    "a server's packet": _SERVERS,
    "truncated": _cut("CONNECT", *_CONNECT),
    "bad length": _lengths("CONNECT", *_CONNECT)
    | {
        "longer than we take": b"\x10" + length(20_000),
        "client id longer than its packet": _connect(0x02, b"\xff\xffc"),
        "will longer than its packet": _connect(0x06, text("c"), text("t"), b"\0\x09m"),
    },
    "reserved bits": _nibbles("CONNECT", *_CONNECT),
    "the reserved CONNECT flag": {"flag 0": _connect(0x03, text("c"))},
    "bad UTF-8": _texts(_FIRST_TEXTS, _NO_TEXT),
    "NUL": _texts(_FIRST_TEXTS, _NULS),
    "another protocol": {
        name: packet(0x10, text(name) + b"\x04\x02\0\x3c" + text("c"))
        for name in ("MQTX", "mqtt", "MQTTT", "MQT", "", "\ufeffMQTT")
    },
    "will flags without a will": {
        "will QoS 1": _connect(0x0A, text("c")),
        "will QoS 2": _connect(0x12, text("c")),
        "will retain": _connect(0x22, text("c")),
        "will topic and message": _connect(0x02, text("c"), text("t"), text("m")),
    },
    "a will flag without a will": {
        "nothing": _connect(0x06, text("c")),
        "no message": _connect(0x06, text("c"), text("t")),
    },
    "will QoS 3": {"will QoS 3": _connect(0x1E, text("c"), text("t"), text("m"))},
    "a will to no topic": {
        "empty": _connect(0x06, text("c"), text(""), text("m")),
        "+": _connect(0x06, text("c"), text("a/+"), text("m")),
        "#": _connect(0x06, text("c"), text("a/#"), text("m")),
    },
    "user name and password": {
        "a user name unannounced": _connect(0x02, text("c"), text("u")),
        "a missing user name": _connect(0x82, text("c")),
        "a password unannounced": _connect(0x82, text("c"), text("u"), text("p")),
        "a missing password": _connect(0xC2, text("c"), text("u")),
        "a password without a user": _connect(0x42, text("c"), text("p")),
    },
}

LATER: Final[dict[str, dict[str, bytes]]] = {
    "truncated": _all(_cut),
    "bad length": _all(_lengths)
    | {
        "larger than we take": b"\x30" + length(600_000),
        "topic longer than its packet": b"\x30\x04\0\x09ax",
        "filter longer than its packet": packet(0x82, _ID + b"\0\x09a\0"),
    },
    # PUBLISH has no reserved bits; its bad flags are the next two.
    "reserved bits": {name: raw for name, raw in _all(_nibbles).items() if not name.startswith("PUBLISH")},
    "QoS 3": {f"flags {flags:04b}": packet(0x30 | flags, text("a") + _ID) for flags in (0x6, 0x7, 0xE, 0xF)},
    "DUP at QoS 0": {f"flags {flags:04b}": packet(0x30 | flags, text("a")) for flags in (0x8, 0x9)},
    "bad UTF-8": _texts(_LATER_TEXTS, _NO_TEXT),
    "NUL": _texts(_LATER_TEXTS, _NULS),
    "empty topic": {place: make(b"") for place, make in _LATER_TEXTS.items()},
    "a wildcard in a topic": {
        topic: wire.publish(topic, b"x") for topic in ("#", "+", "a/+", "a/#", "a+b", "a#", "+/a")
    },
    "a wildcard out of place": {
        f"{pattern}{' to leave' if leave else ''}": (
            wire.unsubscribe(pattern) if leave else wire.subscribe((pattern, 0))
        )
        for pattern in ("a/#/b", "#/a", "a#", "##", "#a", "a/b#", "a+", "+a", "a/+b/c", "++")
        for leave in (False, True)
    },
    "packet id 0": {
        name: packet(first, body.replace(_ID, b"\0\0"))
        for name, (first, body) in _WHOLE.items()
        if _ID in body and name != "PUBLISH"
    },
    "no filter": {"SUBSCRIBE": packet(0x82, _ID), "UNSUBSCRIBE": packet(0xA2, _ID)},
    "QoS of SUBSCRIBE": {
        f"{qos:#04x}": packet(0x82, _ID + text("a") + bytes([qos])) for qos in (3, 4, 8, 0x40, 0x80, 0xFF)
    },
    "second CONNECT": {
        "the same": wire.connect("c"),
        "of MQTT 5": wire.connect("c", level=5),
        "of a bad token": wire.connect("c", "alice", "guessed"),
    },
    "a server's packet": _SERVERS,
}


def every(kinds: dict[str, dict[str, bytes]]) -> dict[str, bytes]:
    """All of them in one, by kind and name."""
    return {f"{kind}: {name}": raw for kind, named in kinds.items() for name, raw in named.items()}
