"""Ports, certificates and the lifecycle."""

import asyncio
import datetime as dt
import socket
import ssl
from pathlib import Path

import pytest
from amqtt.errors import BrokerError
from cryptography import x509

from broker import wire
from broker.house import Running, Start
from soul_broker.certificates import Certificates, own_certificates, server_context
from soul_broker.errors import AddressInUseError, CertificateError
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


def test_certificates_are_made_once_and_privately(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    certificates = own_certificates(data_dir)
    assert data_dir.stat().st_mode & 0o777 == 0o700
    for name in ("ca-key.pem", "server-key.pem"):
        assert (data_dir / name).stat().st_mode & 0o777 == 0o600
    before = certificates.certificate.read_bytes()
    assert own_certificates(data_dir).certificate.read_bytes() == before
    server = x509.load_pem_x509_certificate(before)
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    hostname = socket.gethostname().lower().partition(".")[0]
    assert {"localhost", f"{hostname}.local"} <= set(names.get_values_for_type(x509.DNSName))
    addresses = {str(address) for address in names.get_values_for_type(x509.IPAddress)}
    assert {"127.0.0.1", "::1"} <= addresses
    assert server.not_valid_after_utc - server.not_valid_before_utc <= dt.timedelta(days=825)
    assert server_context(certificates).minimum_version is ssl.TLSVersion.TLSv1_2


def test_the_server_certificate_is_renewed_and_the_authority_kept(tmp_path: Path) -> None:
    long_ago = dt.datetime.now(dt.UTC) - dt.timedelta(days=800)
    old = own_certificates(tmp_path, now=long_ago)
    authority, certificate = (tmp_path / "ca.pem").read_bytes(), old.certificate.read_bytes()
    new = own_certificates(tmp_path)
    assert (tmp_path / "ca.pem").read_bytes() == authority
    assert new.certificate.read_bytes() != certificate


def test_a_broken_certificate_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nonsense")
    (tmp_path / "ca-key.pem").write_text("nonsense")
    with pytest.raises(CertificateError, match=str(tmp_path)):
        own_certificates(tmp_path)
    with pytest.raises(CertificateError, match="ca-key"):
        server_context(Certificates(tmp_path / "ca.pem", tmp_path / "ca-key.pem"))


async def test_prometheus(running: Running) -> None:
    await running.device()
    text = prometheus_text(running.broker.statistics)
    assert "# TYPE soul_broker_clients_connected gauge\nsoul_broker_clients_connected 1\n" in text
    assert "# TYPE soul_broker_publish_received_total counter\n" in text
    assert "soul_broker_clients_total 1\n" in text
