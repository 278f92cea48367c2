"""The link against a real broker over TLS: our own, and mosquitto."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from broker import wire
from client.faulty_proxy import FaultyProxy, faulty_proxy
from firmware.houses import House
from firmware.linked import Linked, linked
from soul_protocol.tokens import SERVICE_USER
from waiting import until

KIB = 1024


class Backstage:
    """The coordinator's rights: says anything to a device, and hears what it says."""

    def __init__(self, raw: wire.Raw, device: Linked) -> None:
        self.raw = raw
        self._device = device
        self._number = 0

    async def send(self, payload: bytes, topic: str = "execute") -> None:
        self._number += 1
        topic = f"{self._device.root}/down/{topic}"
        self.raw.send(wire.publish(topic, payload, qos=1, packet_id=self._number))
        await self.raw.expect(wire.packet(0x40, self._number.to_bytes(2, "big")))

    async def ask(self, do: str, **more: Any) -> None:
        await self.send(json.dumps({"do": do, **more}).encode())


@asynccontextmanager
async def backstage(house: House, device: Linked, *, listen: str | None = None) -> AsyncIterator[Backstage]:
    async with await wire.Raw.open(("127.0.0.1", house.mqtt_port)) as raw:
        raw.send(wire.connect("backstage", SERVICE_USER, house.service_token()))
        await raw.expect(b"\x20\x02\x00\x00")
        if listen is not None:
            raw.send(wire.subscribe((f"{device.root}/up/{listen}", 0)))
            await raw.expect(b"\x90\x03\x00\x01\x00")
        yield Backstage(raw, device)


def config(house: House, user: str, **more: Any) -> dict[str, Any]:
    return {
        "host": house.host,
        "port": house.port,
        "ca_file": str(house.ca),
        "user": user,
        "token": house.account(user),
        **more,
    }


@pytest.fixture
def device(house: House, user: str, tmp_path: Path) -> Iterator[Linked]:
    """One that is online."""
    with linked(tmp_path, **config(house, user)) as made:
        made.wait("up")
        yield made


async def test_messages_pass_at_both_qos_in_both_directions(house: House, device: Linked) -> None:
    async with backstage(house, device) as stage:
        await stage.ask("publish", qos=1, count=30)
        assert device.wait("published") == [30, 0]
        await stage.ask("publish", qos=0, count=30)
        assert device.wait("published", 2) == [30, 0]
        await stage.ask("publish", qos=1, count=2, size=20 * KIB)
        assert device.wait("published", 3) == [2, 0]
        for size in (1, 4095, 16 * KIB, 24 * KIB):  # below and above a record of TLS
            payload = bytes(1 + at % 255 for at in range(size))
            await stage.send(payload)
            digest = hashlib.sha256(payload).hexdigest()[:16]
            got = [f"{device.root}/down/execute", size, digest]
            until(lambda got=got: got in device.said("got"), what=lambda: device.process.output)  # type: ignore[misc]


async def test_what_is_too_large_broken_or_not_understood_stops_nothing(house: House, device: Linked) -> None:
    async with backstage(house, device) as stage:
        for payload in (
            b"{",
            b"\xff\xfe",
            b"[" * 500,
            b'{"do": "raise"}',
            b"null",
            bytes(30 * KIB),
            bytes(200 * KIB),
        ):
            await stage.send(payload)
        await stage.ask("tell")
        failures, oversize, _ = device.wait("told")
        assert oversize == 2
        assert failures >= 1
        await stage.ask("publish", qos=1, count=1)
        assert device.wait("published") == [1, 0]
    assert device.said("up") == [[1]]


async def test_packet_ids_wrap(house: House, device: Linked) -> None:
    async with backstage(house, device) as stage:
        await stage.ask("pid", pid=65_530)
        device.wait("pid")
        await stage.ask("publish", qos=1, count=20)
        assert device.wait("published") == [20, 0]


async def test_the_will_is_told_of_a_dead_device_and_not_after_a_goodbye(
    house: House, user: str, tmp_path: Path
) -> None:
    settings = config(house, user)
    with linked(tmp_path, **settings) as device:
        device.wait("up")
        async with backstage(house, device, listen="+") as stage:
            device.process.kill()
            message = await stage.raw.message()
            assert message.topic == f"{device.root}/up/will"
            assert json.loads(message.payload)["type"] == "connection_lost"
    with linked(tmp_path, **settings) as device:
        device.wait("up")
        async with backstage(house, device, listen="+") as stage:
            await stage.ask("close")
            device.wait("ended")
            assert (await stage.raw.message()).topic == f"{device.root}/up/disconnect"
            await stage.raw.silent()


async def test_a_killed_broker_is_online_again_within_5_s(house: House, device: Linked) -> None:
    for count in (2, 3):
        house.kill_broker()
        assert device.wait("down", count - 1)[1] is True
        house.start_broker()
        device.wait("up", count, seconds=5)
    async with backstage(house, device) as stage:
        await stage.ask("publish", qos=1, count=3)
        assert device.wait("published") == [3, 0]


@pytest.fixture
async def proxy(house: House) -> AsyncIterator[FaultyProxy]:
    async with faulty_proxy(house.port) as made:
        yield made


async def wait(device: Linked, word: str, count: int = 1, *, seconds: float = 15.0) -> list[Any]:
    """While the proxy's loop goes on."""
    return await asyncio.to_thread(device.wait, word, count, seconds=seconds)


async def test_after_a_cut_it_is_online_within_5_s(
    house: House, user: str, tmp_path: Path, proxy: FaultyProxy
) -> None:
    settings = await asyncio.to_thread(config, house, user, port=proxy.port)
    with linked(tmp_path, **settings) as device:
        await wait(device, "up")
        await proxy.cut()
        await wait(device, "down")
        await wait(device, "log", 4)  # some attempts failed
        await proxy.restore()
        await wait(device, "up", 2, seconds=5)


@pytest.mark.parametrize("playing", [True, False])
async def test_a_silent_peer_is_noticed_and_left(
    house: House, user: str, tmp_path: Path, proxy: FaultyProxy, playing: bool
) -> None:
    # Idle the link takes 10 + 5 s by its own choice; the test is less patient.
    timing = {} if playing else {"idle": [1_000, 1_000]}
    settings = await asyncio.to_thread(config, house, user, port=proxy.port, playing=playing, timing=timing)
    with linked(tmp_path, **settings) as device:
        await wait(device, "up")
        proxy.swallow()
        # Within about 4 s while playing: 2 s of silence, 2 s for the answer to a ping.
        assert await wait(device, "down", seconds=8) == ["no answer to a ping", False]
        await wait(device, "up", 2, seconds=5)


async def test_after_a_black_out_it_comes_back(
    house: House, user: str, tmp_path: Path, proxy: FaultyProxy
) -> None:
    settings = await asyncio.to_thread(config, house, user, port=proxy.port, playing=True)
    with linked(tmp_path, **settings) as device:
        await wait(device, "up")
        proxy.black_out()
        await wait(device, "down", seconds=8)
        await wait(device, "log", 2)  # connected again, and had no answer either
        await proxy.restore()
        # The proxy swallows for good what it accepted in the dark: that attempt ends by its own deadline.
        await wait(device, "up", 2, seconds=10)


async def test_a_network_that_holds_everything_back_for_a_while_is_survived(
    house: House, user: str, tmp_path: Path, proxy: FaultyProxy
) -> None:
    settings = await asyncio.to_thread(config, house, user, port=proxy.port)
    with linked(tmp_path, **settings) as device:
        await wait(device, "up")
        async with backstage(house, device) as stage:
            proxy.hold()
            await stage.ask("publish", qos=1, count=20)
            await stage.ask("stall", ms=1_500)
            await proxy.restore()
            assert await wait(device, "published") == [20, 0]
            await wait(device, "stalled")
        assert device.said("up") == [[1]]


async def test_200_reconnects_leave_the_heap_flat(house: House, device: Linked) -> None:
    async with backstage(house, device) as stage:
        await stage.ask("reconnect", count=200)
        after_20, after_200 = await wait(device, "heap", seconds=120)
        assert after_200 - after_20 < KIB
        assert device.said("up")[-1] == [201]
