"""A malformed packet closes the connection that it came on and nothing else, over TCP and WebSocket."""

from collections.abc import Awaitable, Callable

import pytest

from broker import wire
from broker.frames import frame, opened, read_frame
from broker.house import Running, mint, new_device
from broker.malformed import FIRST, LATER
from broker.wire import Raw, Will
from soul_broker.connection import Connection
from waiting import until_async

CLOSE_FRAME = b"\x88\x02\x03\xe8"

Send = Callable[[bytes], None]
Way = Callable[[Running], Awaitable[tuple[Raw, Send]]]


async def by_tcp(running: Running) -> tuple[Raw, Send]:
    raw = await running.raw()
    return raw, raw.send


async def by_websocket(running: Running) -> tuple[Raw, Send]:
    raw = await opened(running)
    return raw, lambda data: raw.send(frame(data))


async def receive(raw: Raw, way: Way) -> bytes:
    if way is by_tcp:
        return await raw.receive()
    return (await read_frame(raw))[1]


WAYS = [by_tcp, by_websocket]


async def only_it_is_left(running: Running, client_id: str) -> None:
    """Of everybody who was connected there is one left, and of the others not a trace."""
    broker = running.broker
    await until_async(lambda: broker.statistics.connections == 1)
    hub = broker._hub
    [left] = hub.registry.open
    assert isinstance(left, Connection)
    assert [key.client_id for key in hub.registry.sessions] == [client_id]
    assert [len(held) for held in hub.registry.users.values()] == [1]
    assert len(hub.wheel) == 1
    assert broker.statistics.clients_connected == 1


@pytest.mark.parametrize("kind", FIRST)
@pytest.mark.parametrize("way", WAYS)
async def test_first(running: Running, way: Way, kind: str) -> None:
    device = new_device()
    other = await running.device(device=device)
    for name, bad in FIRST[kind].items():
        raw, send = await way(running)
        send(bad)
        # No CONNACK [MQTT-3.1.4-1].
        assert await raw.closed() in (b"", CLOSE_FRAME), name
        await other.silent()
    assert running.broker.statistics.malformed_closed == len(FIRST[kind])
    await only_it_is_left(running, device)


@pytest.mark.parametrize("kind", LATER)
@pytest.mark.parametrize("way", WAYS)
async def test_later(running: Running, way: Way, kind: str) -> None:
    device = new_device()
    other = await running.device(device=device)
    token = mint("alice", "observer")
    for name, bad in LATER[kind].items():
        raw, send = await way(running)
        send(wire.connect("bad", "alice", token))
        assert await receive(raw, way) == wire.ACCEPTED
        send(bad)
        assert await raw.closed() == b"", name
        await other.silent()
    assert running.broker.statistics.malformed_closed == len(LATER[kind])
    await only_it_is_left(running, device)


@pytest.mark.parametrize("way", WAYS)
async def test_a_packet_that_is_cut_off_by_the_end(running: Running, way: Way) -> None:
    device = new_device()
    watch = await running.watch("soul/v1/alice/#")
    up = f"soul/v1/alice/device/{device}/up"
    whole = wire.publish(f"{up}/state", b"x" * 300, qos=1)
    for count in (1, 2, 3, len(whole) - 1):
        raw, send = await way(running)
        send(wire.connect(device, "alice", mint(), will=Will(f"{up}/will", b"cut", 1)))
        assert await receive(raw, way) == wire.ACCEPTED
        send(whole[:count])
        raw.writer.close()
        message = await watch.message()
        assert (message.topic, message.payload) == (f"{up}/will", b"cut")
        watch.send(wire.acknowledge(wire.PUBACK, message.packet_id))
    [key] = [key for key in running.broker._hub.registry.sessions if key.role == "service"]
    await only_it_is_left(running, key.client_id)


@pytest.mark.parametrize("way", WAYS)
async def test_nothing_after_a_bad_packet_is_handled(running: Running, way: Way) -> None:
    device = new_device()
    watch = await running.watch("soul/v1/alice/#")
    topic = f"soul/v1/alice/device/{device}/up/state"
    raw, send = await way(running)
    bad = LATER["QoS 3"]["flags 0110"]
    send(wire.connect(device, "alice", mint()) + wire.publish(topic, b"1") + bad + wire.publish(topic, b"2"))
    assert (await watch.message()).payload == b"1"
    await raw.closed()
    await watch.silent()
