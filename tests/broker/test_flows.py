"""QoS 0, 1 and 2, sessions and retained messages, byte by byte over TCP."""

import pytest

from broker import wire
from broker.house import Running, Start, mint, new_device
from broker.wire import Message
from soul_broker.server import BrokerSettings
from soul_broker.session import SessionBounds
from waiting import until_async

STATE = "soul/v1/alice/all/state"


async def test_qos_0_passes_on_the_very_bytes(running: Running) -> None:
    watch = await running.watch("soul/v1/#")
    service = await running.service()
    sent = wire.publish(STATE, b'{"type": "x"}')
    service.send(sent)
    await watch.expect(sent)


@pytest.mark.parametrize("asked", [0, 1, 2])
@pytest.mark.parametrize("published", [0, 1, 2])
async def test_delivered_at_the_lower_of_both_qos(running: Running, published: int, asked: int) -> None:
    watch = await running.watch("soul/v1/#", qos=asked)
    service = await running.service()
    service.send(wire.publish(STATE, b"x", qos=published, packet_id=7))
    if published == 1:
        await service.expect(wire.acknowledge(wire.PUBACK, 7))
    if published == 2:
        await service.expect(wire.acknowledge(wire.PUBREC, 7))
        service.send(wire.acknowledge(wire.PUBREL, 7))
        await service.expect(wire.acknowledge(wire.PUBCOMP, 7))
    message = await watch.message()
    assert message[:5] == (STATE, b"x", min(published, asked), False, False)
    await service.silent()


async def test_qos_2_in_is_passed_on_once(running: Running) -> None:
    watch = await running.watch("soul/v1/#", qos=0)
    service = await running.service()
    service.send(wire.publish(STATE, b"1", qos=2, packet_id=9))
    service.send(wire.publish(STATE, b"1", qos=2, packet_id=9, dup=True))
    for _ in range(2):
        await service.expect(wire.acknowledge(wire.PUBREC, 9))
    service.send(wire.acknowledge(wire.PUBREL, 9), wire.acknowledge(wire.PUBREL, 9))
    for _ in range(2):
        await service.expect(wire.acknowledge(wire.PUBCOMP, 9))
    service.send(wire.publish(STATE, b"2", qos=2, packet_id=9))
    assert [(await watch.message()).payload for _ in range(2)] == [b"1", b"2"]


async def test_qos_2_out_is_complete(running: Running) -> None:
    watch = await running.watch("soul/v1/#")
    service = await running.service()
    service.send(wire.publish(STATE, b"x", qos=2))
    message = await watch.message()
    watch.send(wire.acknowledge(wire.PUBREC, message.packet_id))
    await watch.expect(wire.acknowledge(wire.PUBREL, message.packet_id))
    watch.send(wire.acknowledge(wire.PUBCOMP, message.packet_id))
    await watch.silent()


async def test_what_was_not_acknowledged_comes_again_with_dup(running: Running) -> None:
    first = await running.observer(clean=False)
    first.send(wire.subscribe(("soul/v1/alice/#", 2)))
    await first.receive()
    service = await running.service()
    for number, qos in enumerate((1, 2, 2), 1):
        service.send(wire.publish(STATE, b"%d" % number, qos=qos, packet_id=number))
    sent = [await first.message() for _ in range(3)]
    # The second is released, the third not answered at all.
    first.send(wire.acknowledge(wire.PUBREC, sent[1].packet_id))
    await first.expect(wire.acknowledge(wire.PUBREL, sent[1].packet_id))
    first.drop()
    again = await running.observer(clean=False)
    one = await again.message()
    assert one == sent[0]._replace(dup=True)
    await again.expect(wire.acknowledge(wire.PUBREL, sent[1].packet_id))
    assert await again.message() == sent[2]._replace(dup=True)


async def test_messages_wait_for_a_client_that_is_away_in_order(running: Running) -> None:
    client = await running.observer(clean=False)
    client.send(wire.subscribe(("soul/v1/alice/#", 1)), wire.DISCONNECT)
    await client.receive()
    await client.closed()
    service = await running.service()
    for number in range(100):
        service.send(wire.publish(STATE, b"%d" % number, qos=1, packet_id=number + 1))
    service.send(wire.publish(STATE, b"not kept", qos=0))
    for _ in range(100):
        await service.receive()
    again = await running.raw()
    again.send(wire.connect("looking", "alice", mint("alice", "observer"), clean=False))
    await again.expect(wire.RESUMED)
    received: list[Message] = []
    while len(received) < 100:
        message = await again.message()
        received.append(message)
        again.send(wire.acknowledge(wire.PUBACK, message.packet_id))
    assert [message.payload for message in received] == [b"%d" % number for number in range(100)]
    assert not any(message.dup for message in received)


async def test_a_queue_is_bounded_and_loses_the_oldest(start: Start) -> None:
    bounds = SessionBounds(inflight=2, inflight_bytes=100, queue=3, queue_bytes=1_000, received=4)
    running = await start(settings=BrokerSettings(session=bounds))
    client = await running.observer(clean=False)
    client.send(wire.subscribe(("soul/v1/alice/#", 1)))
    await client.receive()
    service = await running.service()
    for number in range(9):
        service.send(wire.publish(STATE, b"%d" % number, qos=1, packet_id=number + 1))
    for _ in range(9):
        await service.receive()
    received = []
    for _ in range(5):
        message = await client.message()
        received.append(message.payload)
        client.send(wire.acknowledge(wire.PUBACK, message.packet_id))
    assert received == [b"0", b"1", b"6", b"7", b"8"]
    assert running.broker.statistics.publish_dropped == 4


async def test_a_session_is_forgotten_after_its_time(start: Start) -> None:
    running = await start(settings=BrokerSettings(session_expiry=0.2))
    client = await running.observer(clean=False)
    client.send(wire.DISCONNECT)
    await client.closed()
    await until_async(lambda: not running.broker.statistics.sessions)
    assert running.broker.statistics.sessions_expired == 1
    again = await running.raw()
    again.send(wire.connect("looking", "alice", mint("alice", "observer"), clean=False))
    await again.expect(wire.ACCEPTED)


async def test_clean_session_discards_what_was_kept(running: Running) -> None:
    client = await running.observer(clean=False)
    client.send(wire.subscribe(("soul/v1/alice/#", 1)), wire.DISCONNECT)
    await client.receive()
    await client.closed()
    for clean in (True, False):
        again = await running.raw()
        again.send(wire.connect("looking", "alice", mint("alice", "observer"), clean=clean))
        await again.expect(wire.ACCEPTED)
        again.send(wire.DISCONNECT)
        await again.closed()
    assert running.broker.statistics.subscriptions_count == 0


async def test_overlapping_subscriptions_deliver_once_at_the_highest_qos(running: Running) -> None:
    watch = await running.watch("soul/v1/#", qos=0)
    watch.send(wire.subscribe(("soul/v1/+/all/state", 1), packet_id=2))
    await watch.receive()
    service = await running.service()
    service.send(wire.publish(STATE, b"x", qos=1))
    assert (await watch.message()).qos == 1
    await watch.silent()


async def test_subscribing_again_replaces_the_qos(running: Running) -> None:
    watch = await running.watch("soul/v1/#", qos=0)
    watch.send(wire.subscribe(("soul/v1/#", 1), packet_id=2))
    await watch.receive()
    assert running.broker.statistics.subscriptions_count == 1
    service = await running.service()
    service.send(wire.publish(STATE, b"x", qos=1))
    assert (await watch.message()).qos == 1


async def test_unsubscribed_is_silent(running: Running) -> None:
    watch = await running.watch("soul/v1/#")
    watch.send(wire.unsubscribe("soul/v1/#", "soul/v1/not/there", packet_id=5))
    await watch.expect(b"\xb0\x02\x00\x05")
    service = await running.service()
    service.send(wire.publish(STATE, b"x"))
    await service.silent()
    await watch.silent()


async def test_retained_goes_to_new_subscriptions_only_with_the_flag(running: Running) -> None:
    early = await running.watch("soul/v1/#", qos=1)
    service = await running.service()
    service.send(wire.publish(STATE, b"kept", qos=1, retain=True))
    assert not (await early.message()).retain
    late = await running.watch("soul/v1/alice/#", qos=1)
    assert (await late.message())[:4] == (STATE, b"kept", 1, True)
    # Subscribing again to the same filter gets it again [MQTT-3.8.4-3].
    late.send(wire.subscribe(("soul/v1/alice/#", 0), packet_id=3))
    await late.receive()
    assert (await late.message())[:4] == (STATE, b"kept", 0, True)


async def test_an_empty_payload_deletes_what_was_retained(start: Start) -> None:
    running = await start(settings=BrokerSettings(sys_interval=0))
    service = await running.service()
    service.send(wire.publish(STATE, b"kept", retain=True))
    service.send(wire.publish(STATE, b"", retain=True))
    await service.silent()
    assert running.broker.statistics.retained_count == 0
    late = await running.watch("soul/v1/#")
    await late.silent()


async def test_retained_messages_are_isolated_from_other_users(running: Running) -> None:
    service = await running.service()
    for user in ("alice", "bob"):
        service.send(wire.publish(f"soul/v1/{user}/all/state", user.encode(), retain=True))
    await service.silent()
    observer = await running.observer("bob")
    observer.send(wire.subscribe(("soul/v1/bob/#", 0)))
    await observer.receive()
    assert (await observer.message()).payload == b"bob"
    await observer.silent()


async def test_leading_wildcards_do_not_match_the_brokers_own_topics(running: Running) -> None:
    watch = await running.service()
    watch.send(wire.subscribe(("#", 0), ("+/broker/uptime", 0), ("$SYS/broker/uptime", 0)))
    await watch.expect(b"\x90\x05\x00\x01\x80\x80\x00")
    assert (await watch.message()).topic == "$SYS/broker/uptime"


async def test_everything_sent_before_disconnect_is_delivered(running: Running) -> None:
    watch = await running.watch("soul/v1/#", qos=0)
    client = await running.raw()
    device = new_device()
    topic = f"soul/v1/alice/device/{device}/up/state"
    publishes = [wire.publish(topic, b"%d" % number) for number in range(500)]
    client.send(wire.connect(device, "alice", mint()), *publishes, wire.DISCONNECT)
    for number in range(500):
        assert (await watch.message()).payload == b"%d" % number
    assert await client.closed() == wire.ACCEPTED


async def test_a_message_of_the_greatest_size_passes(running: Running) -> None:
    watch = await running.watch("soul/v1/#", qos=1)
    service = await running.service()
    payload = b"x" * (512 * 1024 - 100)
    service.send(wire.publish(STATE, payload, qos=1))
    assert (await watch.message()).payload == payload
