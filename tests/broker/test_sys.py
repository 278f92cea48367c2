"""The broker seen from outside: `$SYS` beside a real mosquitto's, Prometheus, the log."""

import asyncio
import re
import socket
from asyncio.subprocess import DEVNULL
from dataclasses import replace
from pathlib import Path

import pytest
import structlog.testing

from broker import wire
from broker.house import Running, Start, mint, new_device
from broker.wire import Raw
from serving import free_ports
from soul_broker.server import BrokerSettings
from soul_broker.statistics import Statistics, prometheus_text
from soul_broker.sys_topics import SysTopics
from waiting import until_async

SYS = "$SYS/broker/"


async def names(raw: Raw, enough: str) -> set[str]:
    """Topics that a new subscriber of $SYS is given, `enough` among them."""
    raw.send(wire.subscribe(("$SYS/#", 0)))
    await raw.receive()
    found: set[str] = set()
    while f"{SYS}{enough}" not in found:
        found.add((await raw.message()).topic)
    raw.send(wire.PING)
    while (packet := await raw.receive()) != wire.PONG:
        assert packet[0] & 0xF0 == 0x30
        found.add(packet[4 : 4 + packet[3]].decode())
    return found


async def mosquittos(folder: Path) -> set[str]:
    """The names of Debian's mosquitto."""
    [port] = free_ports(1)
    configuration = folder / "mosquitto.conf"
    configuration.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nsys_interval 1\n")
    process = await asyncio.create_subprocess_exec(
        "/usr/sbin/mosquitto", "-c", str(configuration), stdout=DEVNULL, stderr=DEVNULL
    )
    try:

        def listens() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        await until_async(listens)
        async with await Raw.open(("127.0.0.1", port)) as raw:
            raw.send(wire.connect("names"))
            await raw.expect(wire.ACCEPTED)
            # It tells the highest number of clients only after its first interval.
            return await names(raw, "clients/maximum")
    finally:
        process.terminate()
        await process.wait()


async def test_every_name_of_mosquitto_is_there(start: Start, tmp_path: Path) -> None:
    running: Running = await start(settings=replace(BrokerSettings(), sys_interval=0.2))
    ours = await names(await running.service(), "clients/maximum")
    theirs = await mosquittos(tmp_path)
    assert len(theirs) > 40
    assert theirs - ours == set()


async def test_only_what_changes_is_published_again(start: Start) -> None:
    running: Running = await start(settings=replace(BrokerSettings(), sys_interval=0.3))
    service = await running.service()
    service.send(wire.subscribe((f"{SYS}version", 0), (f"{SYS}clients/connected", 0)))
    await service.receive()
    await service.message()
    await service.message()
    device = await running.device()
    message = await service.message()
    assert (message.topic, message.payload) == (f"{SYS}clients/connected", b"2")
    device.drop()
    message = await service.message()
    assert (message.topic, message.payload) == (f"{SYS}clients/connected", b"1")


def test_loads_are_averages_for_a_minute() -> None:
    statistics, topics = Statistics(), SysTopics()
    topics.changed(statistics, now=0.0, uptime=0)
    statistics.publish_received = 600
    after = topics.changed(statistics, now=60.0, uptime=60)
    assert after[f"{SYS}uptime"] == "60 seconds"
    # 600 * (1 - e^-1), (1 - e^-0.2), (1 - e^-(1/15))
    loads = [after[f"{SYS}load/publish/received/{minutes}min"] for minutes in (1, 5, 15)]
    assert loads == ["379.27", "108.76", "38.70"]
    topics.changed(statistics, now=90_000.0, uptime=90_000)
    assert topics._loads["load/publish/received/15min"] < 0.001


async def test_the_metrics_have_a_type_and_a_number_each(running: Running) -> None:
    await running.refused(new_device(), "alice", "guessed")
    text = prometheus_text(running.broker.statistics)
    pairs = re.findall(r"# TYPE (\w+) (?:gauge|counter)\n(\w+) \d+\n", text)
    assert "".join(f"{kind}{value}" for kind, value in pairs)
    assert all(kind == value for kind, value in pairs)
    assert len(pairs) * 2 == len(text.splitlines())
    assert "soul_broker_connects_refused_total 1\n" in text


async def test_a_connection_is_one_line(running: Running) -> None:
    with structlog.testing.capture_logs() as logged:
        device_id = new_device()
        device = await running.device(device=device_id)
        device.send(wire.publish(f"soul/v1/alice/device/{device_id}/up/state", b"{}"), wire.DISCONNECT)
        await device.closed()
        await until_async(lambda: running.broker.statistics.connections == 0)
    [line] = logged
    assert line.pop("seconds") >= 0
    assert line.pop("peer").startswith("127.0.0.1:")
    assert line == {
        "event": "connection ended",
        "log_level": "info",
        "reason": "disconnected",
        "user": "alice",
        "role": "device",
        "client_id": device_id,
        "listener": "tcp",
        "received": 1,
        "sent": 0,
        "refused": 0,
    }


@pytest.mark.parametrize(("name", "shown"), [("alice", "alice"), (mint(), None), ("a\nb", None)])
async def test_a_refused_login_names_who_it_claimed_to_be(
    running: Running, name: str, shown: str | None
) -> None:
    with structlog.testing.capture_logs() as logged:
        await running.refused(new_device(), name, "guessed")
    [line] = logged
    assert line["reason"].startswith("refused: ")
    assert line.get("claimed") == shown
    assert line["user"] is None
