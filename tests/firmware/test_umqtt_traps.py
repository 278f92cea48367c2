"""What umqtt.simple does on its own, and that the link, which is built on it, does not.

Each trap is shown twice: sprung by umqtt, and passed by.
"""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from broker import wire
from broker.authority import Authority
from firmware.board import FIRMWARE, micropython
from firmware.linked import linked
from firmware.scripted import ACCEPTED, Script, introduced, scripted, silent
from serving import Process
from waiting import until_async

DEVICE = "6e2b5a0e-6a3c-4b1e-9d1c-0d6f2f1f7a10"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority")


def config(authority: Authority, port: int, **more: Any) -> dict[str, Any]:
    own = {"host": "localhost", "port": port, "ca_file": str(authority.file), "server_hostname": "localhost"}
    return {**own, "user": "u" * 64, "device": DEVICE, "token": "t", **more}


@contextmanager
def umqtt(folder: Path, trap: str, **settings: Any) -> Iterator[Process]:
    file = folder / "umqtt.json"
    file.write_text(json.dumps(settings))
    process = micropython(FIRMWARE / "tests" / "umqtt_board.py", str(file), trap)
    try:
        yield process
    finally:
        process.kill()


async def line(process: Process, start: str) -> str:
    return await asyncio.to_thread(process.line, start)


class Seen:
    """A script that keeps what it was sent, and acknowledges nothing."""

    def __init__(self) -> None:
        self.packets: list[bytes] = []

    async def __call__(self, raw: wire.Raw) -> None:
        await raw.receive()
        raw.send(ACCEPTED)
        while True:
            packet = await raw.receive()
            self.packets.append(packet)
            if packet[0] & 0xF6 == 0x32:
                raw.send(wire.packet(0x40, packet[5:7]))  # the topic is one letter


async def test_packet_ids_never_wrap_there(authority: Authority, tmp_path: Path) -> None:
    seen = Seen()
    async with scripted(authority.issue("server", server=True), seen) as server:
        with umqtt(tmp_path, "ids", **config(authority, server.port)):
            await until_async(lambda: len(seen.packets) == 2)
            # Not an id (MQTT 3.1.1, section 2.3.1); acknowledged, and umqtt waits on for 65536.
            assert [packet[5:7] for packet in seen.packets] == [b"\xff\xff", b"\x00\x00"]


async def test_a_message_within_a_message_loses_an_acknowledgement_there(
    authority: Authority, tmp_path: Path
) -> None:
    async def script(raw: wire.Raw) -> None:
        await raw.receive()
        raw.send(ACCEPTED)
        outer = (await raw.message()).packet_id.to_bytes(2, "big")
        raw.send(wire.publish("t", b"x"))
        inner = (await raw.message()).packet_id.to_bytes(2, "big")
        raw.send(wire.packet(0x40, outer), wire.packet(0x40, inner))
        raw.writer.close()

    async with scripted(authority.issue("server", server=True), script) as server:
        with umqtt(tmp_path, "nested", **config(authority, server.port)) as process:
            await line(process, "inner done")
            # Both were acknowledged; the outer one waits until the connection ends.
            await line(process, "raised")
            assert "done" not in process.lines


async def test_a_message_within_a_message_and_answers_in_any_order(
    authority: Authority, tmp_path: Path
) -> None:
    ask = json.dumps({"do": "publish", "qos": 1, "count": 3}).encode()
    execute = f"soul/v1/{'u' * 64}/device/{DEVICE}/down/execute"

    async def script(raw: wire.Raw) -> None:
        await introduced(raw)
        raw.send(wire.publish(execute, ask))
        numbers = [(await raw.message()).packet_id.to_bytes(2, "big") for _ in range(3)]
        raw.send(wire.publish(execute, b"meanwhile", qos=1, packet_id=9))
        await raw.expect(b"\x40\x02\x00\x09")
        for number in reversed(numbers):
            raw.send(wire.packet(0x40, number))
        await silent(raw)

    async with scripted(authority.issue("server", server=True), script) as server:
        with linked(tmp_path, **config(authority, server.port)) as device:
            assert await asyncio.to_thread(device.wait, "published") == [3, 0]


async def test_a_bad_certificate_is_no_oserror_there(authority: Authority, tmp_path: Path) -> None:
    """umqtt.robust catches OSError only. How the link tells it is in test_link_refused."""
    async with scripted(authority.issue("server", server=True), silent) as server:
        settings = config(authority, server.port, server_hostname="music.example.org")
        with umqtt(tmp_path, "certificate", **settings) as process:
            assert await line(process, "raised") == "raised ValueError"


async def _length_of_subscribe(raw: wire.Raw, seen: list[int]) -> None:
    await raw.receive()
    raw.send(ACCEPTED)
    head = await raw.reader.readexactly(2)
    assert head[0] == 0x82
    seen.append(head[1])
    await silent(raw)


async def test_a_long_filter_makes_a_broken_packet_there(authority: Authority, tmp_path: Path) -> None:
    seen: list[int] = []

    def script(raw: wire.Raw) -> Any:
        return _length_of_subscribe(raw, seen)

    made: Script = script
    size = len(f"soul/v1/{'u' * 64}/device/{DEVICE}/down/+") + 5
    async with scripted(authority.issue("server", server=True), made) as server:
        with umqtt(tmp_path, "topic", **config(authority, server.port)):
            await until_async(lambda: seen)
        assert seen == [size]  # in one byte, though 127 is the most that it holds
        assert size > 127
        with linked(tmp_path, **config(authority, server.port)):
            await until_async(lambda: len(seen) == 2)
        assert seen[1] & 0x80


async def test_text_is_counted_in_letters_there(authority: Authority, tmp_path: Path) -> None:
    seen: list[bytes] = []

    async def script(raw: wire.Raw) -> None:
        await raw.receive()
        raw.send(ACCEPTED)
        seen.append(await raw.reader.read(100))
        seen.append(await raw.reader.read(100))
        await silent(raw)

    async with scripted(authority.issue("server", server=True), script) as server:
        with umqtt(tmp_path, "letters", **config(authority, server.port)) as process:
            await line(process, "done")
            await until_async(lambda: b"\xc0\x00" in b"".join(seen))
    # 8 bytes are announced and 9 follow: a broker takes the last for the next packet.
    assert b"".join(seen).startswith(b"\x30\x08\x00\x01t" + "Küche".encode())
