"""Coverage-guided fuzzing of the codec, of whole sessions and of the HTTP port, by hand.

    pip install atheris
    PYTHONPATH=tests nice -n 15 .venv/bin/python tests/broker/fuzz_atheris.py \
        -max_total_time=3600 -max_len=2048 -rss_limit_mb=1024 /tmp/corpus

The arguments are libFuzzer's. An exception, a broken invariant of `broker.world` and an
"internal error" in the log each end the run with the input that made it. Every 20,000 executions
the objects of ours that are still alive are counted, which ends the run where they grow,
and the resident memory is printed.
"""

import gc
import logging
import os
import sys
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import atheris
import structlog

with atheris.instrument_imports(include=["soul_broker"]):
    from soul_broker.connection import Connection
    from soul_broker.decoder import Decoder, TopicMemory
    from soul_broker.errors import MalformedPacketError
    from soul_broker.http_port import HttpPort
    from soul_broker.packets import Packet
    from soul_broker.tokens import Token, TokenVerifier

from broker import wire
from broker.catalogue import GOOD
from broker.house import KEY, mint
from broker.malformed import FIRST, LATER, every
from broker.world import World

CHECK_EVERY = 20_000
GROWTH_ALLOWED = 200
"""Objects of ours, beyond those of the first count: a lazily made one is no leak."""

HIGH_WATER = 1_000
"""Bytes that wait in a socket before its protocol is asked to write no more."""

DAY = 86_400
DEVICES = ("00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002")
DEVICE_TOKEN = mint(ttl=DAY)
SERVICE_TOKEN = mint("coordinator", "service", ttl=DAY)
PACKETS = [raw for raw, _ in GOOD.values()] + [*every(FIRST).values(), *every(LATER).values()]
UPGRADE = (
    b"GET /mqtt HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: mqtt\r\n\r\n"
)


class RememberingVerifier(TokenVerifier):
    """Checks a signature once: its arithmetic is not what is fuzzed, and costs more than all the rest."""

    def __init__(self) -> None:
        super().__init__([KEY.public_key()])
        self.known: dict[bytes, Token] = {}

    def _read(self, password: bytes) -> Token:
        if password not in self.known:
            # What is refused raises, so that only the two tokens above are ever kept.
            self.known[password] = super()._read(password)
        return self.known[password]


VERIFIER = RememberingVerifier()


class Reader:
    """The fuzzer's bytes as numbers and pieces; zeros once they have run out."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def more(self) -> bool:
        return self.at < len(self.data)

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1] if self.at <= len(self.data) else 0

    def piece(self) -> bytes:
        start = self.at + 1
        self.at = start + self.byte()
        return self.data[start : self.at]


def connect(flags: int) -> bytes:
    device = DEVICES[flags & 1]
    clean, service, will = bool(flags & 2), bool(flags & 4), bool(flags & 8)
    last = wire.Will(f"soul/v1/alice/device/{device}/up/will", b"gone", flags >> 4 & 1) if will else None
    user, token = ("coordinator", SERVICE_TOKEN) if service else ("alice", DEVICE_TOKEN)
    if flags & 0x40:
        token = "guessed"
    return wire.connect(device, user, token, clean=clean, keep_alive=30, will=last)


def sessions(data: bytes) -> None:
    """A program of clients that come, talk sense or nonsense, stop reading and go."""
    reader = Reader(data)
    world = World(VERIFIER)
    while reader.more():
        step = reader.byte()
        who = step >> 4
        match step & 0x0F:
            case 0 | 1:
                if world.open():
                    world.send(-1, connect(reader.byte()))
            case 2:
                world.open()
            case 3 | 4:
                world.send(who, reader.piece())
            case 5 | 6 | 7 | 8:
                world.send(who, wire.packet(reader.byte(), reader.piece()))
            case 9:
                world.send(who, PACKETS[reader.byte() % len(PACKETS)])
            case 10:
                world.lose(who)
            case 11 | 12:
                world.read(who, writable=bool(step & 1))
            case _:
                world.wait((0.3, 11.0, 50.0)[who % 3])
        world.check_bounds()
        world.check_written()
    world.end()


def decoded(pieces: list[bytes]) -> tuple[list[Packet], type[Exception] | None]:
    decoder = Decoder(4_096, TopicMemory())
    packets: list[Packet] = []
    try:
        for piece in pieces:
            decoder.feed(piece)
            while (packet := decoder.next_packet()) is not None:
                packets.append(packet)
    except MalformedPacketError as error:
        return packets, type(error)
    return packets, None


def codec(data: bytes) -> None:
    """Where the stream is cut changes nothing; what is encoded again is decoded the same."""
    cut = data[0] + 1 if data else 1
    whole = data[1:]
    packets, error = decoded([whole])
    assert (packets, error) == decoded([whole[at : at + cut] for at in range(0, len(whole), cut)])
    for packet in packets:
        with suppress(AttributeError):
            again = packet.encode(packet.qos, packet.packet_id, dup=packet.dup, retain=packet.retain)  # type: ignore[union-attr]
            assert decoded([again]) == ([packet], None)


class MemoryTransport:
    """A socket of the HTTP port. What is written is gone at once, or where the peer is `stuck`, stays."""

    def __init__(self, factory: Callable[[], Any], later: list[Callable[[], None]], *, stuck: bool) -> None:
        self.stuck = stuck
        self.waiting = 0
        self.protocol: Any = factory()  # made by us, replaced by others
        self.later = later
        self.closing = False
        self.protocol.connection_made(self)

    def set_protocol(self, protocol: object) -> None:
        self.protocol = protocol

    def get_extra_info(self, name: str) -> tuple[str, int] | None:
        return ("192.0.2.1", 1) if name == "peername" else None

    def is_closing(self) -> bool:
        return self.closing

    def write(self, data: bytes) -> None:
        assert data
        if self.stuck:
            before, self.waiting = self.waiting, self.waiting + len(data)
            if before <= HIGH_WATER < self.waiting:
                self.protocol.pause_writing()

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def close(self) -> None:
        if not self.closing:
            self.closing = True
            self.later.append(lambda: self.protocol.connection_lost(None))

    abort = close

    def pause_reading(self) -> None:
        pass

    resume_reading = pause_reading


def http_port(data: bytes) -> None:
    """A request, a WebSocket and its frames, in whatever pieces."""
    reader = Reader(data)
    world = World(VERIFIER)
    flags = reader.byte()
    transport = MemoryTransport(
        lambda: HttpPort(world.hub, world.gate, None), world.soon, stuck=bool(flags & 2)
    )
    pieces: list[bytes] = [UPGRADE] if flags & 1 else []
    while reader.more():
        step = reader.byte()
        match step & 0x03:
            case 0:
                pieces.append(reader.piece())
            case 1:
                pieces.append(masked(step, connect(reader.byte())))
            case 2:
                pieces.append(masked(step, reader.piece()))
            case _:
                pieces.append(masked(0x80, wire.packet(reader.byte(), reader.piece())))
    for piece in pieces:
        if piece and not transport.closing:
            transport.protocol.data_received(piece)
        world.turn()
        world.check_bounds()
    transport.close()
    world.turn()
    world.end()


def masked(step: int, payload: bytes) -> bytes:
    """A frame whose mask is zeros, so that the fuzzer sees what it says."""
    opcode = (2, 2, 0, 1, 8, 9, 10, 3)[step >> 2 & 7]
    head = bytes([(step & 0x80) | opcode])
    if len(payload) < 126:
        return head + bytes([0x80 | len(payload)]) + bytes(4) + payload
    return head + b"\xfe" + len(payload).to_bytes(2, "big") + bytes(4) + payload


TARGETS = (codec, http_port, sessions, sessions)


class Watch:
    """Counts executions and what is left after them."""

    def __init__(self) -> None:
        self.executions = 0
        self.first: int | None = None

    def one(self, data: bytes) -> None:
        TARGETS[data[0] & 3 if data else 0](data[1:])
        self.executions += 1
        if self.executions % CHECK_EVERY == 0:
            self.count()

    def count(self) -> None:
        gc.collect()
        alive = sum(str(type(each).__module__).startswith("soul_broker") for each in gc.get_objects())
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        line = f"executions {self.executions} alive {alive} resident {resident >> 10} KB\n"
        os.write(2, line.encode())
        self.first = alive if self.first is None else self.first
        assert alive <= self.first + GROWTH_ALLOWED, "objects of ours are left behind"


def no_internal_error(_: object, __: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The connection survives our own bugs; the fuzzer is not to."""
    if entry["event"] == "internal error":
        os.write(2, b"internal error\n")
        raise sys.exc_info()[1] or AssertionError
    raise structlog.DropEvent


def seeds(corpus: Path) -> None:
    """Something of every kind to start from, where the corpus is empty."""
    corpus.mkdir(parents=True, exist_ok=True)
    if any(corpus.iterdir()):
        return
    topic = wire.text(f"soul/v1/alice/device/{DEVICES[0]}/up/state")
    state, everything = wire.text("soul/v1/alice/all/state"), wire.text("soul/v1/#")
    programs = {
        "come-and-go": b"\x00\x02\x0a",
        "subscribe": b"\x00\x06\x05\x82" + bytes([len(everything) + 3]) + b"\0\1" + everything + b"\2",
        "publish": b"\x00\x00" + b"\x05\x30" + bytes([len(topic) + 1]) + topic + b"x",
        "deliver": (
            b"\x00\x06\x05\x82" + bytes([len(everything) + 3]) + b"\0\1" + everything + b"\2"
            + b"\x05\x35" + bytes([len(state) + 3]) + state + b"\0\1x"
            + b"\x05\x50\x02\0\1\x05\x70\x02\0\1\x05\x62\x02\0\1\x0a\x00\x04"
        ),
    }  # fmt: skip
    for name, program in programs.items():
        (corpus / name).write_bytes(b"\2" + program)
    for number, packet in enumerate(PACKETS):
        if len(packet) < 256:
            (corpus / f"codec-{number}").write_bytes(b"\0\3" + packet)
            (corpus / f"session-{number}").write_bytes(b"\2\x00\x04\x03" + bytes([len(packet)]) + packet)
            (corpus / f"socket-{number}").write_bytes(
                b"\1\1\x81\x04" + b"\x82" + bytes([len(packet)]) + packet
            )
    for number, header in enumerate((b"", b"Origin: http://h\r\n", b"X-Forwarded-For: h\r\n")):
        request = UPGRADE[:-2] + header + b"\r\n"
        (corpus / f"request-{number}").write_bytes(b"\1\0\0" + bytes([len(request)]) + request)


def main() -> None:
    structlog.configure(processors=[no_internal_error])
    logging.disable()
    directories = [each for each in sys.argv[1:] if not each.startswith("-")]
    if directories and not Path(directories[0]).is_file():
        seeds(Path(directories[0]))
    assert Connection.__slots__
    atheris.Setup(sys.argv, Watch().one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
