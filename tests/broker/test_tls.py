"""TLS: handshakes that count and end, certificates changed while it runs, certificates of clients."""

import asyncio
import datetime as dt
import ssl
from dataclasses import replace
from pathlib import Path

import pytest
import structlog.testing
from cryptography import x509

from broker import wire
from broker.authority import Authority
from broker.house import Running, Start, mint, new_device
from broker.wire import Raw
from soul_broker.certificates import Certificates
from soul_broker.listeners import listener_config
from soul_broker.server import BrokerSettings
from waiting import until_async

STATE = "soul/v1/alice/all/state"
CONNECT = ("alice", mint())


async def start_tls(start: Start, certificates: Certificates, **options: object) -> Running:
    """A broker with a TCP and a TLS listener."""
    client_authority = options.pop("client_authority", None)
    config = listener_config(
        "127.0.0.1",
        mqtt_port=0,
        tls_port=0,
        certificates=certificates,
        client_authority=client_authority if isinstance(client_authority, Path) else None,
    )
    running: Running = await start(config=config, **options)
    return running


async def secure(running: Running, context: ssl.SSLContext) -> Raw:
    """A connection whose handshake is done, as far as the client knows."""
    address = running.broker.addresses["tls"]
    return await running.stack.enter_async_context(await Raw.open(address, tls=context))


async def admitted(running: Running, context: ssl.SSLContext) -> Raw:
    raw = await secure(running, context)
    raw.send(wire.connect(new_device(), *CONNECT))
    await raw.expect(wire.ACCEPTED)
    return raw


def serial(raw: Raw) -> int:
    """The number of the certificate that the server showed."""
    shown = raw.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    return x509.load_der_x509_certificate(shown).serial_number


async def refusal(running: Running, context: ssl.SSLContext) -> str:
    """Why a handshake was refused; nothing of MQTT was answered. In TLS 1.3 the client hears of it late."""
    try:
        raw = await secure(running, context)
        raw.send(wire.connect(new_device(), *CONNECT))
        async with asyncio.timeout(wire.WAIT):
            answer = await raw.reader.read(-1)
    except (ssl.SSLError, ConnectionError) as error:
        return str(error)
    assert answer == b""
    return "closed"


async def test_a_changed_certificate_is_for_new_connections(start: Start, tmp_path: Path) -> None:
    authority = Authority(tmp_path, "authority")
    files = Certificates(*authority.issue("server", server=True))
    running = await start_tls(start, files)
    context = ssl.create_default_context(cafile=str(authority.file))
    old = await admitted(running, context)
    authority.issue("server", server=True)
    with structlog.testing.capture_logs() as logged:
        assert running.broker.reload_certificates()
    assert [(line["event"], line["listener"]) for line in logged] == [("certificate reloaded", "tls")]
    new = await admitted(running, context)
    assert serial(new) != serial(old)
    assert serial(new) == x509.load_pem_x509_certificate(files.certificate.read_bytes()).serial_number
    await old.silent()


@pytest.mark.parametrize("broken", ["certificate", "key", "pair"])
async def test_a_broken_file_keeps_the_old_certificate(start: Start, tmp_path: Path, broken: str) -> None:
    authority = Authority(tmp_path, "authority")
    files = Certificates(*authority.issue("server", server=True))
    running = await start_tls(start, files)
    context = ssl.create_default_context(cafile=str(authority.file))
    old = await admitted(running, context)
    match broken:
        case "certificate":
            files.certificate.write_text("nonsense")
        case "key":
            files.key.unlink()
        case _:
            files.key.write_bytes(authority.issue("other", server=True)[1].read_bytes())
    with structlog.testing.capture_logs() as logged:
        assert not running.broker.reload_certificates()
    [line] = logged
    assert line["log_level"] == "error"
    assert str(tmp_path) in line["error"] and "\n" not in line["error"]
    assert serial(await admitted(running, context)) == serial(old)
    await old.silent()


@pytest.fixture
def clients(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "clients")


def with_certificate(certificates: Certificates, files: tuple[Path, Path] | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(certificates.authority))
    if files is not None:
        context.load_cert_chain(*files)
    return context


@pytest.mark.parametrize("required", [True, False], ids=["required", "optional"])
async def test_certificates_of_clients(
    start: Start, certificates: Certificates, clients: Authority, tmp_path: Path, required: bool
) -> None:
    settings = BrokerSettings(client_certificates_required=required)
    running = await start_tls(start, certificates, client_authority=clients.file, settings=settings)
    await admitted(running, with_certificate(certificates, clients.issue("alice")))
    stranger = Authority(tmp_path, "stranger").issue("mallory")
    ended = clients.issue("ended", ends=-dt.timedelta(days=1))
    wrong = clients.issue("server", server=True)
    for files in (stranger, ended, wrong):
        await refusal(running, with_certificate(certificates, files))
    await until_async(lambda: running.broker.statistics.tls_failed == 3)
    nobody = with_certificate(certificates, None)
    if required:
        await refusal(running, nobody)
        await until_async(lambda: running.broker.statistics.tls_failed == 4)
    else:
        await admitted(running, nobody)
    # The token decides all the same.
    raw = await secure(running, with_certificate(certificates, clients.issue("alice")))
    raw.send(wire.connect(new_device(), "alice", "guessed"))
    assert await raw.closed() == wire.REFUSED


async def test_the_authority_of_clients_is_read_again_too(
    start: Start, certificates: Certificates, clients: Authority, tmp_path: Path
) -> None:
    settings = BrokerSettings(client_certificates_required=True)
    running = await start_tls(start, certificates, client_authority=clients.file, settings=settings)
    former = with_certificate(certificates, clients.issue("alice"))
    await admitted(running, former)
    other = Authority(tmp_path, "other")
    clients.file.write_bytes(other.file.read_bytes())
    assert running.broker.reload_certificates()
    await admitted(running, with_certificate(certificates, other.issue("bob")))
    await refusal(running, former)
    await until_async(lambda: running.broker.statistics.tls_failed == 1)


async def test_nothing_older_than_tls_1_2(start: Start, certificates: Certificates) -> None:
    running = await start_tls(start, certificates)
    context = ssl.create_default_context(cafile=str(certificates.authority))
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    with structlog.testing.capture_logs() as logged:
        await refusal(running, context)
        await until_async(lambda: running.broker.statistics.tls_failed == 1)
    assert logged[0]["reason"] == "no TLS: UNSUPPORTED_PROTOCOL"
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = ssl.create_default_context(cafile=str(certificates.authority))
        context.minimum_version = context.maximum_version = version
        await admitted(running, context)


async def test_a_handshake_that_never_ends_counts_and_is_closed(
    start: Start, certificates: Certificates
) -> None:
    settings = BrokerSettings(connect_deadline=0.5, connections_per_address=3)
    running = await start_tls(start, certificates, settings=settings)
    address = running.broker.addresses["tls"]
    silent = [await running.stack.enter_async_context(await Raw.open(address)) for _ in range(3)]
    await until_async(lambda: running.broker.statistics.connections == 3)
    one_more = await running.stack.enter_async_context(await Raw.open(address))
    assert await one_more.closed() == b""
    for raw in silent:
        assert await raw.closed() == b""
    await until_async(lambda: running.broker.statistics.connections == 0)
    assert (running.broker.statistics.tls_failed, running.broker.statistics.connections_refused) == (3, 1)
    await admitted(running, ssl.create_default_context(cafile=str(certificates.authority)))


async def test_each_failed_handshake_is_one_line(start: Start, certificates: Certificates) -> None:
    running = await start_tls(start, certificates)
    with structlog.testing.capture_logs() as logged:
        raw = await running.stack.enter_async_context(await Raw.open(running.broker.addresses["tls"]))
        raw.send(b"GET / HTTP/1.1\r\n\r\n")
        await raw.closed()
        gone = await running.stack.enter_async_context(await Raw.open(running.broker.addresses["tls"]))
        gone.drop()
        await until_async(lambda: running.broker.statistics.tls_failed == 2)
    assert [line["event"] for line in logged] == ["connection ended"] * 2
    assert all(line["reason"].startswith("no TLS: ") and line["listener"] == "tls" for line in logged)
    assert all(line["peer"].startswith("127.0.0.1:") for line in logged)


async def test_connect_in_one_piece_with_the_end_of_the_handshake(
    start: Start, certificates: Certificates
) -> None:
    """TLS 1.3: the client's last handshake bytes and its first packets arrive together."""
    running = await start_tls(start, certificates)
    reader, writer = await asyncio.open_connection(*running.broker.addresses["tls"])
    received, sent = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context(cafile=str(certificates.authority))
    client = context.wrap_bio(received, sent, server_hostname="localhost")
    async with asyncio.timeout(wire.WAIT):
        while True:
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                writer.write(sent.read())
                received.write(await reader.read(65_536))
        client.write(wire.connect(new_device(), *CONNECT) + wire.PING)
        writer.write(sent.read())
        answer = b""
        while len(answer) < 6:
            try:
                answer += client.read(100)
            except ssl.SSLWantReadError:
                received.write(await reader.read(65_536))
    assert answer == wire.ACCEPTED + wire.PONG
    writer.transport.abort()


async def test_a_secure_connection_leaves_nothing_behind(start: Start, certificates: Certificates) -> None:
    running = await start_tls(start, certificates, settings=replace(BrokerSettings(), sys_interval=0))
    context = ssl.create_default_context(cafile=str(certificates.authority))
    hub = running.broker._hub
    await (await admitted(running, context)).silent()
    assert running.broker.statistics.sockets == 1
    before = len(asyncio.all_tasks())
    for _ in range(3):
        clients = [await admitted(running, context) for _ in range(5)]
        assert len(hub.strangers) == 0
        for client in clients:
            client.drop()
    await until_async(lambda: len(hub.registry.open) == 1)
    await until_async(lambda: len(asyncio.all_tasks()) <= before)
    assert len(hub.wheel) == 1
