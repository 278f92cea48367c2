"""QoS 1 and 2 from end to end, over cut connections: MQTT 3.1.1, sections 4.3 to 4.6."""

from dataclasses import replace
from typing import Any

import pytest

from broker import wire
from broker.house import Running, Start, new_device
from broker.wire import Message, Raw
from soul_broker.listeners import listener_config
from soul_broker.packets import Publish
from soul_broker.server import BrokerSettings
from soul_broker.session import Session, SessionBounds, SessionKey

STATE = "soul/v1/alice/all/state"
DEVICE = new_device()
UP = f"soul/v1/alice/device/{DEVICE}/up/state"
SETTINGS = BrokerSettings()
ASKED: dict[str, object] = {
    "amqtt.plugins.authentication.AnonymousAuthPlugin": {},
    "amqtt.plugins.topic_checking.TopicTabooPlugin": {},
}


@pytest.fixture(params=[{}, ASKED], ids=["unasked", "asked"])
def config(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Without plugins, and with a topic plugin that is asked about every message."""
    return listener_config("127.0.0.1", mqtt_port=0, plugins=request.param)


@pytest.fixture
async def running(start: Start, config: dict[str, Any]) -> Running:
    broker: Running = await start(config=config)
    return broker


async def kept_reader(running: Running, qos: int = 2) -> Raw:
    """An observer whose session is kept, subscribed to all of alice's."""
    reader = await running.observer(clean=False)
    reader.send(wire.subscribe(("soul/v1/alice/#", qos)))
    await reader.receive()
    return reader


async def say(service: Raw, count: int, *, qos: int, first: int = 1) -> None:
    """The service publishes `count` numbered messages, each acknowledged."""
    for number in range(first, first + count):
        service.send(wire.publish(STATE, b"%d" % number, qos=qos, packet_id=number))
        await service.expect(wire.acknowledge(wire.PUBACK if qos == 1 else wire.PUBREC, number))
        if qos == 2:
            service.send(wire.acknowledge(wire.PUBREL, number))
            await service.expect(wire.acknowledge(wire.PUBCOMP, number))


async def take(reader: Raw, message: Message) -> None:
    """Acknowledge a message as its QoS wants, to the end."""
    if message.qos == 1:
        reader.send(wire.acknowledge(wire.PUBACK, message.packet_id))
    if message.qos == 2:
        reader.send(wire.acknowledge(wire.PUBREC, message.packet_id))
        await reader.expect(wire.acknowledge(wire.PUBREL, message.packet_id))
        reader.send(wire.acknowledge(wire.PUBCOMP, message.packet_id))


@pytest.mark.parametrize("qos", [1, 2])
async def test_in_order_through_a_window_of_three(start: Start, config: dict[str, Any], qos: int) -> None:
    session = replace(SETTINGS.session, inflight=3)
    running: Running = await start(config=config, settings=replace(SETTINGS, session=session))
    reader = await kept_reader(running)
    await say(await running.service(), 40, qos=qos)
    sent = [await reader.message() for _ in range(3)]
    await reader.silent()
    assert len({message.packet_id for message in sent}) == 3
    received = []
    for number in range(40):
        message = sent.pop(0) if sent else await reader.message()
        received.append(message.payload)
        assert not message.dup
        # With QoS 2 the next message may come between PUBREL and PUBCOMP, not before.
        reader.send(wire.acknowledge(wire.PUBACK if qos == 1 else wire.PUBREC, message.packet_id))
        if qos == 2:
            await reader.expect(wire.acknowledge(wire.PUBREL, message.packet_id))
            reader.send(wire.acknowledge(wire.PUBCOMP, message.packet_id))
        if number < 37:
            sent.append(await reader.message())
    assert received == [b"%d" % number for number in range(1, 41)]
    await reader.silent()


async def test_what_is_sent_again_keeps_order_ids_and_qos(running: Running) -> None:
    reader = await kept_reader(running)
    service = await running.service()
    for number in range(1, 21):
        await say(service, 1, qos=1 + number % 2, first=number)
    sent = [await reader.message() for _ in range(20)]
    # Of every third the end is heard: those are done.
    for message in sent[::3]:
        await take(reader, message)
    reader.drop()
    again = await running.observer(clean=False)
    rest = [message._replace(dup=True) for place, message in enumerate(sent) if place % 3]
    assert [await again.message() for _ in rest] == rest
    await again.silent()


async def test_sent_again_at_every_reconnect_until_acknowledged(running: Running) -> None:
    reader = await kept_reader(running)
    await say(await running.service(), 1, qos=1)
    sent = await reader.message()
    for _ in range(3):
        reader.drop()
        reader = await running.observer(clean=False)
        assert await reader.message() == sent._replace(dup=True)
    await take(reader, sent)
    await reader.silent()
    reader.drop()
    reader = await running.observer(clean=False)
    await reader.silent()


async def test_a_released_message_is_not_sent_again_but_its_pubrel_is(running: Running) -> None:
    reader = await kept_reader(running)
    await say(await running.service(), 1, qos=2)
    sent = await reader.message()
    reader.send(wire.acknowledge(wire.PUBREC, sent.packet_id))
    for _ in range(3):
        await reader.expect(wire.acknowledge(wire.PUBREL, sent.packet_id))
        await reader.silent()
        reader.drop()
        reader = await running.observer(clean=False)
    await reader.expect(wire.acknowledge(wire.PUBREL, sent.packet_id))
    reader.send(wire.acknowledge(wire.PUBCOMP, sent.packet_id))
    await reader.silent()


async def test_without_clean_session_nothing_is_sent_again(running: Running) -> None:
    reader = await kept_reader(running)
    await say(await running.service(), 3, qos=1)
    for _ in range(3):
        await reader.message()
    reader.drop()
    await (await running.observer(clean=True)).silent()


@pytest.mark.parametrize("qos", [1, 2])
async def test_what_comes_while_away_waits_with_its_qos(running: Running, qos: int) -> None:
    reader = await kept_reader(running)
    reader.send(wire.DISCONNECT)
    await reader.closed()
    service = await running.service()
    service.send(wire.publish(STATE, b"not kept"))
    await say(service, 30, qos=qos)
    again = await running.observer(clean=False)
    received = [await again.message() for _ in range(30)]
    for number, message in enumerate(received, 1):
        assert (message.payload, message.qos, message.dup) == (b"%d" % number, qos, False)
        await take(again, message)
    await again.silent()


async def test_a_qos_2_message_sent_again_after_a_cut_is_passed_on_once(running: Running) -> None:
    watch = await running.watch("soul/v1/#", qos=0)
    first = await running.device(device=DEVICE, clean=False)
    first.send(wire.publish(UP, b"once", qos=2, packet_id=7))
    await first.expect(wire.acknowledge(wire.PUBREC, 7))
    first.drop()
    again = await running.device(device=DEVICE, clean=False)
    again.send(wire.publish(UP, b"once", qos=2, packet_id=7, dup=True))
    await again.expect(wire.acknowledge(wire.PUBREC, 7))
    again.send(wire.acknowledge(wire.PUBREL, 7))
    await again.expect(wire.acknowledge(wire.PUBCOMP, 7))
    assert (await watch.message()).payload == b"once"
    # After PUBCOMP the id is that of a new message.
    again.send(wire.publish(UP, b"another", qos=2, packet_id=7))
    await again.expect(wire.acknowledge(wire.PUBREC, 7))
    assert (await watch.message()).payload == b"another"
    await watch.silent()


async def test_after_puback_the_same_id_is_a_new_message_whatever_dup_says(running: Running) -> None:
    watch = await running.watch("soul/v1/#", qos=0)
    device = await running.device(device=DEVICE)
    for dup in (False, True, True):
        device.send(wire.publish(UP, b"x", qos=1, packet_id=3, dup=dup))
        await device.expect(wire.acknowledge(wire.PUBACK, 3))
    assert [(await watch.message()).payload for _ in range(3)] == [b"x"] * 3


@pytest.mark.parametrize("qos", [1, 2])
@pytest.mark.parametrize("granted", [0, 1, 2])
async def test_the_publishers_dup_is_not_passed_on(running: Running, qos: int, granted: int) -> None:
    watch = await running.watch("soul/v1/#", qos=granted)
    device = await running.device(device=DEVICE)
    device.send(wire.publish(UP, b"x", qos=qos, packet_id=3, dup=True))
    message = await watch.message()
    assert (message.payload, message.qos, message.dup) == (b"x", min(qos, granted), False)


async def test_after_unsubscribe_what_was_begun_is_finished(running: Running) -> None:
    reader = await kept_reader(running)
    service = await running.service()
    await say(service, 1, qos=1)
    await say(service, 1, qos=2, first=2)
    sent = [await reader.message() for _ in range(2)]
    reader.send(wire.unsubscribe("soul/v1/alice/#"))
    await reader.expect(b"\xb0\x02\x00\x01")
    await say(service, 1, qos=1, first=3)
    await reader.silent()
    reader.drop()
    again = await running.observer(clean=False)
    for message in sent:
        assert await again.message() == message._replace(dup=True)
    for message in sent:
        await take(again, message)
    await again.silent()


async def test_every_subscriber_has_the_publishers_order(running: Running) -> None:
    watches = [await running.watch("soul/v1/#", qos=qos) for qos in (0, 1, 2)]
    devices = [new_device() for _ in range(2)]
    publishers = [await running.device(device=device) for device in devices]
    topics = [f"soul/v1/alice/device/{device}/up/state" for device in devices]
    for number in range(50):
        for publisher, topic in zip(publishers, topics, strict=True):
            publisher.send(wire.publish(topic, b"%d" % number, qos=1, packet_id=number + 1))
    for watch in watches:
        received = [await watch.message() for _ in range(100)]
        for topic in topics:
            heard = [message.payload for message in received if message.topic == topic]
            assert heard == [b"%d" % number for number in range(50)]


async def test_overlapping_subscriptions_in_any_order_deliver_once_at_the_highest_qos(
    running: Running,
) -> None:
    filters = [("soul/v1/#", 0), ("soul/v1/+/all/state", 2), (STATE, 1), ("soul/+/alice/all/+", 0)]
    service = await running.service()
    for place in range(len(filters)):
        reader = await running.service(f"reader-{place}")
        reader.send(wire.subscribe(*filters[place:], *filters[:place]))
        await reader.receive()
        service.send(wire.publish(STATE, b"x", qos=2, packet_id=place + 1))
        assert (await reader.message()).qos == 2
        await reader.silent()
        reader.send(wire.unsubscribe("soul/v1/+/all/state"))
        await reader.receive()
        service.send(wire.publish(STATE, b"y", qos=2, packet_id=place + 11))
        assert (await reader.message()).qos == 1
        await reader.silent()
        reader.drop()


class Sink:
    """An outlet that takes everything."""

    addressed = False

    def send(self, packet: bytes) -> None:
        self.last = packet

    def pass_on(self, message: Publish) -> None:
        self.last = message.wire()

    def send_control(self, packet: bytes) -> None:
        self.last = packet


def test_a_packet_id_in_use_is_not_given_again() -> None:
    bounds = SessionBounds(inflight=4, inflight_bytes=1_000, queue=10, queue_bytes=1_000, received=1)
    session = Session(SessionKey("alice", "observer", "c"), bounds, clean=False)
    session.connection = Sink()
    message = Publish("a", b"x", 1)
    session.deliver(message, 1)
    session.deliver(message, 2)
    session.acknowledge(0x50 >> 4, 2)
    # Once round: 1 waits for its PUBACK, 2 for its PUBCOMP; the others are given in turn.
    given = []
    for _ in range(0xFFFF):
        session.deliver(message, 1)
        [number] = set(session._inflight or ()) - {1, 2}
        given.append(number)
        assert session.acknowledge(0x40 >> 4, number)
    assert given[: 0xFFFF - 2] == list(range(3, 0x10000))
    assert given[0xFFFF - 2 :] == [3, 4]
