"""What clients of ours say to a broker: the statements of MQTT 3.1.1 that are about clients.

The Python client stands on aiomqtt, and that on paho; the broker writes down every packet.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator

import aiomqtt
import pytest
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from broker import wire
from broker.house import Running, mint, new_device
from soul_broker.decoder import Decoder, TopicMemory
from soul_broker.packets import (
    PUBACK,
    PUBCOMP,
    PUBREC,
    PUBREL,
    Acknowledgement,
    Connect,
    Disconnect,
    Packet,
    PingRequest,
    Publish,
    Subscribe,
    Unsubscribe,
)
from soul_broker.session import Session
from soul_connect.address import parse_url
from soul_connect.link import Dial
from soul_connect.transport import open_link
from waiting import until_async

STATE = "soul/v1/alice/all/state"


class Heard:
    """Every packet of one client and of the broker to it, in order, since it was asked for."""

    def __init__(self, running: Running, client_id: str) -> None:
        self.client_id = client_id
        self.packets: list[tuple[bool, bytes]] = []
        running.broker._hub.tap = self

    def __call__(self, session: Session | None, packet: bytes, *, sent: bool) -> None:
        if session is None:
            # A CONNECT has no session yet.
            connect = read(packet)
            mine = isinstance(connect, Connect) and connect.client_id == self.client_id
        else:
            mine = session.key.client_id == self.client_id
        if mine:
            self.packets.append((sent, packet))

    def said(self) -> list[Packet]:
        """What the client said, read."""
        return [read(packet) for sent, packet in self.packets if not sent]

    def ids(self, first: int, *, sent: bool) -> list[int]:
        """The packet ids of one kind, in order."""
        return [
            int.from_bytes(packet[2:4], "big")
            for by_us, packet in self.packets
            if by_us is sent and packet[0] >> 4 == first
        ]


def read(packet: bytes) -> Packet:
    decoder = Decoder(1 << 20, TopicMemory())
    decoder.feed(packet)
    found = decoder.next_packet()
    assert found is not None
    return found


@contextlib.contextmanager
def no_id_twice(heard: Heard) -> Iterator[None]:
    """Every packet id that the client gives is free when it gives it (checked at the end)."""
    yield
    held: set[int] = set()
    for sent, packet in heard.packets:
        if sent:
            if packet[0] >> 4 in {PUBACK, PUBCOMP, 9, 11}:
                held.discard(int.from_bytes(packet[2:4], "big"))
            continue
        match read(packet):
            case Publish(qos=1 | 2, dup=False, packet_id=number) | Subscribe(packet_id=number):
                pass
            case Unsubscribe(packet_id=number):
                pass
            case _:
                continue
        assert 0 < number < 0x10000
        assert number not in held
        held.add(number)
    assert held == set()


async def test_our_client_from_connect_to_disconnect(running: Running) -> None:
    device = new_device()
    up = f"soul/v1/alice/device/{device}/up"
    heard = Heard(running, device)
    host, port = running.tcp
    dial = Dial(
        address=parse_url(f"mqtt://{host}:{port}"),
        client_id=device,
        user="alice",
        token=mint(),
        will=(f"{up}/will", b"gone"),
        filters=(f"soul/v1/alice/device/{device}/down/+", "soul/v1/alice/all/+"),
        tls=None,
    )
    service = await running.service()
    with no_id_twice(heard):
        async with open_link(dial) as link:
            await asyncio.gather(
                *(link.publish(f"{up}/state", b"%d" % number, number % 2) for number in range(40))
            )
            for number in range(1, 41):
                service.send(wire.publish(STATE, b"%d" % number, qos=1, packet_id=number))
            messages = link.messages()
            assert [(await anext(messages)).payload for _ in range(40)] == [b"%d" % n for n in range(1, 41)]
            await link.probe(wire.WAIT)
            await until_async(lambda: len(heard.ids(PUBACK, sent=False)) == 40)
        await until_async(lambda: running.broker.statistics.clients_connected == 1)
    said = heard.said()
    # One CONNECT, first; DISCONNECT, last. Its fields were read in the order of section 3.1.3.
    assert isinstance(said[0], Connect)
    assert said[0].will is not None
    assert (said[0].client_id, said[0].username, said[0].will.topic) == (device, "alice", f"{up}/will")
    assert isinstance(said[-1], Disconnect)
    assert sum(isinstance(packet, Connect | Disconnect) for packet in said) == 2
    published = [packet for packet in said if isinstance(packet, Publish)]
    assert all((packet.packet_id == 0) is (packet.qos == 0) and not packet.dup for packet in published)
    sent = [int(packet.payload) for packet in published]
    assert sent == list(range(40))
    # Every message acknowledged, in the order in which they came.
    assert heard.ids(PUBACK, sent=False) == [
        int.from_bytes(packet[4 + len(STATE) : 6 + len(STATE)], "big")
        for by_us, packet in heard.packets
        if by_us and packet[0] & 0xF6 == 0x32
    ]
    # The broker closed without the will, and nothing was left to say.
    assert running.broker.statistics.wills_published == 0
    assert running.broker.statistics.malformed_closed == 0


async def test_qos_2_of_paho_both_ways(running: Running) -> None:
    heard = Heard(running, "c")
    topic = "soul/v1/alice/all/test"
    host, port = running.tcp
    with no_id_twice(heard):
        async with aiomqtt.Client(
            host, port, identifier="c", username="coordinator", password=mint("coordinator", "service")
        ) as client:
            await client.subscribe("soul/v1/alice/all/+", 2)
            await asyncio.gather(*(client.publish(topic, b"%d" % number, 2) for number in range(30)))
            messages = aiter(client.messages)
            async with asyncio.timeout(wire.WAIT):
                received = [(await anext(messages)).payload for _ in range(30)]
            assert received == [b"%d" % number for number in range(30)]
            await until_async(lambda: len(heard.ids(PUBCOMP, sent=False)) == 30)
            await client.unsubscribe("soul/v1/alice/all/+")
        await until_async(lambda: running.broker.statistics.clients_connected == 0)
    said = heard.said()
    assert all(isinstance(each, Packet) for each in said)
    # As a sender: PUBREL in the order of PUBREC. As a receiver: PUBREC in the order of PUBLISH.
    assert heard.ids(PUBREL, sent=False) == heard.ids(PUBREC, sent=True)
    assert len(heard.ids(PUBREL, sent=False)) == 30
    passed_on = [
        int.from_bytes(packet[4 + len(topic) : 6 + len(topic)], "big")
        for by_us, packet in heard.packets
        if by_us and packet[0] & 0xF6 == 0x34
    ]
    assert heard.ids(PUBREC, sent=False) == passed_on
    assert heard.ids(PUBCOMP, sent=False) == heard.ids(PUBREL, sent=True)
    assert [each.kind for each in said if isinstance(each, Acknowledgement)].count(PUBCOMP) == 30
    assert isinstance(said[-1], Disconnect)


def test_without_a_client_id_there_is_no_session_to_keep() -> None:
    with pytest.raises(ValueError, match="client id"):
        paho.Client(CallbackAPIVersion.VERSION2, client_id="", clean_session=False, protocol=paho.MQTTv311)


class Scripted:
    """A server that answers each packet as it is told to: with bytes, nothing, or by closing (None)."""

    def __init__(self, answer: Callable[[Packet], bytes | None]) -> None:
        self.answer = answer
        self.said: list[Packet] = []
        self.left = 0
        """How many clients have closed, before we did."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        decoder = Decoder(1 << 20, TopicMemory())
        while data := await reader.read(4_096):
            decoder.feed(data)
            while (packet := decoder.next_packet()) is not None:
                self.said.append(packet)
                answer = self.answer(packet)
                if answer is None:
                    writer.close()
                    return
                writer.write(answer)
        self.left += 1
        writer.close()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[tuple[str, int]]:
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()
        finally:
            server.close()
            await server.wait_closed()


async def test_a_quiet_client_pings() -> None:
    scripted = Scripted(lambda packet: wire.ACCEPTED if isinstance(packet, Connect) else wire.PONG)
    async with (
        scripted.running() as (host, port),
        aiomqtt.Client(host, port, identifier="quiet", keepalive=1),
    ):
        await until_async(lambda: sum(isinstance(each, PingRequest) for each in scripted.said) == 1)
    assert [type(each) for each in scripted.said[:2]] == [Connect, PingRequest]


async def test_after_disconnect_the_client_closes() -> None:
    scripted = Scripted(lambda packet: wire.ACCEPTED if isinstance(packet, Connect) else b"")
    async with scripted.running() as (host, port):
        async with aiomqtt.Client(host, port, identifier="c"):
            assert scripted.left == 0
        await until_async(lambda: scripted.left == 1)
    assert [type(each) for each in scripted.said] == [Connect, Disconnect]


async def test_paho_sends_again_what_was_not_acknowledged() -> None:
    def half(packet: Packet) -> bytes | None:
        match packet:
            case Connect():
                return wire.RESUMED
            case Publish(qos=2):
                return wire.acknowledge(wire.PUBREC, packet.packet_id)
            case Acknowledgement():
                return None
            case _:
                return b""

    scripted = Scripted(half)
    client = paho.Client(
        CallbackAPIVersion.VERSION2, client_id="c", clean_session=False, protocol=paho.MQTTv311
    )
    client.reconnect_delay_set(min_delay=1, max_delay=1)
    async with scripted.running() as (host, port):
        await asyncio.to_thread(client.connect, host, port)
        client.publish("a", b"one", 1)
        client.publish("a", b"two", 2)
        client.loop_start()
        try:
            await until_async(lambda: len(scripted.said) >= 7)
        finally:
            await asyncio.to_thread(client.disconnect)
            await asyncio.to_thread(client.loop_stop)
    connect, one, two, released, *again = scripted.said[:7]
    assert isinstance(connect, Connect) and isinstance(again[0], Connect)
    assert isinstance(one, Publish) and isinstance(two, Publish) and isinstance(released, Acknowledgement)
    assert not one.dup and not two.dup
    # The first has its id and DUP; of the second, which was received, only PUBREL comes again.
    repeated = [each for each in again if isinstance(each, Publish)]
    assert [(each.payload, each.packet_id, each.dup) for each in repeated] == [(b"one", one.packet_id, True)]
    assert [each for each in again if isinstance(each, Acknowledgement)] == [released]
