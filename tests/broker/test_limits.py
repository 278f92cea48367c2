"""Nothing grows without bound with what one client sends or fails to read."""

import asyncio
import gc
import socket
import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker import wire
from broker.house import Running, Start, mint, new_device
from broker.wire import Raw
from soul_broker.backlog import Backlog, drop_oldest
from soul_broker.server import BrokerSettings
from soul_broker.timers import TimerWheel
from waiting import until_async

STATE = "soul/v1/alice/all/state"
SETTINGS = BrokerSettings()


async def slow_reader(running: Running, *, qos: int) -> Raw:
    """A client with a small receive buffer that has subscribed and reads nothing any more."""
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    narrow.setblocking(False)
    await asyncio.get_running_loop().sock_connect(narrow, running.tcp)
    reader, writer = await asyncio.open_connection(sock=narrow)
    client = await running.stack.enter_async_context(Raw(reader, writer))
    client.send(wire.connect("slow", "alice", mint("alice", "observer")), wire.subscribe(("soul/v1/#", 0)))
    await client.receive()
    await client.receive()
    client.send(wire.subscribe(("soul/v1/alice/#", qos), packet_id=2))
    await client.receive()
    client.read_no_more()
    return client


async def test_a_slow_reader_loses_ticks_and_no_memory(start: Start) -> None:
    running = await start(settings=replace(SETTINGS, sys_interval=0))
    slow = await slow_reader(running, qos=0)
    service = await running.service()
    statistics = running.broker.statistics
    chunk = wire.publish(STATE, b"x" * 10_000) * 100
    gc.collect()
    tracemalloc.start()
    try:
        for _ in range(60):  # 60 MB
            service.send(chunk)
            await service.silent()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert statistics.publish_dropped > 1_000
    assert held < 4_000_000
    assert statistics.slow_closed == 0
    # It is still there, and what it reads when it reads again is whole messages, the latest among them.
    service.send(wire.publish(STATE, b"last"))
    slow.read_again()
    while (await slow.message()).payload != b"last":
        pass


async def test_a_slow_reader_of_what_cannot_be_dropped_is_disconnected(start: Start) -> None:
    running = await start(settings=replace(SETTINGS, write_hard=300_000, flood_messages=10**9))
    slow = await slow_reader(running, qos=0)
    # Its own pings: answers that it does not read.
    loop = asyncio.get_running_loop()
    deadline = loop.time() + 60
    statistics = running.broker.statistics
    while not statistics.slow_closed and loop.time() < deadline:
        slow.send(wire.PING * 20_000)
        await asyncio.wait_for(slow.writer.drain(), 30)
        if slow.writer.transport.is_closing():
            break
    await until_async(lambda: statistics.slow_closed)
    assert statistics.slow_closed == 1


async def test_unacknowledged_messages_wait_within_bounds(start: Start) -> None:
    session = replace(SETTINGS.session, inflight=4, queue=10)
    running = await start(settings=replace(SETTINGS, session=session))
    watch = await running.observer()
    watch.send(wire.subscribe(("soul/v1/alice/#", 1)))
    await watch.receive()
    service = await running.service()
    for number in range(100):
        service.send(wire.publish(STATE, b"%d" % number, qos=1, packet_id=number + 1))
    await service.receive()
    await service.reader.readexactly(99 * 4)
    assert [(await watch.message()).payload for _ in range(4)] == [b"0", b"1", b"2", b"3"]
    await watch.silent()
    assert running.broker.statistics.publish_dropped == 86


async def test_a_flood_is_cut_off(running: Running) -> None:
    device_id = new_device()
    device = await running.device(device=device_id)
    other = await running.device()
    topic = f"soul/v1/alice/device/{device_id}/up/state"
    device.send(wire.publish(topic, b"x") * 1_000)
    await asyncio.wait_for(device.writer.drain(), 5)
    statistics = running.broker.statistics
    await until_async(lambda: statistics.publish_received == 1_000)
    assert statistics.flooders_closed == 0
    device.send(wire.publish(topic, b"x"))
    assert await device.closed() == b""
    assert statistics.flooders_closed == 1
    await other.silent()


async def test_other_packets_count_as_a_flood_too(running: Running) -> None:
    device = await running.device()
    device.send(wire.unsubscribe("a") * 1_001)
    await device.closed()
    assert running.broker.statistics.flooders_closed == 1


async def test_a_service_may_say_much(running: Running) -> None:
    watch = await running.watch("soul/v1/#", qos=0)
    service = await running.service()
    service.send(wire.publish(STATE, b"x") * 5_000)
    for _ in range(5_000):
        await watch.message()


async def test_connections_of_a_user_are_bounded(start: Start) -> None:
    running = await start(settings=replace(SETTINGS, connections_per_user=3))
    devices = [new_device() for _ in range(4)]
    for device in devices[:3]:
        await running.device(device=device)
    assert await running.refused(devices[3], "alice", mint()) == b"\x20\x02\x00\x03"
    # Taking over one's own connection is no further one.
    await running.device(device=devices[0])
    await running.device("bob")
    assert running.broker.statistics.clients_connected == 4


async def test_who_may_only_look_keeps_no_device_out(start: Start) -> None:
    running = await start(settings=replace(SETTINGS, connections_per_user=2))
    for number in range(2):
        await running.observer(client_id=f"o{number}")
    assert await running.refused("o3", "alice", mint("alice", "observer")) == b"\x20\x02\x00\x03"
    await running.device()
    await running.device()
    assert await running.refused(new_device(), "alice", mint()) == b"\x20\x02\x00\x03"


async def test_connections_in_all_are_bounded(start: Start) -> None:
    running = await start(settings=replace(SETTINGS, connections=2))
    first, _ = await running.raw(), await running.raw()
    third = await running.raw()
    assert await third.closed() == b""
    first.drop()
    await until_async(lambda: running.broker.statistics.connections == 1)
    await running.device()


async def test_subscriptions_are_bounded(start: Start) -> None:
    running = await start(settings=replace(SETTINGS, subscriptions=2))
    observer = await running.observer()
    observer.send(wire.subscribe(*((f"soul/v1/alice/{number}", 0) for number in range(3))))
    await observer.expect(b"\x90\x05\x00\x01\x00\x00\x80")
    observer.send(wire.subscribe(("soul/v1/alice/0", 1), packet_id=2))
    await observer.expect(b"\x90\x03\x00\x02\x01")


async def test_long_and_deep_topics_are_refused(running: Running) -> None:
    observer = await running.observer()
    long, deep = "soul/v1/alice/" + "x" * 1_100, "soul/v1/alice" + "/x" * 40
    observer.send(wire.subscribe((long, 0), (deep, 0)))
    await observer.expect(b"\x90\x04\x00\x01\x80\x80")
    service = await running.service()
    service.send(wire.publish(long, b"x", retain=True), wire.publish(deep, b"x", retain=True))
    await service.silent()
    assert running.broker.statistics.publish_refused == 2


async def test_sessions_of_a_user_are_bounded(start: Start) -> None:
    running = await start(settings=replace(SETTINGS, sessions_per_user=2))
    for number in range(5):
        observer = await running.observer(client_id=f"o{number}", clean=False)
        observer.send(wire.subscribe(("soul/v1/alice/#", 1)), wire.DISCONNECT)
        await observer.receive()
        await observer.closed()
    assert running.broker.statistics.sessions == 2
    assert running.broker.statistics.subscriptions_count == 2


async def test_what_waits_for_clients_of_a_user_that_are_away_is_bounded(start: Start) -> None:
    """Each session on its own would hold its bound of something else."""
    running = await start(settings=replace(SETTINGS, sessions_bytes_of_user=250_000))
    service = await running.service()
    for number in range(5):
        observer = await running.observer(client_id=f"o{number}", clean=False)
        observer.send(wire.subscribe((STATE, 1)))
        await observer.receive()
        service.send(wire.publish(STATE, bytes([number]) * 100_000, qos=1, packet_id=number + 1))
        await service.receive()
        await observer.message()
        observer.send(wire.unsubscribe(STATE), wire.DISCONNECT)
        await observer.closed()
    assert running.broker.statistics.sessions == 3  # the service's is one of them
    again = await running.observer(client_id="o4", clean=False)
    assert (await again.message()).payload == b"\4" * 100_000


async def test_retained_messages_are_bounded(start: Start) -> None:
    running = await start(settings=replace(SETTINGS, retained_messages=2, sys_interval=0))
    service = await running.service()
    for number in range(4):
        service.send(wire.publish(f"soul/v1/alice/{number}", b"x", retain=True))
    service.send(wire.publish("soul/v1/alice/0", b"yy", retain=True))
    await service.silent()
    statistics = running.broker.statistics
    assert statistics.retained_count == 2
    assert statistics.publish_refused == 2


async def test_qos_2_without_release_is_bounded(start: Start) -> None:
    running = await start(settings=replace(SETTINGS, session=replace(SETTINGS.session, received=3)))
    device_id = new_device()
    device = await running.device(device=device_id)
    topic = f"soul/v1/alice/device/{device_id}/up/state"
    for number in range(1, 5):
        device.send(wire.publish(topic, b"x", qos=2, packet_id=number))
    await device.closed()


@given(st.lists(st.integers(0, 3), max_size=60), st.integers(0, 400))
def test_the_oldest_ticks_are_dropped_first(kinds: list[int], excess: int) -> None:
    packets = [
        wire.publish("a", b"%d" % number, qos=kind, packet_id=1) if kind < 3 else wire.PONG
        for number, kind in enumerate(kinds)
    ]
    kept, dropped, gone = drop_oldest(packets, excess)
    lost = [packet for packet in packets if packet[0] & 0xF6 == 0x30][:dropped]
    assert sum(map(len, lost)) == gone
    assert [packet for packet in packets if packet in kept or packet not in lost] == kept
    if dropped:
        assert gone - len(lost[-1]) < excess


def test_a_backlog_past_its_hard_bound_says_so() -> None:
    backlog = Backlog(100, 300)
    assert backlog.add([wire.publish("a", b"x" * 40)] * 4) == 3
    assert backlog.add([wire.PONG * 100]) is not None
    assert backlog.add([wire.PONG * 100]) is None


class Sleeper:
    def __init__(self, deadline: float) -> None:
        self.slot = -1
        self.at = deadline


@given(st.lists(st.floats(0, 50), max_size=30), st.lists(st.floats(0, 20), min_size=1, max_size=10))
def test_the_wheel_wakes_everybody_once_and_never_early(deadlines: list[float], steps: list[float]) -> None:
    wheel: TimerWheel[Sleeper] = TimerWheel()
    sleepers = [Sleeper(deadline) for deadline in deadlines]
    for sleeper in sleepers:
        wheel.schedule(sleeper, sleeper.at)
    now, woken = 0.0, []
    for step in [*steps, 60.0]:
        now += step
        due = wheel.due(now)
        assert all(sleeper.at <= now for sleeper in due)
        assert not [s for s in sleepers if s.slot >= 0 and s.at + 0.5 < now]
        woken += due
    assert sorted(map(id, woken)) == sorted(map(id, sleepers))
    assert len(wheel) == 0


@pytest.mark.parametrize("count", [2_000])
async def test_connections_leave_nothing_behind(running: Running, count: int) -> None:
    hub = running.broker._hub
    for _ in range(count // 100):
        clients = [await Raw.open(running.tcp) for _ in range(10)]
        for client in clients:
            client.send(wire.connect(new_device(), "alice", mint(), keep_alive=600))
            await client.receive()
            client.drop()
    await until_async(lambda: not hub.registry.open)
    assert len(hub.wheel) == 0
    assert hub.registry.sessions == {}
    assert hub.registry.users == {}
    assert hub.router.count == 0
