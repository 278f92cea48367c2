"""The authority and certificate of our own, and what is said of somebody else's that cannot be used."""

import contextlib
import datetime as dt
import os
import socket
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization as s
from cryptography.hazmat.primitives.asymmetric import ec

from soul_broker.certificates import Certificates, own_certificates
from soul_broker.errors import CertificateError
from soul_broker.revocations import Revocations
from soul_broker.tls_context import expires, server_context


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


def test_what_root_makes_belongs_to_the_owner_of_the_data_directory(tmp_path: Path) -> None:
    with contextlib.suppress(PermissionError):  # only root may, and only root could do it wrong
        os.chown(tmp_path, 1, 1)
    own_certificates(tmp_path)
    Revocations(tmp_path / "revocations.json", lambda: 0.0).save()
    files = list(tmp_path.iterdir())
    assert {file.suffix for file in files} >= {".pem", ".lock", ".json"}
    assert {file.stat().st_uid for file in files} == {tmp_path.stat().st_uid}


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


def test_a_new_name_of_the_machine_gets_a_new_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = own_certificates(tmp_path).certificate.read_bytes()
    monkeypatch.setattr(socket, "gethostname", lambda: "moved.example.org")
    after = own_certificates(tmp_path).certificate.read_bytes()
    assert after != before
    extension = x509.load_pem_x509_certificate(after).extensions
    names = extension.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"moved.example.org", "moved.local"} <= set(names.get_values_for_type(x509.DNSName))
    assert own_certificates(tmp_path).certificate.read_bytes() == after


@pytest.mark.parametrize(
    ("certificate", "key", "authority", "said"),
    [
        ("none.pem", "server-key.pem", None, "none.pem cannot be read: no such file or directory"),
        ("server.pem", "none.pem", None, "none.pem cannot be read"),
        ("bad.pem", "server-key.pem", None, "bad.pem holds no certificate"),
        ("server.pem", "bad.pem", None, "bad.pem holds no private key"),
        ("server.pem", "ca-key.pem", None, "ca-key.pem is not the key of .*server.pem"),
        ("server.pem", "locked.pem", None, "locked.pem is protected by a password"),
        ("server.pem", "server-key.pem", "none.pem", "none.pem cannot be used to verify clients: no such"),
        ("server.pem", "server-key.pem", "bad.pem", "bad.pem cannot be used to verify clients: no cert"),
    ],
)
def test_what_cannot_be_used_is_said_in_words(
    tmp_path: Path, certificate: str, key: str, authority: str | None, said: str
) -> None:
    own_certificates(tmp_path)
    (tmp_path / "bad.pem").write_text("nonsense")
    locked = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        s.Encoding.PEM, s.PrivateFormat.PKCS8, s.BestAvailableEncryption(b"x")
    )
    (tmp_path / "locked.pem").write_bytes(locked)
    with pytest.raises(CertificateError, match=said) as caught:
        server_context(
            Certificates(tmp_path / certificate, tmp_path / key),
            client_authority=tmp_path / authority if authority else None,
        )
    assert "\n" not in str(caught.value)


def test_when_a_chain_ends_is_when_its_first_certificate_does(tmp_path: Path) -> None:
    files = own_certificates(tmp_path)
    leaf = expires(files)
    chain = tmp_path / "chain.pem"
    assert files.authority is not None
    chain.write_bytes(files.certificate.read_bytes() + files.authority.read_bytes())
    assert expires(Certificates(chain, files.key)) == leaf
