"""Links to a broker that is not ours: what any MQTT server must do is enough."""

import asyncio
import contextlib
import socket
from pathlib import Path
from typing import Any

import pytest

from soul_connect.address import Address, parse_url, trust
from soul_connect.link import Dial, LinkLost, LinkUntrusted
from soul_connect.transport import MqttLink, open_link


def dial(url: str, client_id: str, **options: object) -> Dial:
    fields: dict[str, object] = {
        "address": parse_url(url),
        "client_id": client_id,
        "user": "alice",
        "token": "x",
        "will": (f"will/{client_id}", b"gone"),
        "filters": ("will/+", "talk/+"),
        "tls": None,
        **options,
    }
    return Dial(**fields)  # type: ignore[arg-type]


async def heard(link_messages: object, count: int) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    async for message in link_messages:  # type: ignore[attr-defined]
        found.append((message.topic, message.payload))
        if len(found) == count:
            return found
    raise AssertionError("the messages ended")


@pytest.mark.parametrize("way", ["tcp", "websocket"])
async def test_messages_go_round_in_order(ports: tuple[int, int], way: str) -> None:
    url = f"mqtt://127.0.0.1:{ports[0]}" if way == "tcp" else f"ws://127.0.0.1:{ports[1]}"
    async with open_link(dial(url, way)) as link:
        texts = [str(number).encode() * 1_000 for number in range(30)]
        sending = asyncio.gather(
            *(link.publish("talk/a", text, number % 2) for number, text in enumerate(texts))
        )
        async with asyncio.timeout(10):
            assert await heard(link.messages(), 30) == [("talk/a", text) for text in texts]
        await sending
        await link.probe(2)


async def test_a_packet_leaves_during_the_call_whenever_its_acknowledgement_is_waited_for(
    ports: tuple[int, int],
) -> None:
    async with open_link(dial(f"mqtt://127.0.0.1:{ports[0]}", "early")) as link:
        first = link.publish("talk/first", b"", 1)
        await link.publish("talk/second", b"", 1)
        async with asyncio.timeout(10):
            heard_topics = [topic for topic, _ in await heard(link.messages(), 2)]
        assert heard_topics == ["talk/first", "talk/second"]
        await first


async def test_what_cannot_be_sent_is_a_lost_link(ports: tuple[int, int]) -> None:
    async with open_link(dial(f"mqtt://127.0.0.1:{ports[0]}", "cut")) as link:
        assert isinstance(link, MqttLink)
        link._client._client._sock_close()
        with pytest.raises(LinkLost):
            await link.publish("talk/late", b"", 0)


@pytest.mark.parametrize("way", ["tcp", "websocket"])
async def test_no_small_message_waits_for_another(ports: tuple[int, int], way: str) -> None:
    """With Nagle's algorithm a report waits 40 ms for the acknowledgement of the PUBACK before it."""
    url = f"mqtt://127.0.0.1:{ports[0]}" if way == "tcp" else f"ws://127.0.0.1:{ports[1]}"
    async with open_link(dial(url, way)) as link:
        assert isinstance(link, MqttLink)
        wrapped = link._client._client.socket()
        connection = getattr(wrapped, "_socket", None)  # what is around it, is ours or paho's
        assert isinstance(connection, socket.socket)
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize("clean", [True, False])
async def test_only_a_cut_sends_the_will(ports: tuple[int, int], clean: bool) -> None:
    url = f"mqtt://127.0.0.1:{ports[0]}"
    async with open_link(dial(url, "witness")) as witness:
        try:
            async with open_link(dial(url, "dying")) as link:
                await link.publish("talk/last", b"", 1)
                assert clean, "cut"
        except AssertionError:
            pass
        await witness.publish("talk/end", b"", 1)
        async with asyncio.timeout(10):
            # That the connection was cut, the broker may notice after it has `talk/end`.
            first = await heard(witness.messages(), 2 if clean else 3)
        expected = ("talk/end", b"") if clean else ("will/dying", b"gone")
        assert expected in first


async def test_being_displaced_is_the_other_sides_doing(ports: tuple[int, int]) -> None:
    url = f"mqtt://127.0.0.1:{ports[0]}"

    async def be_displaced() -> None:
        async with open_link(dial(url, "same")) as link, open_link(dial(url, "same")):
            await heard(link.messages(), 1)

    with pytest.raises(LinkLost) as lost:
        await asyncio.wait_for(be_displaced(), 10)
    assert lost.value.by_peer


async def test_a_server_that_accepts_and_closes_is_not_waited_for() -> None:
    async def close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(close, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    loop = asyncio.get_running_loop()
    start = loop.time()
    with pytest.raises(LinkLost):
        async with open_link(dial(f"mqtt://127.0.0.1:{port}", "x")):
            pass
    assert loop.time() - start < 3
    server.close()
    await server.wait_closed()


async def test_cancelling_leaves_no_connection_behind(ports: tuple[int, int]) -> None:
    """Connecting happens in a thread, which cannot be stopped: what it makes is closed."""
    url = f"mqtt://127.0.0.1:{ports[0]}"

    async def connect() -> None:
        async with open_link(dial(url, "hasty")):
            await asyncio.Event().wait()

    for turn in range(40):
        task = asyncio.create_task(connect())
        for _ in range(turn % 10):
            await asyncio.sleep(turn / 20_000)  # a moment each, spread over all that connecting takes
        task.cancel()
        await asyncio.wait({task})
    async with open_link(dial(url, "hasty")) as link:
        for _ in range(3):
            await link.probe(5)  # nobody throws it out


async def test_what_was_cut_is_not_watched_nor_is_who_gets_its_number(ports: tuple[int, int]) -> None:
    """A packet is written in the loop's next turn; by then the socket may be closed, and its number taken."""
    loop, problems, heirs = asyncio.get_running_loop(), list[dict[str, Any]](), list[socket.socket]()
    loop.set_exception_handler(lambda _, context: problems.append(context))
    for by_number in (False, True):
        with contextlib.suppress(KeyError):
            async with open_link(dial(f"mqtt://127.0.0.1:{ports[0]}", "cut")) as link:
                assert isinstance(link, MqttLink)
                connection = link._client._client.socket()
                assert connection is not None
                number = connection.fileno()
                link.publish("talk/late", b"", 0).close()
                raise KeyError
        while by_number and number not in {heir.fileno() for heir in heirs}:
            heirs.append(socket.socket())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert problems == []
        assert not loop.remove_writer(number)
    for heir in heirs:
        heir.close()


async def test_a_silent_server_is_given_up() -> None:
    ended = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(4)
        writer.write(b"\x20\x02\x00\x00")  # CONNACK
        writer.write(b"\x90\x04\x00\x01\x01\x01")  # SUBACK of packet 1
        await reader.read()
        writer.close()
        ended.set()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    async def speak() -> None:
        async with open_link(dial(f"mqtt://127.0.0.1:{port}", "x")) as link:
            with pytest.raises(LinkLost):
                await link.probe(0.2)
            await link.publish("talk/a", b"", 1, within=0.2)

    async with asyncio.timeout(10):
        with pytest.raises(LinkLost):
            await speak()
        await ended.wait()
    server.close()
    await server.wait_closed()


async def test_tls_needs_a_trusted_certificate(ports: tuple[int, int]) -> None:
    with pytest.raises(LinkLost) as lost:
        async with open_link(dial(f"mqtts://127.0.0.1:{ports[0]}", "x", tls=trust(None))):
            pass
    assert not isinstance(lost.value, LinkUntrusted)  # this one speaks no TLS at all


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("mqtt://home", Address("tcp", "home", 1883, "/mqtt", tls=False)),
        ("home", Address("tcp", "home", 1883, "/mqtt", tls=False)),
        ("home:1884", Address("tcp", "home", 1884, "/mqtt", tls=False)),
        ("mqtts://home", Address("tcp", "home", 8883, "/mqtt", tls=True)),
        ("ws://home:8080", Address("websockets", "home", 8080, "/mqtt", tls=False)),
        ("ws://home/", Address("websockets", "home", 80, "/mqtt", tls=False)),
        ("wss://home/other/path", Address("websockets", "home", 443, "/other/path", tls=True)),
        ("mqtt://[::1]:5", Address("tcp", "::1", 5, "/mqtt", tls=False)),
    ],
)
def test_urls(url: str, address: Address) -> None:
    assert parse_url(url) == address


@pytest.mark.parametrize("url", ["http://home", "mqtt://", "mqtt://user:secret@home", "mqtt://home:port", ""])
def test_urls_that_are_none(url: str) -> None:
    with pytest.raises(ValueError, match=r".+") as error:
        parse_url(url)
    assert "secret" not in str(error.value)


def test_an_authority_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="authority"):
        trust(tmp_path / "missing.pem")
    (tmp_path / "bad.pem").write_text("nothing")
    with pytest.raises(ValueError, match="authority"):
        trust(tmp_path / "bad.pem")
