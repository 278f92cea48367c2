"""Many filters, and large retained messages for them: one packet is neither much work nor much memory."""

import gc
import tracemalloc
from dataclasses import replace

import pytest

from broker import wire
from broker.house import Running, Start, mint, new_device
from soul_broker.server import BrokerSettings

STATE = "soul/v1/alice/all/state"
LARGE = b"x" * 390_000
"""As long as a canonical state may be."""

QUIET = replace(BrokerSettings(), sys_interval=0)


async def retained(running: Running, payload: bytes = LARGE) -> None:
    service = await running.service()
    service.send(wire.publish(STATE, payload, qos=1, retain=True))
    await service.receive()


@pytest.mark.parametrize("packet", [wire.subscribe(*[("a", 0)] * 1_025), wire.unsubscribe(*["a"] * 1_025)])
async def test_a_packet_with_very_many_filters_is_malformed(running: Running, packet: bytes) -> None:
    device = await running.device()
    device.send(packet)
    assert await device.closed() == b""
    assert running.broker.statistics.malformed_closed == 1


async def test_each_filter_counts_as_a_message_of_a_flood(running: Running) -> None:
    device = await running.device()
    device.send(wire.subscribe(*[(STATE, 0)] * 1_000))
    await device.expect(wire.packet(0x90, b"\0\1" + bytes(1_000)))
    device.send(wire.unsubscribe(STATE))
    assert await device.closed() == b""
    assert running.broker.statistics.flooders_closed == 1


async def test_a_large_message_asked_for_a_thousand_times_is_no_memory(start: Start) -> None:
    running: Running = await start(settings=QUIET)
    await retained(running)
    device = await running.device()
    device.read_no_more()
    gc.collect()
    tracemalloc.start()
    try:
        device.send(wire.subscribe(*[(STATE, 0)] * 900))
        for _ in range(3):
            await (await running.device()).silent()
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert running.broker.statistics.subscriptions_count == 1
    assert running.broker.statistics.publish_dropped > 800
    assert most < 8_000_000


async def test_who_reads_gets_large_messages_whole(start: Start) -> None:
    """Also at QoS 0, which is dropped for slow readers only: this one is none."""
    running: Running = await start(settings=QUIET)
    await retained(running)
    for packet_id in (1, 2):
        observer = await running.connect(f"looking-{packet_id}", "alice", mint("alice", "observer"))
        observer.send(wire.subscribe(("soul/v1/alice/#", 0), packet_id=packet_id))
        await observer.expect(wire.packet(0x90, bytes([0, packet_id, 0])))
        assert (await observer.message()).payload == LARGE
    service = await running.service("another")
    service.send(wire.publish(STATE, LARGE), wire.publish("soul/v1/alice/all/position", b"tick"))
    assert [(await observer.message()).payload for _ in range(2)] == [LARGE, b"tick"]
    assert running.broker.statistics.publish_dropped == 0


async def test_a_client_id_is_no_place_to_keep_things(running: Running) -> None:
    token = mint("alice", "observer")
    assert await running.refused("y" * 257, "alice", token) == b"\x20\x02\x00\x02"
    await running.connect("y" * 256, "alice", token)
    assert await running.refused(new_device() + " " * 300, "alice", mint()) == b"\x20\x02\x00\x02"
