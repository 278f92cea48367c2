"""`doctor` finds each prepared fault, and says what to do."""

import contextlib
import datetime as dt
import ipaddress
import json
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from cli.conftest import House
from serving import Server


def findings(house: House, *arguments: str, token: str | None = None) -> tuple[int, dict[str, bool]]:
    code, out, _ = house.run("doctor", "--json", *arguments, token=token)
    found = json.loads(out)
    # Whoever hears that something is wrong hears what to do.
    assert all(each["ok"] or each["advice"] or "`soul-connect" in each["text"] for each in found), found
    return code, {each["check"]: each["ok"] for each in found}


def advice(house: House, *arguments: str, token: str | None = None) -> str:
    """What people read of the fault."""
    _, out, _ = house.run("doctor", *arguments, token=token)
    return " ".join(out.partition("bad ")[2].split())


def test_all_is_well(house: House) -> None:
    code, found = findings(house)
    assert code == 0
    assert found == dict.fromkeys(
        ("port", "broker", "token", "login", "coordinator", "clock", "devices"), True
    )
    code, found = findings(house, "--url", house.server.tls_url, "--ca", str(house.server.authority))
    assert code == 0 and found["certificate"]
    assert "ok  " in house.say("doctor")


def test_an_unknown_authority(house: House) -> None:
    code, found = findings(house, "--url", house.server.tls_url)
    assert (code, found) == (3, {"port": True, "certificate": False})


def test_no_tls_there(house: House) -> None:
    url = house.server.url.replace("mqtt://", "mqtts://")
    code, found = findings(house, "--url", url, "--ca", str(house.server.authority))
    assert (code, found["certificate"]) == (3, False)
    _, out, _ = house.run("doctor", "--url", url, "--ca", str(house.server.authority))
    assert ": ." not in out


def test_a_bad_authority_file(house: House, tmp_path: Path) -> None:
    code, found = findings(house, "--url", house.server.tls_url, "--ca", str(tmp_path / "none.pem"))
    assert (code, found["certificate"]) == (2, False)


def test_a_refused_token(house: House) -> None:
    head, body, _ = house.token.split(".")
    code, found = findings(house, token=f"{head}.{body}.{'A' * 86}")
    assert (code, found) == (4, {"port": True, "broker": True, "token": True, "login": False})


def test_an_expired_token(house: House) -> None:
    expired = house.server.token("alice", "--ttl", "1s")
    while findings(house, token=expired)[0] == 0:
        pass
    assert findings(house, token=expired) == (4, {"port": True, "broker": True, "token": False})


def test_nobody_there(house: House) -> None:
    code, found = findings(house, "--url", "mqtt://127.0.0.1:9")
    assert (code, found) == (3, {"port": False})


def test_a_bad_setting(house: House) -> None:
    code, found = findings(house, "--url", "gopher://music.local")
    assert (code, found) == (2, {"settings": False})


def test_a_host_that_does_not_exist(house: House) -> None:
    code, found = findings(house, "--url", "mqtt://no-such-host.invalid")
    assert (code, found) == (3, {"port": False})
    assert "no-such-host.invalid" in advice(house, "--url", "mqtt://no-such-host.invalid")


def test_another_program_on_that_port(house: House) -> None:
    # Right server, wrong door: the web port speaks MQTT only over WebSocket, at its own path.
    for url in (f"mqtt://127.0.0.1:{house.server.http_port}", house.server.ws_url + "/elsewhere"):
        code, found = findings(house, "--url", url)
        assert (code, found) == (3, {"port": True, "broker": False}), url
    assert "There is no MQTT broker" in advice(house, "--url", house.server.ws_url + "/elsewhere")


def test_a_port_that_says_nothing(house: House) -> None:
    with listening(None) as port:
        code, found = findings(house, "--url", f"mqtt://127.0.0.1:{port}")
    assert (code, found) == (3, {"port": True, "broker": False})


def test_without_a_token(house: House) -> None:
    house.server.env["SOUL_CONNECT_TOKEN"] = ""
    try:
        done = house.server.run("doctor")
    finally:
        del house.server.env["SOUL_CONNECT_TOKEN"]
    assert done.returncode == 2
    assert "soul-connect login" in done.stdout


def test_a_token_from_the_future(house: House) -> None:
    claims = jwt.decode(house.token, options={"verify_signature": False})
    claims["iat"] += 7_200
    early = jwt.encode(claims, ec.generate_private_key(ec.SECP256R1()), algorithm="ES256")
    assert findings(house, token=early) == (4, {"port": True, "broker": True, "token": False})
    assert "clock" in advice(house, token=early)


def test_a_revoked_token(house: House) -> None:
    revoked = house.server.token("alice")
    assert house.server.run("token", "revoke", revoked).returncode == 0
    while (found := findings(house, token=revoked))[0] == 0:
        pass
    assert found == (4, {"port": True, "broker": True, "token": True, "login": False})


def test_a_broker_without_a_coordinator(tmp_path: Path) -> None:
    alone = Server(tmp_path, command="broker")
    try:
        alone.start()
        alone.add_user("alice")
        done = alone.run("doctor", "--json", token=alone.token("alice"))
    finally:
        alone.kill()
    assert done.returncode == 3
    found = {each["check"]: each["ok"] for each in json.loads(done.stdout)}
    assert found == {"port": True, "broker": True, "token": True, "coordinator": False}


def test_a_clock_that_is_wrong(house: House) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-c", _AN_HOUR_LATE, "doctor", "--json"),
        ],
        env={**house.server.env, "SOUL_CONNECT_TOKEN": house.token, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    found = {each["check"]: each["ok"] for each in json.loads(done.stdout)}
    assert (done.returncode, found["clock"]) == (1, False)
    assert "3600" in done.stdout and "NTP" in done.stdout


_AN_HOUR_LATE = """
import time
real = time.time
time.time = lambda: real() + 3600
from soul_connect.__main__ import main
raise SystemExit(main())
"""


@pytest.mark.parametrize(
    ("host", "days", "says"),
    [
        ("127.0.0.1", (-30, -1), "expired"),
        ("127.0.0.1", (1, 30), "not yet valid"),
        ("192.0.2.1", (-1, 30), "mismatch"),
    ],
)
def test_a_certificate_that_does_not_fit(
    house: House, tmp_path: Path, host: str, days: tuple[int, int], says: str
) -> None:
    authority = tmp_path / "ca.pem"
    context = certified(tmp_path, authority, host=host, days=days)
    with listening(context) as port:
        where = ("--url", f"mqtts://127.0.0.1:{port}", "--ca", str(authority))
        assert findings(house, *where) == (3, {"port": True, "certificate": False})
        assert says in advice(house, *where)


@contextlib.contextmanager
def listening(context: ssl.SSLContext | None) -> Iterator[int]:
    """A port where somebody accepts, shakes hands where there is TLS, and then only listens."""

    class Silent(BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError), contextlib.ExitStack() as link:
                if context is not None:
                    self.request = link.enter_context(context.wrap_socket(self.request, server_side=True))
                while self.request.recv(4096):
                    pass

    with ThreadingTCPServer(("127.0.0.1", 0), Silent) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def certified(folder: Path, authority: Path, *, host: str, days: tuple[int, int]) -> ssl.SSLContext:
    """A server's TLS with a certificate for `host`, valid from and to so many days from now."""
    now = dt.datetime.now(dt.UTC)
    key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Test authority")])
    valid = x509.CertificateBuilder().issuer_name(name).not_valid_before(now - dt.timedelta(days=60))
    root = (
        valid.subject_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_after(now + dt.timedelta(days=60))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    leaf = (
        x509.CertificateBuilder()
        .issuer_name(name)
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "server")]))
        .public_key(server_key.public_key())
        .serial_number(2)
        .not_valid_before(now + dt.timedelta(days=days[0]))
        .not_valid_after(now + dt.timedelta(days=days[1]))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    authority.write_bytes(root.public_bytes(pem))
    chain = folder / "server.pem"
    chain.write_bytes(
        leaf.public_bytes(pem)
        + server_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    return context
