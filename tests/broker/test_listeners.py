"""Ports, certificates and the lifecycle."""

import asyncio
import socket

import pytest
from amqtt.errors import BrokerError

from broker import wire
from broker.house import Running, Start
from soul_broker.errors import AddressInUseError
from soul_broker.listeners import broker_config, listener_config
from soul_broker.server import SoulBroker
from soul_broker.statistics import prometheus_text


async def test_a_taken_port_is_one_clear_error_and_leaves_nothing_running() -> None:
    taken = socket.create_server(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    free = socket.create_server(("127.0.0.1", 0))
    first_port = free.getsockname()[1]
    free.close()
    broker = SoulBroker(listener_config("127.0.0.1", mqtt_port=first_port, http_port=port))
    with pytest.raises(AddressInUseError, match=f"127.0.0.1:{port}"):
        await broker.start()
    assert broker.addresses == {}
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", first_port))
    taken.close()
    await broker.start()
    await broker.shutdown()


async def test_an_address_of_somebody_else() -> None:
    with pytest.raises(AddressInUseError, match=r"192\.0\.2\.1:"):
        await SoulBroker(listener_config("192.0.2.1", mqtt_port=0)).start()


async def test_localhost_is_every_loopback_address(start: Start) -> None:
    running: Running = await start(config=listener_config("localhost", mqtt_port=0))
    _, port = running.tcp
    async with await wire.Raw.open(("127.0.0.1", port)) as raw:
        raw.send(wire.connect(level=5))
        await raw.closed()


async def test_starts_again_after_a_shutdown(start: Start) -> None:
    running: Running = await start()
    device = await running.device()
    await running.broker.shutdown()
    await device.closed()
    assert running.broker.transitions.state == "stopped"
    await running.broker.start()
    await running.device()
    with pytest.raises(BrokerError):
        await running.broker.start()


async def test_after_a_shutdown_nobody_listens(start: Start) -> None:
    running: Running = await start(config=listener_config("127.0.0.1", mqtt_port=0, http_port=0))
    addresses = dict(running.broker.addresses)
    await running.broker.shutdown()
    for address in addresses.values():
        # On any descriptor of its socket it would still be accepted by the system.
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(address)


async def test_shutdown_does_not_wait_for_those_who_do_not_read(start: Start) -> None:
    running: Running = await start()
    watch = await running.watch("soul/v1/#", qos=0)
    watch.read_no_more()
    service = await running.service()
    service.send(wire.publish("soul/v1/alice/all/state", b"x" * 100_000) * 100)
    await service.silent()
    async with asyncio.timeout(2):
        await running.broker.shutdown()


def test_a_listener_keeps_the_address_that_equals_amqtts_default() -> None:
    config = broker_config(listener_config("0.0.0.0", mqtt_port=1883))
    assert config.listeners["tcp"].bind == "0.0.0.0:1883"
    assert config.listeners["default"].bind is None


async def test_prometheus(running: Running) -> None:
    await running.device()
    text = prometheus_text(running.broker.statistics)
    assert "# TYPE soul_broker_clients_connected gauge\nsoul_broker_clients_connected 1\n" in text
    assert "# TYPE soul_broker_publish_received_total counter\n" in text
    assert "soul_broker_clients_total 1\n" in text
