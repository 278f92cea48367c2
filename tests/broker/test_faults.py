"""What a stock amqtt 0.12.1 does wrong, each fault by a name of its own; here it is right."""

import asyncio
import gc
import json
import tracemalloc

import pytest

from broker import wire
from broker.frames import frame, opened, read_frame
from broker.house import Running, Start, mint, new_device
from broker.malformed import LATER
from broker.wire import Raw, Will
from broker.world import MemoryLink, World
from soul_broker.server import BrokerSettings
from waiting import until_async

DEVICE = new_device()
UP = f"soul/v1/alice/device/{DEVICE}/up"
STATE = "soul/v1/alice/all/state"


async def test_keep_alive_is_enforced_and_the_will_sent(running: Running) -> None:
    watch = await running.watch("soul/v1/#")
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await running.device(device=DEVICE, keep_alive=1, will=Will(f"{UP}/will", b"silent", 1))
    assert (await watch.message()).payload == b"silent"
    assert loop.time() - begun >= 1.5


def test_a_ping_keeps_a_connection_alive() -> None:
    world = World()
    world.open()
    world.send(0, wire.connect(DEVICE, "alice", mint(), keep_alive=1))
    for _ in range(5):
        world.wait(1.4)
        world.send(0, wire.PING)
    world.wait(1.4)
    assert len(world.links) == 1
    world.wait(0.2)
    assert world.links == []


async def test_keep_alive_0_is_none(running: Running) -> None:
    quiet = await running.device(keep_alive=0)
    other = await running.device(keep_alive=1)
    await other.closed()
    await quiet.silent()


async def test_a_stranger_does_not_kick_a_session(running: Running) -> None:
    device = await running.device(device=DEVICE)
    assert await running.refused(DEVICE, "alice", "guessed") == wire.REFUSED
    await device.silent()


async def test_a_stranger_does_not_mute_a_session(running: Running) -> None:
    device = await running.device(device=DEVICE, clean=False)
    device.send(wire.subscribe((STATE, 1)))
    await device.receive()
    assert await running.refused(DEVICE, "alice", "guessed", clean=True) == wire.REFUSED
    service = await running.service()
    service.send(wire.publish(STATE, b"heard"))
    assert (await device.message()).payload == b"heard"


async def test_a_stranger_does_not_take_a_session_that_waits(running: Running) -> None:
    device = await running.device(device=DEVICE, clean=False)
    device.send(wire.subscribe((STATE, 1)), wire.DISCONNECT)
    await device.receive()
    await device.closed()
    service = await running.service()
    service.send(wire.publish(STATE, b"waiting", qos=1))
    await service.receive()
    for clean in (False, True):
        assert await running.refused(DEVICE, "alice", "guessed", clean=clean) == wire.REFUSED
    again = await running.device(device=DEVICE, clean=False)
    assert (await again.message()).payload == b"waiting"


async def test_a_stranger_fires_no_forged_will(running: Running) -> None:
    watch = await running.watch("soul/v1/#")
    await running.refused(DEVICE, "alice", "guessed", will=Will(f"{UP}/will", b"forged", 1))
    await watch.silent()
    assert running.broker.statistics.wills_published == 0


async def test_wills_obey_the_acl(running: Running) -> None:
    watch = await running.watch("soul/v1/#")
    forged = Will("soul/v1/coordinator", b"offline", 1)
    assert await running.refused(DEVICE, "alice", mint(), will=forged) == wire.REFUSED
    await watch.silent()


async def test_a_retained_will_is_refused_to_devices(running: Running) -> None:
    will = Will(f"{UP}/will", b"x", 1, True)
    assert await running.refused(DEVICE, "alice", mint(), will=will) == wire.REFUSED


async def test_retained_messages_obey_the_acl(running: Running) -> None:
    service = await running.service()
    service.send(wire.publish("soul/v1/bob/all/state", b"bob's", retain=True))
    await service.silent()
    device = await running.device()
    device.send(wire.subscribe(("soul/v1/bob/all/state", 0), ("soul/v1/+/all/state", 0), ("soul/v1/#", 0)))
    await device.expect(b"\x90\x05\x00\x01\x80\x80\x80")
    await device.silent()


async def test_a_new_connection_gets_no_retained_message_of_anybodys_subscription(running: Running) -> None:
    await running.watch("soul/v1/#")
    service = await running.service()
    service.send(wire.publish(STATE, b"alice's", retain=True))
    await service.silent()
    device = await running.device("bob", clean=False)
    await device.silent()
    device.drop()


async def test_failed_logins_leak_nothing(start: Start) -> None:
    # One after the other: `test_floods.py` has them with the answers held back.
    running = await start(settings=BrokerSettings(refusal_delay=0))

    async def storm(count: int) -> None:
        for _ in range(count):
            await running.refused(DEVICE, "alice", "guessed")
        await until_async(lambda: running.broker.statistics.connections == 0)

    await storm(50)
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.take_snapshot()
        await storm(200)
        gc.collect()
        after = tracemalloc.take_snapshot()
    finally:
        tracemalloc.stop()
    grown = sum(
        each.size_diff
        for each in after.compare_to(before, "filename")
        if "soul_broker" in each.traceback[0].filename
    )
    assert grown < 20_000  # bytes, for 200 logins; amqtt keeps 7,000,000


async def test_an_empty_websocket_frame_before_connect_hangs_nothing(running: Running) -> None:
    raw = await opened(running)
    raw.send(frame(b""), frame(wire.connect("looking", "alice", mint("alice", "observer"))))
    assert await read_frame(raw) == (0x82, wire.ACCEPTED)
    await (await running.device()).silent()


async def test_a_plus_grants_no_hash(running: Running) -> None:
    # Granted is `all/+`. amqtt's two matchers take `all/#`, and with it everything below, as allowed by it.
    device = await running.device()
    device.send(wire.subscribe(("soul/v1/alice/all/+", 0), ("soul/v1/alice/all/#", 0)))
    await device.expect(b"\x90\x04\x00\x01\x00\x80")


async def test_no_connect_in_time_is_closed(start: Start) -> None:
    running = await start(settings=BrokerSettings(connect_deadline=0.3))
    silent, slow = await running.raw(), await running.raw()
    slow.send(wire.connect(DEVICE, "alice", mint())[:20])
    assert await silent.closed() == b""
    assert await slow.closed() == b""
    await until_async(lambda: running.broker.statistics.connections == 0)


async def test_packets_are_bounded_before_authentication(running: Running) -> None:
    raw = await running.raw()
    raw.send(b"\x10" + wire.length(17_000))
    assert await raw.closed() == b""


async def test_packets_are_bounded_after_authentication(running: Running) -> None:
    service = await running.service()
    service.send(b"\x30" + wire.length(512 * 1024))
    assert await service.closed() == b""


async def test_messages_just_before_disconnect_arrive(running: Running) -> None:
    watch = await running.watch("soul/v1/#", qos=0)
    device = await running.device(device=DEVICE)
    device.send(wire.publish(f"{UP}/state", b"1"), wire.publish(f"{UP}/state", b"2", qos=1), wire.DISCONNECT)
    assert [(await watch.message()).payload for _ in range(2)] == [b"1", b"2"]


def test_an_unacknowledged_message_is_kept_however_long() -> None:
    world = World()

    def reader() -> MemoryLink:
        assert world.open()
        token = mint("alice", "observer")
        world.send(-1, wire.connect("looking", "alice", token, clean=False, keep_alive=0))
        return world.links[-1]

    first = reader()
    world.send(-1, wire.subscribe(("soul/v1/alice/#", 1)))
    world.open()
    world.send(-1, wire.connect("coordinator", "coordinator", mint("coordinator", "service"), keep_alive=0))
    world.send(-1, wire.publish(STATE, b"x", qos=1))
    sent = first.written[-1]
    assert sent[0] == 0x32
    # amqtt drops it after 5 s.
    for _ in range(60):
        world.wait(10.0)
    assert first.open and first.written[-1] == sent
    world.lose(0)
    world.wait(10_000.0)
    again = reader()
    assert again.written == [wire.RESUMED, bytes([sent[0] | 8]) + sent[1:]]


async def test_mqtt_5_gets_connack_1_at_once(running: Running) -> None:
    raw = await running.raw()
    raw.send(wire.connect(DEVICE, "alice", mint(), level=5))
    assert await raw.closed() == b"\x20\x02\x00\x01"


async def test_listeners_do_not_inherit_what_they_say_otherwise(start: Start, certificates: object) -> None:
    from soul_broker.certificates import Certificates  # noqa: PLC0415 (for the type)

    assert isinstance(certificates, Certificates)
    secure = {"ssl": True, "certfile": str(certificates.certificate), "keyfile": str(certificates.key)}
    listeners = {
        "default": {"type": "tcp", "bind": "127.0.0.1:0", **secure},
        "tcp": {"type": "tcp", "bind": "127.0.0.1:0", "ssl": False},
    }
    running = await start(config={"listeners": listeners, "plugins": {}})
    await running.device()


async def test_take_over_closes_the_old_connection_and_sends_its_will(running: Running) -> None:
    watch = await running.watch("soul/v1/#")
    old = await running.device(device=DEVICE, will=Will(f"{UP}/will", b"first", 1))
    new = await running.device(device=DEVICE, will=Will(f"{UP}/will", b"second", 1))
    assert await old.closed() == b""
    assert (await watch.message()).payload == b"first"
    await new.silent()
    new.send(wire.DISCONNECT)
    await new.closed()
    await watch.silent()


async def test_disconnect_clears_the_will(running: Running) -> None:
    watch = await running.watch("soul/v1/#")
    device = await running.device(device=DEVICE, will=Will(f"{UP}/will", b"x", 1))
    device.send(wire.DISCONNECT)
    await device.closed()
    await watch.silent()


@pytest.mark.parametrize("end", ["drop", "malformed", "eof"])
async def test_an_abnormal_end_sends_the_will(running: Running, end: str) -> None:
    watch = await running.watch("soul/v1/#")
    device = await running.device(device=DEVICE, will=Will(f"{UP}/will", b"x", 2))
    match end:
        case "drop":
            device.drop()
        case "malformed":
            device.send(LATER["QoS 3"]["flags 0110"])
        case _:
            device.writer.write_eof()
    message = await watch.message()
    assert (message.topic, message.payload, message.qos) == (f"{UP}/will", b"x", 2)


async def test_the_coordinators_retained_will_is_kept(running: Running) -> None:
    service = await running.service(will=Will("soul/v1/coordinator", b"offline", 1, True))
    service.drop()
    device = await running.device()
    await until_async(lambda: running.broker.statistics.wills_published == 1)
    device.send(wire.subscribe(("soul/v1/coordinator", 1)))
    await device.receive()
    assert (await device.message())[:4] == ("soul/v1/coordinator", b"offline", 1, True)


async def test_refused_publishes_are_dropped_counted_and_acknowledged(running: Running) -> None:
    watch = await running.watch("soul/v1/#")
    device = await running.device(device=DEVICE)
    device.send(
        wire.publish("soul/v1/bob/all/state", b"x"),
        wire.publish("soul/v1/coordinator", b"x", qos=1, packet_id=2),
        wire.publish(f"{UP}/state", b"x", qos=2, packet_id=3, retain=True),
        wire.publish("$SYS/x", b"x"),
    )
    await device.expect(wire.acknowledge(wire.PUBACK, 2))
    await device.expect(wire.acknowledge(wire.PUBREC, 3))
    device.send(wire.acknowledge(wire.PUBREL, 3))
    await device.expect(wire.acknowledge(wire.PUBCOMP, 3))
    await device.silent()
    await watch.silent()
    assert running.broker.statistics.publish_refused == 4


async def test_a_token_is_never_logged(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    token = mint()
    device = await running.device(device=DEVICE, token=token)
    device.send(wire.publish("not/mine", b"x"), wire.DISCONNECT)
    await device.closed()
    await running.refused(new_device(), "bob", token)
    written = capsys.readouterr()
    assert "connection ended" in written.out
    assert token not in written.out + written.err
    assert token.split(".")[2] not in written.out + written.err


async def test_statistics_and_sys_topics(running: Running) -> None:
    device = await running.device(device=DEVICE)
    device.send(wire.publish(f"{UP}/state", json.dumps({}).encode()), wire.PING)
    await device.receive()
    statistics = running.broker.statistics
    assert (statistics.clients_connected, statistics.clients_total, statistics.publish_received) == (1, 1, 1)
    service: Raw = await running.service()
    service.send(wire.subscribe(("$SYS/broker/clients/connected", 0)))
    await service.receive()
    assert (await service.message()).retain
