"""The link against a broker that does not do as it should, byte by byte, over TLS."""

import asyncio
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from broker import wire
from broker.authority import Authority
from firmware.linked import Linked, linked
from firmware.scripted import ACCEPTED, Script, introduced, scripted, silent

DEVICE = "6e2b5a0e-6a3c-4b1e-9d1c-0d6f2f1f7a10"
EXECUTE = f"soul/v1/alice/device/{DEVICE}/down/execute"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "authority")


@pytest.fixture
def certificate(authority: Authority) -> tuple[Path, Path]:
    return authority.issue("server", server=True)


def config(authority: Authority, port: int, **more: Any) -> dict[str, Any]:
    own = {"host": "localhost", "port": port, "ca_file": str(authority.file), "device": DEVICE}
    return {**own, "user": "alice", "token": "t" * 523, **more}


async def wait(device: Linked, word: str, count: int = 1, *, seconds: float = 15.0) -> list[Any]:
    return await asyncio.to_thread(device.wait, word, count, seconds=seconds)


def ask(do: str, **more: Any) -> bytes:
    return wire.publish(EXECUTE, json.dumps({"do": do, **more}).encode(), qos=1, packet_id=77)


async def test_packets_arrive_in_pieces_and_in_lumps(
    authority: Authority, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    lump = b"".join(
        wire.publish(EXECUTE, b"x" * size, qos=size % 2, packet_id=size)
        for size in (1, 300, 5_001, 24 * 1024)
    )

    async def script(raw: wire.Raw) -> None:
        connect = await raw.receive()
        assert connect[11:13] == b"\x00\x1e"  # keepalive 30
        assert b"t" * 523 in connect
        for byte in ACCEPTED:
            raw.send(bytes([byte]))
            await raw.writer.drain()
        await raw.receive()
        raw.send(b"\x90\x04\x00\x01\x01\x01" + lump)  # behind the answer, in one go
        await raw.expect(b"\x40\x02\x00\x01")
        await raw.expect(b"\x40\x02" + (5_001).to_bytes(2, "big"))
        for start in range(0, len(lump), 7_001):
            raw.send(lump[start : start + 7_001])
            await raw.writer.drain()
        await silent(raw)

    async with scripted(certificate, script) as server:
        with linked(tmp_path, **config(authority, server.port)) as device:
            await wait(device, "got", 8)
            assert [got[1] for got in device.said("got")] == [1, 300, 5_001, 24 * 1024] * 2


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\xff\xff\xff\xff\xff",
        b"\x30\x80\x80\x80\x80\x01",
        b"\x30\x04\x00\x09ab",
        b"\x36\x07\x00\x01a\x00\x01xy",
        b"\x10\x00",
        b"\x90\x03\x00\x63\x00",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
    ],
)
async def test_nonsense_ends_the_connection_and_not_the_device(
    authority: Authority, certificate: tuple[Path, Path], tmp_path: Path, nonsense: bytes
) -> None:
    async def talks_nonsense(raw: wire.Raw) -> None:
        await introduced(raw)
        raw.send(nonsense)
        await raw.closed()

    async def behaves(raw: wire.Raw) -> None:
        await introduced(raw)
        await silent(raw)

    async def at_once(raw: wire.Raw) -> None:
        raw.send(nonsense)
        await raw.closed()

    async with scripted(certificate, at_once, talks_nonsense, behaves) as server:
        with linked(tmp_path, **config(authority, server.port)) as device:
            await wait(device, "up", 2)
            assert len(device.said("down")) == 1


async def says_nothing(raw: wire.Raw) -> None:
    await silent(raw)


async def accepts_only(raw: wire.Raw) -> None:
    await raw.receive()
    raw.send(ACCEPTED)
    await silent(raw)


async def half_a_packet(raw: wire.Raw) -> None:
    await introduced(raw)
    raw.send(b"\x30\x64\x00\x01a")
    while True:  # not silent: each ping is answered, in the middle of the packet
        await raw.receive()
        raw.send(b"a")


async def no_acknowledgement(raw: wire.Raw) -> None:
    await introduced(raw)
    raw.send(ask("publish", qos=1, count=1))
    first = await _published(raw)
    again = await _published(raw)
    assert not first.dup
    assert again.dup
    assert again.packet_id == first.packet_id
    assert again.payload == first.payload
    await silent(raw)


async def _published(raw: wire.Raw) -> wire.Message:
    """The next message, whatever else comes; pings are answered."""
    while True:
        packet = await raw.receive()
        if packet[0] == 0xC0:
            raw.send(b"\xd0\x00")
        elif packet[0] & 0xF0 == 0x30:
            body = wire.Raw(asyncio.StreamReader(), raw.writer)
            body.reader.feed_data(packet)
            return await body.message()


# Shorter waits than a device's, and each only for its own script: the others would end it too.
@pytest.mark.parametrize(
    "case",
    [
        (says_nothing, "no answer", {"answer": 700}),
        (accepts_only, "no answer to SUBSCRIBE", {"answer": 1_500}),
        (half_a_packet, "half a packet", {"idle": [200, 4_000], "whole": 1_000}),
        (no_acknowledgement, "no acknowledgement", {"resend": 300, "give_up": 1_200}),
    ],
)
async def test_every_wait_has_an_end(
    authority: Authority,
    certificate: tuple[Path, Path],
    tmp_path: Path,
    case: tuple[Script, str, dict[str, Any]],
) -> None:
    script, why, timing = case

    async def behaves(raw: wire.Raw) -> None:
        await introduced(raw)
        while (await raw.receive())[0] == 0xC0:
            raw.send(b"\xd0\x00")

    async with scripted(certificate, script, behaves) as server:
        with linked(tmp_path, **config(authority, server.port, timing=timing)) as device:
            assert await wait(device, "log") == [f"link: {why}"]
            if script is no_acknowledgement:
                assert await wait(device, "published") == [0, 1]
            await asyncio.to_thread(device.until_status, "online")


async def test_a_message_sent_again_and_acknowledged_late_is_done_once(
    authority: Authority, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    async def script(raw: wire.Raw) -> None:
        await introduced(raw)
        raw.send(ask("publish", qos=1, count=1))
        number = (await _published(raw)).packet_id.to_bytes(2, "big")
        assert (await _published(raw)).dup
        raw.send(b"\x40\x02" + number, b"\x40\x02" + number, b"\x40\x02\x00\x63")
        raw.send(ask("publish", qos=1, count=1))
        assert not (await _published(raw)).dup
        await silent(raw)

    async with scripted(certificate, script) as server:
        timing = {"resend": 300, "give_up": 9_000}
        with linked(tmp_path, **config(authority, server.port, timing=timing)) as device:
            assert await wait(device, "published") == [1, 0]


async def test_a_peer_that_takes_nothing_is_left_and_nothing_grows(
    authority: Authority, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    async def script(raw: wire.Raw) -> None:
        await introduced(raw)
        raw.send(ask("publish", qos=0, count=400, size=20_000))
        await raw.receive()
        raw.read_no_more()
        await asyncio.get_running_loop().create_future()

    async def behaves(raw: wire.Raw) -> None:
        await introduced(raw)
        await silent(raw)

    async with scripted(certificate, script, behaves) as server:
        timing = {"sent": 1_000}
        with linked(tmp_path, **config(authority, server.port, timing=timing)) as device:
            assert await wait(device, "down") == ["the network takes nothing", False]
            sent, lost = await wait(device, "published")
            assert lost > 0
            assert sent + lost == 400
            await wait(device, "up", 2)


async def test_where_no_connection_is_taken_it_gives_up_in_time(authority: Authority, tmp_path: Path) -> None:
    """A queue that is full drops what knocks, as a network that is gone does."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):  # the one that it holds
            timing = {"dial": 400}
            with linked(tmp_path, **config(authority, port, timing=timing)) as device:
                assert await wait(device, "log", 2) == ["link: no answer from localhost"]


@pytest.mark.parametrize("code", [1, 2, 3, 4, 5])
async def test_what_the_broker_refuses_is_said(
    authority: Authority, certificate: tuple[Path, Path], tmp_path: Path, code: int
) -> None:
    async def script(raw: wire.Raw) -> None:
        await raw.receive()
        raw.send(bytes([0x20, 2, 0, code]))
        await raw.closed()

    shown: Callable[[int], str] = {
        1: "refused: device",
        2: "refused: device",
        3: "offline",
        4: "refused: token",
        5: "refused: token",
    }.__getitem__
    async with scripted(certificate, script) as server:
        with linked(tmp_path, **config(authority, server.port)) as device:
            await asyncio.to_thread(device.until_status, shown(code))
            assert ["online"] not in device.said("status")


async def test_a_refused_subscription_is_said(
    authority: Authority, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    async def script(raw: wire.Raw) -> None:
        await raw.receive()
        raw.send(ACCEPTED)
        await raw.receive()
        raw.send(b"\x90\x04\x00\x01\x01\x80")
        await raw.closed()

    async with scripted(certificate, script) as server:
        with linked(tmp_path, **config(authority, server.port)) as device:
            await asyncio.to_thread(device.until_status, "refused: topic")
            assert device.said("up") == []
