"""Bytes to packets and back: the catalogue, and anything that Hypothesis thinks of."""

import contextlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.catalogue import GOOD
from broker.malformed import FIRST, LATER
from soul_broker.decoder import Decoder, TopicMemory
from soul_broker.errors import MalformedPacketError, UnacceptableProtocolError
from soul_broker.packets import Connect, Packet, Publish, remaining_length

OF_THE_CONNECTION = ("no CONNECT", "second CONNECT")
"""Well formed: it is the connection that wants one CONNECT, first."""
LIMIT = 16 * 1024
TOPICS = st.text(st.characters(exclude_characters="+#\0", codec="utf-8"), min_size=1, max_size=40)


def decode(*pieces: bytes, limit: int = 512 * 1024) -> list[Packet]:
    decoder = Decoder(limit, TopicMemory())
    packets = []
    for piece in pieces:
        decoder.feed(piece)
        while (packet := decoder.next_packet()) is not None:
            packets.append(packet)
    return packets


@pytest.mark.parametrize("name", GOOD)
def test_good(name: str) -> None:
    raw, packet = GOOD[name]
    assert decode(raw) == [packet]


@pytest.mark.parametrize("name", GOOD)
def test_good_byte_by_byte(name: str) -> None:
    raw, packet = GOOD[name]
    assert decode(*(raw[place : place + 1] for place in range(len(raw)))) == [packet]


@pytest.mark.parametrize("kind", [kind for kind in FIRST | LATER if kind not in OF_THE_CONNECTION])
def test_malformed(kind: str) -> None:
    for name, raw in [*FIRST.get(kind, {}).items(), *LATER.get(kind, {}).items()]:
        for pieces in ([raw], [raw[place : place + 1] for place in range(len(raw))]):
            with pytest.raises(MalformedPacketError):
                raise AssertionError(f"{name}: {decode(*pieces, limit=LIMIT)}")


@pytest.mark.parametrize("level", [0, 3, 5, 6, 0x84])
def test_other_protocol_levels(level: int) -> None:
    raw = bytearray(GOOD["connect, bare"][0])
    raw[8] = level
    with pytest.raises(UnacceptableProtocolError):
        decode(bytes(raw))


@given(
    st.lists(st.sampled_from(sorted(GOOD)), max_size=8),
    st.lists(st.integers(0, 2_000), max_size=12),
)
def test_where_the_stream_is_cut_does_not_matter(names: list[str], cuts: list[int]) -> None:
    stream = b"".join(GOOD[name][0] for name in names)
    places = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    pieces = [stream[a:b] for a, b in itertools.pairwise(places)]
    assert decode(*pieces) == [GOOD[name][1] for name in names]


@given(
    topic=TOPICS,
    payload=st.binary(max_size=300),
    qos=st.integers(0, 2),
    retain=st.booleans(),
    packet_id=st.integers(1, 0xFFFF),
    dup=st.booleans(),
)
def test_publish_round_trip(
    *, topic: str, payload: bytes, qos: int, retain: bool, packet_id: int, dup: bool
) -> None:
    message = Publish(topic, payload, qos, retain, dup and qos > 0, packet_id if qos else 0)
    encoded = message.encode(qos, packet_id, dup=message.dup, retain=retain)
    assert decode(encoded) == [message]
    assert decode(message.wire()) == [Publish(topic, payload)]


@given(st.integers(0, 268_435_455))
def test_remaining_length_round_trip(length: int) -> None:
    encoded = remaining_length(length)
    assert sum((digit & 0x7F) << 7 * place for place, digit in enumerate(encoded)) == length
    assert len(encoded) <= 4


@given(st.lists(st.binary(min_size=1, max_size=64), max_size=8))
def test_any_bytes_give_packets_or_the_one_error(pieces: list[bytes]) -> None:
    decoder = Decoder(LIMIT, TopicMemory())
    with contextlib.suppress(MalformedPacketError):
        for piece in pieces:
            decoder.feed(piece)
            while decoder.next_packet() is not None:
                assert decoder.pending() <= LIMIT + 64


@given(st.sampled_from(sorted(GOOD)), st.data())
def test_damaged_packets_give_packets_or_the_one_error(name: str, data: st.DataObject) -> None:
    raw = bytearray(GOOD[name][0])
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(MalformedPacketError):
        decode(bytes(raw), limit=LIMIT)


def test_a_length_beyond_the_limit_is_refused_before_its_body() -> None:
    decoder = Decoder(LIMIT, TopicMemory())
    decoder.feed(b"\x30" + remaining_length(LIMIT))
    with pytest.raises(MalformedPacketError):
        decoder.next_packet()


def test_a_topic_in_use_is_one_object() -> None:
    memory = TopicMemory()
    decoder = Decoder(LIMIT, memory)
    decoder.feed(GOOD["publish"][0] * 2)
    first, second = decoder.next_packet(), decoder.next_packet()
    assert isinstance(first, Publish) and isinstance(second, Publish)
    assert first.topic is second.topic


def test_the_memory_of_topics_is_bounded() -> None:
    memory = TopicMemory()
    for number in range(10_000):
        assert memory.decode(b"topic/%d" % number) == f"topic/{number}"
    assert len(memory._topics) <= 4_096


def test_a_connect_shows_no_password() -> None:
    packet = GOOD["connect"][1]
    assert isinstance(packet, Connect)
    assert "b'p'" not in repr(packet)


@pytest.mark.parametrize("name", GOOD)
def test_what_was_read_is_held_no_longer(name: str) -> None:
    raw, _ = GOOD[name]
    decoder = Decoder(1 << 20, TopicMemory())
    decoder.feed(raw + raw[:1])
    assert decoder.next_packet() is not None
    assert decoder.last_packet() == raw
    assert not decoder.done()
    assert decoder.next_packet() is None
    assert decoder.done()
    assert decoder.pending() == 1
    decoder.feed(raw[1:])
    assert decoder.next_packet() is not None
    assert decoder.done()
    assert decoder.last_packet() == b""
    assert decoder.next_packet() is None
