"""Floods: what a crowd or a single peer may do to the broker, and what is left of it afterwards."""

import asyncio
import gc
import os
import socket
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from broker import wire
from broker.frames import frame, upgrade
from broker.house import Running, Start, mint, new_device
from broker.wire import Raw
from serving import Server
from soul_broker.server import BrokerSettings
from waiting import until, until_async

SETTINGS = replace(BrokerSettings(), sys_interval=0)
STATE = "soul/v1/alice/all/state"


class Rest:
    """A broker at rest: what it holds; compared with what it holds after a storm."""

    def __init__(self, running: Running) -> None:
        self._hub = running.broker._hub
        self._before = self._held()

    @classmethod
    async def of(cls, running: Running) -> "Rest":
        """After a first connection that has come and gone: what a start leaves to do is done."""
        hub = running.broker._hub
        count = len(hub.registry.open)
        (await running.device()).drop()
        await until_async(lambda: len(hub.registry.open) == count)
        return cls(running)

    def _held(self) -> dict[str, int]:
        hub = self._hub
        return {
            "open": len(hub.registry.open),
            "strangers": len(hub.strangers),
            "connections": hub.statistics.connections,
            "clients": hub.statistics.clients_connected,
            "deadlines": len(hub.wheel),
            "sessions": len(hub.registry.sessions),
            "users": len(hub.registry.users),
            "filters": hub.router.count,
            "to write": len(hub.outbox),
            "tasks": len(asyncio.all_tasks()),
        }

    async def back(self) -> None:
        """It is at rest again."""
        await until_async(
            lambda: self._held() == self._before, what=lambda: f"{self._held()}, before {self._before}"
        )


@contextmanager
def grown(bound: int) -> Iterator[None]:
    """The broker's own memory grows by less than so many bytes; what others hold is not looked at."""
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.take_snapshot()
        yield
        gc.collect()
        after = tracemalloc.take_snapshot()
    finally:
        tracemalloc.stop()
    ours = [
        each for each in after.compare_to(before, "filename") if "soul_broker" in each.traceback[0].filename
    ]
    assert sum(each.size_diff for each in ours) < bound, ours


async def test_2000_failed_logins_leave_nothing_behind(start: Start) -> None:
    running: Running = await start(settings=SETTINGS)
    rest = await Rest.of(running)

    async def crowd(count: int) -> None:
        raws = [await running.raw() for _ in range(count)]
        for raw in raws:
            raw.send(wire.connect(new_device(), "alice", "guessed"))
        for raw in raws:
            assert await raw.closed() == wire.REFUSED
            raw.drop()

    await crowd(500)
    await rest.back()
    with grown(20_000):
        for _ in range(3):
            await crowd(500)
        await rest.back()
        running.broker._hub.strangers.expire(float("inf"))
    assert running.broker.statistics.connects_refused == 2_000
    assert running.broker.statistics.refusals_held == 1_995
    await running.device()


async def test_300_resets_in_the_middle_of_connect_leave_nothing_behind(start: Start) -> None:
    running: Running = await start(settings=SETTINGS)
    rest = await Rest.of(running)
    whole = wire.connect(new_device(), "alice", mint())

    async def resets(count: int) -> None:
        for number in range(count):
            raw = await running.raw()
            raw.send(whole[: 1 + number % (len(whole) - 1)])
            await raw.writer.drain()
            raw.writer.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"
            )
            raw.drop()

    await resets(30)
    await rest.back()
    with grown(20_000):
        await resets(270)
        await rest.back()
    assert running.broker.statistics.sockets == 301
    assert running.broker.statistics.clients_total == 1


async def test_200_pipelined_sessions_deliver_everything_and_leave_nothing_behind(start: Start) -> None:
    running: Running = await start(settings=SETTINGS)
    watch = await running.watch("soul/v1/+/device/+/up/state", qos=1)
    rest = await Rest.of(running)
    device, token = new_device(), mint()
    topic = f"soul/v1/alice/device/{device}/up/state"

    async def pipelined(number: int, *, half_close: bool) -> None:
        raw = await running.raw()
        messages = [
            wire.publish(topic, b"%d %d" % (number, part), qos=part % 3, packet_id=part + 1)
            for part in range(5)
        ]
        raw.send(wire.connect(device, "alice", token), *messages, wire.DISCONNECT)
        if half_close:
            raw.writer.write_eof()
        answer = await raw.closed()
        assert answer == wire.ACCEPTED + b"\x40\2\0\2\x50\2\0\3\x40\2\0\5"
        raw.drop()

    for number in range(200):
        await pipelined(number, half_close=number % 2 == 0)
    received = []
    for _ in range(1_000):
        message = await watch.message()
        received.append(message.payload)
        if message.qos:
            watch.send(wire.acknowledge(wire.PUBACK, message.packet_id))
    assert received == [b"%d %d" % (number, part) for number in range(200) for part in range(5)]
    await watch.silent()
    await rest.back()


def rss(pid: int) -> int:
    """Resident bytes of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def mqtt_client(port: int, client_id: str, user: str, token: str) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), 10) as client:
        client.sendall(wire.connect(client_id, user, token))
        assert client.recv(4) == wire.ACCEPTED
        yield client


def pinged(client: socket.socket) -> None:
    client.sendall(wire.PING)
    assert client.recv(2) == wire.PONG


def publish_20_000(service: socket.socket, qos: int) -> None:
    """2 KB each; all of them acknowledged, and what came before a ping handled."""
    packets = [wire.publish(STATE, b"x" * 2_048, qos=qos, packet_id=number + 1) for number in range(100)]
    chunk = b"".join(packets)
    for _ in range(200):
        service.sendall(chunk)
        left = 4 * len(packets) if qos else 0
        while left:
            left -= len(service.recv(left))
    service.sendall(wire.PING)
    assert service.recv(2) == wire.PONG


def test_20000_messages_to_a_reader_that_stopped_are_no_memory(tmp_path: Path) -> None:
    """In a process of its own, at QoS 0 and 1, by what the system says that it holds."""
    server = Server(tmp_path, command="broker")
    server.tls_port = server.http_port = 0
    try:
        server.start()
        server.add_user("alice")
        observer = "stopped", "alice", server.token("alice", "--role", "observer")
        coordinator = "s", "coordinator", server.token("coordinator", "--role", "service")
        with mqtt_client(server.mqtt_port, *coordinator) as service:
            publish_20_000(service, 0)
            before = rss(server.process.pid)

            def held() -> int:
                return rss(server.process.pid) - before

            for qos in (0, 1):
                with mqtt_client(server.mqtt_port, *observer) as reader:
                    reader.sendall(wire.subscribe((STATE, qos)))
                    assert reader.recv(5) == b"\x90\x03\0\1" + bytes([qos])
                    publish_20_000(service, qos)
                    assert held() < 10_000_000, f"QoS {qos}"
                until(lambda: held() < 1_000_000, seconds=20, what=lambda: f"{held()} not given back")
        assert server.stop() == 0
    finally:
        server.kill()


async def test_a_flood_of_bytes_is_cut_off_and_a_service_is_not(start: Start) -> None:
    running: Running = await start(settings=replace(SETTINGS, flood_bytes=2_000_000))
    device_id = new_device()
    device, other = await running.device(device=device_id), await running.device()
    topic = f"soul/v1/alice/device/{device_id}/up/state"
    device.send(wire.publish(topic, b"x" * 400_000) * 4)
    await device.silent()
    device.send(wire.publish(topic, b"x" * 400_000) * 2)
    await device.closed()
    assert running.broker.statistics.flooders_closed == 1
    await other.silent()
    service = await running.service()
    service.send(wire.publish(STATE, b"x" * 400_000) * 10)
    await service.silent()


async def test_a_slow_stream_of_bytes_is_no_flood(start: Start) -> None:
    """What counts is what comes within the time, not what came in all."""
    running: Running = await start(settings=replace(SETTINGS, flood_bytes=100_000, flood_seconds=0.2))
    device_id = new_device()
    device = await running.device(device=device_id)
    topic = f"soul/v1/alice/device/{device_id}/up/state"
    loop = asyncio.get_running_loop()
    for _ in range(4):
        due = loop.time() + 0.25
        device.send(wire.publish(topic, b"x" * 60_000))
        await device.silent()
        await until_async(lambda due=due: loop.time() > due)
    await device.silent()


@pytest.mark.parametrize("packet", [wire.acknowledge(wire.PUBREL, 7), wire.acknowledge(wire.PUBREC, 7)])
async def test_acknowledgements_of_nothing_are_a_flood_too(running: Running, packet: bytes) -> None:
    device = await running.device()
    device.send(packet * 1_001)
    await device.closed()
    assert running.broker.statistics.flooders_closed == 1


async def websocket(running: Running) -> Raw:
    raw = await running.stack.enter_async_context(await Raw.open(running.broker.addresses["http"]))
    raw.send(upgrade())
    await raw.reader.readuntil(b"\r\n\r\n")
    return raw


@pytest.mark.parametrize(
    "payload", [frame(b"", 9), frame(b""), frame(b"", 10)], ids=["ping", "empty", "pong"]
)
async def test_a_flood_of_frames_is_cut_off(running: Running, payload: bytes) -> None:
    raw, other = await websocket(running), await running.device()
    raw.send(payload * 4_500)
    await raw.closed()
    assert running.broker.statistics.flooders_closed == 1
    await other.silent()


async def test_pongs_that_nobody_reads_are_bounded(start: Start) -> None:
    running: Running = await start(settings=replace(SETTINGS, write_hard=200_000, flood_messages=10**9))
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    narrow.setblocking(False)
    await asyncio.get_running_loop().sock_connect(narrow, running.broker.addresses["http"])
    raw = await running.stack.enter_async_context(Raw(*await asyncio.open_connection(sock=narrow)))
    raw.send(upgrade())
    await raw.reader.readuntil(b"\r\n\r\n")
    raw.send(frame(wire.connect(new_device(), "alice", mint())))
    await raw.reader.readexactly(6)
    other = await running.device()
    raw.read_no_more()
    statistics = running.broker.statistics
    async with asyncio.timeout(20):
        while not statistics.slow_closed and not raw.writer.transport.is_closing():
            raw.send(frame(b"x" * 125, 9) * 500)
            await raw.writer.drain()
            await other.silent()
    await until_async(lambda: statistics.slow_closed == 1, what=lambda: str(statistics.slow_closed))
