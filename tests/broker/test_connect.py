"""CONNECT, the session behind it and its end: MQTT 3.1.1, sections 3.1, 3.2, 3.14 and 4.1."""

import pytest

from broker import wire
from broker.house import Running, Start, mint, new_device
from broker.wire import Will
from soul_broker.server import BrokerSettings
from waiting import until_async

STATE = "soul/v1/alice/all/state"
DEVICE = new_device()
UP = f"soul/v1/alice/device/{DEVICE}/up"
PLAIN = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def observer(client_id: str, *, clean: bool = True) -> bytes:
    return wire.connect(client_id, "alice", mint("alice", "observer"), clean=clean)


@pytest.mark.parametrize("level", [0, 3, 5, 6, 0x84])
async def test_another_protocol_level_is_answered_1_and_closed(running: Running, level: int) -> None:
    raw = await running.raw()
    raw.send(wire.connect(DEVICE, "alice", mint(), level=level), wire.PING)
    assert await raw.closed() == b"\x20\x02\x00\x01"


async def test_mqtt_3_1_is_answered_1_and_closed(running: Running) -> None:
    raw = await running.raw()
    raw.send(wire.packet(0x10, wire.text("MQIsdp") + b"\x03\x02\0\x3c" + wire.text("c")))
    assert await raw.closed() == b"\x20\x02\x00\x01"


async def test_connack_says_whether_a_session_was_there(running: Running) -> None:
    # (clean session, session present)
    story = [(False, 0), (False, 1), (True, 0), (False, 0), (False, 1)]
    for clean, present in story:
        raw = await running.raw()
        raw.send(observer("looking", clean=clean))
        await raw.expect(bytes((0x20, 2, present, 0)))
        raw.send(wire.DISCONNECT)
        await raw.closed()


async def test_a_kept_session_still_subscribes(running: Running) -> None:
    first = await running.raw()
    first.send(observer("looking", clean=False), wire.subscribe((STATE, 1)))
    await first.receive()
    await first.receive()
    first.drop()
    again = await running.raw()
    again.send(observer("looking", clean=False))
    await again.expect(wire.RESUMED)
    service = await running.service()
    service.send(wire.publish(STATE, b"x", qos=1))
    assert (await again.message())[:3] == (STATE, b"x", 1)


async def test_each_client_id_has_its_own_session(running: Running) -> None:
    for name, topic in (("one", "1"), ("two", "2")):
        client = await running.raw()
        client.send(observer(name, clean=False), wire.subscribe((f"soul/v1/alice/{topic}", 1)))
        await client.expect(wire.ACCEPTED)
        await client.receive()
        client.drop()
    service = await running.service()
    service.send(wire.publish("soul/v1/alice/1", b"for one", qos=1))
    service.send(wire.publish("soul/v1/alice/2", b"for two", qos=1))
    for name in ("one", "two"):
        client = await running.raw()
        client.send(observer(name, clean=False))
        await client.expect(wire.RESUMED)
        assert (await client.message()).payload == f"for {name}".encode()
        await client.silent()


@pytest.mark.parametrize("client_id", ["a", *(PLAIN[at : at + 23] for at in range(0, len(PLAIN), 23))])
async def test_plain_client_ids_are_allowed(running: Running, client_id: str) -> None:
    raw = await running.raw()
    raw.send(observer(client_id))
    await raw.expect(wire.ACCEPTED)
    await raw.silent()


async def test_clients_without_an_id_are_clients_of_their_own(running: Running) -> None:
    clients = [await running.raw() for _ in range(3)]
    for client in clients:
        client.send(observer(""), wire.subscribe((STATE, 1)))
        await client.expect(wire.ACCEPTED)
        await client.receive()
    assert running.broker.statistics.sessions == 3
    service = await running.service()
    service.send(wire.publish(STATE, b"x", qos=1))
    for client in clients:
        assert (await client.message()).payload == b"x"
        client.send(wire.DISCONNECT)
        await client.closed()
    await until_async(lambda: running.broker.statistics.sessions == 1)


async def test_nothing_after_a_refused_connect_is_handled(running: Running) -> None:
    watch = await running.watch("soul/v1/#")
    raw = await running.raw()
    topic = f"{UP}/state"
    raw.send(
        wire.connect(DEVICE, "alice", "guessed"),
        wire.publish(topic, b"1", qos=1),
        wire.connect(DEVICE, "alice", mint()),
        wire.publish(topic, b"2", qos=1),
    )
    assert await raw.closed() == wire.REFUSED
    await watch.silent()
    assert running.broker.statistics.publish_received == 0


async def test_nothing_after_disconnect_is_handled(running: Running) -> None:
    watch = await running.watch("soul/v1/#")
    device = await running.device(device=DEVICE)
    device.send(wire.DISCONNECT, wire.publish(f"{UP}/state", b"late", qos=1), wire.PING)
    assert await device.closed() == b""
    await watch.silent()


async def test_without_a_will_none_is_published(running: Running) -> None:
    watch = await running.watch("soul/v1/#")
    device = await running.device(device=DEVICE)
    device.drop()
    await until_async(lambda: running.broker.statistics.clients_connected == 1)
    await watch.silent()
    assert running.broker.statistics.wills_published == 0


@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_a_will_has_its_qos_and_is_not_retained(running: Running, qos: int) -> None:
    watch = await running.watch("soul/v1/#")
    device = await running.device(device=DEVICE, will=Will(f"{UP}/will", b"\0\xff", qos))
    device.drop()
    assert (await watch.message())[:4] == (f"{UP}/will", b"\0\xff", qos, False)
    late = await running.watch("soul/v1/alice/#")
    await late.silent()


async def test_a_will_is_published_once(running: Running) -> None:
    watch = await running.watch("soul/v1/#")
    # The session is kept; the will belongs to the connection.
    for will in (Will(f"{UP}/will", b"gone", 1), None):
        device = await running.device(device=DEVICE, clean=False, will=will)
        device.drop()
        await until_async(lambda: running.broker.statistics.clients_connected == 1)
    assert (await watch.message()).payload == b"gone"
    await watch.silent()


async def test_when_the_broker_stops_no_will_is_published(running: Running) -> None:
    watch = await running.watch("soul/v1/#")
    await running.device(device=DEVICE, will=Will(f"{UP}/will", b"gone", 1))
    await running.broker.shutdown()
    assert await watch.closed() == b""


async def test_a_session_does_not_expire_while_its_client_is_there(start: Start) -> None:
    running: Running = await start(settings=BrokerSettings(session_expiry=0.1))
    client = await running.observer(clean=False)
    client.send(wire.subscribe((STATE, 1)))
    await client.receive()
    # One that is away is forgotten meanwhile.
    away = await running.observer(client_id="away", clean=False)
    away.send(wire.DISCONNECT)
    await away.closed()
    await until_async(lambda: running.broker.statistics.sessions == 1)
    service = await running.service()
    service.send(wire.publish(STATE, b"x", qos=1))
    assert (await client.message()).payload == b"x"
