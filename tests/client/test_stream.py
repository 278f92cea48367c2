"""paho's bytes: nothing is lost, nothing out of order, however little the socket takes or gives."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from client.test_transport import dial, heard
from soul_connect.link import Incoming
from soul_connect.stream import Stream
from soul_connect.transport import MqttLink, open_link

LARGE = 300_000


@pytest.fixture
def pair() -> Iterator[tuple[Stream, socket.socket]]:
    near, far = socket.socketpair()
    near.setblocking(False)
    yield Stream(near), far
    near.close()
    far.close()


def test_what_came_in_one_piece_is_read_in_the_pieces_asked_for(pair: tuple[Stream, socket.socket]) -> None:
    stream, far = pair
    far.sendall(b"abcdef")
    assert (stream.recv(1), stream.pending()) == (b"a", 5)
    assert (stream.recv(2), stream.recv(9), stream.pending()) == (b"bc", b"def", 0)
    with pytest.raises(BlockingIOError):
        stream.recv(1)
    far.close()
    assert stream.recv(1) == b""


def test_what_the_socket_does_not_take_waits_in_order(pair: tuple[Stream, socket.socket]) -> None:
    stream, far = pair
    said = b"".join(number.to_bytes(4, "big") for number in range(LARGE))
    assert stream.send(said) == len(said)
    assert not stream.flush()
    assert stream.send(b"end") == 3
    come = bytearray()
    while not come.endswith(b"end"):
        come += far.recv(1 << 16)
        stream.flush()
    assert stream.flush()
    assert come == said + b"end"


def test_nothing_is_kept_for_who_is_gone(pair: tuple[Stream, socket.socket]) -> None:
    stream, far = pair
    stream.send(b"hello")
    far.close()
    assert stream.flush()
    assert stream.recv(1) == b""


def test_what_was_said_leaves_before_it_closes(pair: tuple[Stream, socket.socket]) -> None:
    stream, far = pair
    stream.send(b"goodbye")
    stream.close()
    assert far.recv(100) == b"goodbye"
    assert far.recv(100) == b""
    assert stream.fileno() == -1


async def test_packets_larger_than_what_the_socket_takes_arrive_in_order(ports: tuple[int, int]) -> None:
    url = f"mqtt://127.0.0.1:{ports[0]}"
    async with open_link(dial(url, "large")) as link:
        assert isinstance(link, MqttLink)
        stream = link._client._client.socket()
        assert isinstance(stream, Stream)
        stream._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
        payloads = [bytes([number]) * LARGE for number in range(3)]
        async with asyncio.timeout(30):
            said = [link.publish("talk/large", payload, 1) for payload in payloads]
            assert link._outflow._waiting is not None, "the socket took all of it at once"
            came, *_ = await asyncio.gather(heard(link.messages(), 3), *said)
    assert [payload for _, payload in came] == payloads


async def test_what_a_listener_raises_ends_the_listening(ports: tuple[int, int]) -> None:
    def hear(_: Incoming) -> None:
        raise ZeroDivisionError

    async def listen() -> None:
        async with open_link(dial(f"mqtt://127.0.0.1:{ports[0]}", "clumsy")) as link, asyncio.timeout(10):
            link.publish("talk/a", b"x", 1).close()
            await link.listen(hear)

    with pytest.raises(ZeroDivisionError):
        await listen()
