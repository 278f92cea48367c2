"""`soul-connect broker` and its certificates: settings, SIGHUP, and what is said of bad files."""

import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from broker import wire
from broker.authority import Authority
from serving import PROGRAM, Server
from waiting import until


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path, command="broker")
    yield server
    server.kill()


def settings(folder: Path, **values: object) -> tuple[str, str]:
    file = folder / "soul.toml"
    file.write_text("".join(f'{key} = "{value}"\n' for key, value in values.items()), "utf-8")
    return "--config", str(file)


def secure(server: Server, context: ssl.SSLContext) -> ssl.SSLSocket:
    plain = socket.create_connection(("127.0.0.1", server.tls_port), 10)
    return context.wrap_socket(plain, server_hostname="localhost")


def serial(connection: ssl.SSLSocket) -> int:
    shown = connection.getpeercert(binary_form=True)
    assert shown is not None
    return x509.load_der_x509_certificate(shown).serial_number


def hang_up(server: Server, said: str) -> str:
    """SIGHUP; the line about it that begins to be there."""
    before = len(server.process.errors)
    server.process.signal(signal.SIGHUP)
    return until(lambda: next((line for line in server.process.errors[before:] if said in line), ""))


def test_a_hang_up_changes_the_certificate_and_nobody_is_cut_off(server: Server, tmp_path: Path) -> None:
    authority = Authority(tmp_path, "authority")
    certificate, key = authority.issue("server", server=True)
    server.start(*settings(tmp_path, tls_cert=certificate, tls_key=key))
    server.add_user("alice")
    token = server.token("alice", "--role", "observer")
    context = ssl.create_default_context(cafile=str(authority.file))
    with secure(server, context) as old:
        old.sendall(wire.connect("looking", "alice", token))
        assert old.recv(4) == wire.ACCEPTED
        authority.issue("server", server=True)
        assert "certificate reloaded" in hang_up(server, "certificate")
        with secure(server, context) as new:
            assert serial(new) != serial(old)
            new_serial = serial(new)
        key.write_text("nonsense")
        line = hang_up(server, "certificate")
        assert "not reloaded, the old one stays" in line
        assert f"{key} holds no private key" in line
        with secure(server, context) as again:
            assert serial(again) == new_serial
        old.sendall(wire.PING)
        assert old.recv(2) == wire.PONG
    assert server.stop() == 0


def test_our_own_certificate_is_made_anew_where_it_is_missing(server: Server) -> None:
    server.start()
    context = ssl.create_default_context(cafile=str(server.authority))
    with secure(server, context) as old:
        (server.data_dir / "server.pem").unlink()
        hang_up(server, "certificate reloaded")
        with secure(server, context) as new:
            assert serial(new) != serial(old)


def test_certificates_of_clients_by_setting(server: Server, tmp_path: Path) -> None:
    clients = Authority(tmp_path, "clients")
    server.start(*settings(tmp_path, tls_client_ca=clients.file))
    context = ssl.create_default_context(cafile=str(server.authority))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        secure(server, context)
    context.load_cert_chain(*clients.issue("alice"))
    secure(server, context).close()


def test_a_file_that_cannot_be_used_is_one_clear_sentence(tmp_path: Path) -> None:
    missing = tmp_path / "none.pem"
    done = subprocess.run(
        [*PROGRAM, "broker", "--data-dir", str(tmp_path), *settings(tmp_path, tls_client_ca=missing)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    said = f"soul-connect: {missing} cannot be used to verify clients: no such file or directory.\n"
    assert done.stderr == said
