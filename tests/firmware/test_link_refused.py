"""What waiting does not mend: the device says what it is, and does not hammer."""

import asyncio
import datetime as dt
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from broker import wire
from broker.authority import Authority
from client.faulty_proxy import FaultyProxy
from firmware.houses import House
from firmware.linked import Linked, linked
from firmware.scripted import introduced, scripted, silent
from waiting import until_async

REFUSED = {"refused": 300, "refused_most": 900}
"""ms; a device waits 10 s, then 20, 40, 60."""


class Door(FaultyProxy):
    """The way to the server, with the time (monotonic, s) of each knock."""

    def __init__(self, target: int) -> None:
        super().__init__(target)
        self.knocks: list[float] = []

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.knocks.append(time.monotonic())
        await super()._serve(reader, writer)

    def waited(self) -> list[float]:
        """Between one knock and the next, in s."""
        return [after - before for before, after in itertools.pairwise(self.knocks)]


@asynccontextmanager
async def door(target: int) -> AsyncIterator[Door]:
    made = Door(target)
    await made.listen()
    try:
        yield made
    finally:
        await made.close()


async def no_hammering(way: Door, device: Linked, status: str) -> None:
    """Five attempts, each after a longer wait, and the status says why."""
    await until_async(lambda: len(way.knocks) >= 5, seconds=20, what=lambda: device.process.output)
    # The device's own times; a busy machine makes them longer and never shorter.
    for waited, least in zip(way.waited(), (0.3, 0.6, 0.9, 0.9), strict=False):
        assert waited > least - 0.02
    await asyncio.to_thread(device.until_status, status)
    shown = [said[0] for said in device.said("status")]
    assert shown == ["connecting", status], "it stays on the display"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority")


@pytest.mark.parametrize("what", ["authority", "host", "expired", "not yet valid"])
async def test_a_certificate_that_is_not_the_servers(tmp_path: Path, authority: Authority, what: str) -> None:
    certificate = authority.issue("server", server=True)
    trusted = authority.file
    name = "localhost"
    if what == "authority":
        trusted = Authority(tmp_path, "another").file
    elif what == "host":
        name = "music.example.org"
    elif what == "expired":
        certificate = authority.issue("server", server=True, ends=-dt.timedelta(hours=1))
    elif what == "not yet valid":
        tomorrow = dt.timedelta(days=1)
        certificate = authority.issue("server", server=True, begins=tomorrow, ends=2 * tomorrow)
    status = {
        "authority": "refused: certificate",
        "host": "refused: host",
        "expired": "refused: certificate expired",
        "not yet valid": "refused: certificate not yet valid",
    }[what]

    async def never(_: wire.Raw) -> None:
        raise AssertionError("somebody connected")

    async with scripted(certificate, never) as server, door(server.port) as way:
        own = {"host": "localhost", "port": way.port, "ca_file": str(trusted), "server_hostname": name}
        with linked(tmp_path, **own, user="alice", token="secret", timing=REFUSED) as device:
            await no_hammering(way, device, status)
            assert "secret" not in device.process.output


async def test_an_address_is_a_name_too(tmp_path: Path, house: House, user: str) -> None:
    """The server's own certificate names 127.0.0.1, and mbedTLS looks for it."""
    token = await asyncio.to_thread(house.account, user)
    own = {"host": "127.0.0.1", "port": house.port, "ca_file": str(house.ca), "user": user, "token": token}
    with linked(tmp_path, **own) as device:
        await asyncio.to_thread(device.wait, "up")


async def test_a_refused_token_is_said_and_another_is_asked_for(
    tmp_path: Path, house: House, user: str
) -> None:
    token = await asyncio.to_thread(house.account, user)
    async with door(house.port) as way:
        own = {"host": "localhost", "port": way.port, "ca_file": str(house.ca), "user": user}
        with linked(tmp_path, **own, token="wrong", timing=REFUSED) as device:
            await no_hammering(way, device, "refused: token")
        way.knocks.clear()
        with linked(tmp_path, **own, token="wrong", tokens=[None, token], timing=REFUSED) as device:
            await asyncio.to_thread(device.wait, "up")
            assert device.said("asked") == [[False], [True]]
            assert len(way.knocks) == 3


async def test_a_token_that_ends_while_it_is_used_is_said(tmp_path: Path, authority: Authority) -> None:
    """The broker closes the connection, and refuses the token from then on."""

    async def ends(raw: wire.Raw) -> None:
        await introduced(raw)

    async def refuses(raw: wire.Raw) -> None:
        await raw.receive()
        raw.send(b"\x20\x02\x00\x05")
        await raw.closed()

    async def behaves(raw: wire.Raw) -> None:
        assert b"fresh" in await _connect(raw)
        await silent(raw)

    certificate = authority.issue("server", server=True)
    async with scripted(certificate, ends, refuses, behaves) as server:
        own = {"host": "localhost", "port": server.port, "ca_file": str(authority.file), "user": "alice"}
        with linked(tmp_path, **own, token="old", tokens=["fresh"], timing=REFUSED) as device:
            await asyncio.to_thread(device.until_status, "refused: token")
            await asyncio.to_thread(device.wait, "up", 2)


async def _connect(raw: wire.Raw) -> bytes:
    connect = await raw.receive()
    raw.send(b"\x20\x02\x00\x00")
    subscribe = await raw.receive()
    raw.send(wire.packet(0x90, subscribe[2:4] + b"\x01\x01"))
    return connect
