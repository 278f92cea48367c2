"""TLS without ceremony: an authority and a server certificate of our own, made at first start.

Files in the data directory (0700), keys 0600:

    ca.pem, ca-key.pem            P-256, 10 years; clients are given ca.pem
    server.pem, server-key.pem    P-256, 825 days; made anew by a start or reload within 30 days
                                  of its end, or where the machine has a new name or address
"""

import contextlib
import datetime as dt
import fcntl
import ipaddress
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from soul_broker.errors import CertificateError
from soul_protocol.private_file import own_like, write_privately

AUTHORITY_DAYS: Final = 3_650
SERVER_DAYS: Final = 825
RENEW_DAYS: Final = 30

_Key = ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Certificates:
    """A server certificate in use. `authority` is what clients verify it with, where it is ours."""

    certificate: Path
    key: Path
    authority: Path | None = None


def own_certificates(data_dir: Path, *, now: dt.datetime | None = None) -> Certificates:
    """Our own authority and server certificate, made or renewed as needed.

    Raises:
        CertificateError: what is there cannot be used, or nothing can be written.
    """
    now = now or dt.datetime.now(dt.UTC)
    files = Certificates(data_dir / "server.pem", data_dir / "server-key.pem", data_dir / "ca.pem")
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone(data_dir):
            authority, authority_key = _authority(data_dir, now)
            if not _serves(files, authority, now):
                _make_server(files, authority, authority_key, now)
    except (OSError, ValueError, TypeError) as error:
        raise CertificateError(f"no certificate in {data_dir}: {error}") from error
    return files


@contextlib.contextmanager
def _alone(data_dir: Path) -> Iterator[None]:
    """Two processes that start together make one authority, not two."""
    lock = os.open(data_dir / ".certificates.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        own_like(data_dir, lock)
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _authority(data_dir: Path, now: dt.datetime) -> tuple[x509.Certificate, _Key]:
    certificate_file, key_file = data_dir / "ca.pem", data_dir / "ca-key.pem"
    if certificate_file.exists() and key_file.exists():
        return x509.load_pem_x509_certificate(certificate_file.read_bytes()), _load_key(key_file)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, f"Soul Connect on {socket.gethostname()}"[:64])]
    )
    certificate = (
        _builder(now, AUTHORITY_DAYS)
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(sign_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    write_privately(key_file, _pem(key))
    write_privately(certificate_file, certificate.public_bytes(serialization.Encoding.PEM))
    return certificate, key


def _serves(files: Certificates, authority: x509.Certificate, now: dt.datetime) -> bool:
    """Whether the server certificate is there, ours, and good for a while."""
    if not files.certificate.exists() or not files.key.exists():
        return False
    certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError, TypeError):  # of another authority: a new one is made
        return False
    named = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    fresh = certificate.not_valid_after_utc - now > dt.timedelta(days=RENEW_DAYS)
    return fresh and set(_names()) <= set(named)


def _make_server(
    files: Certificates, authority: x509.Certificate, authority_key: _Key, now: dt.datetime
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, socket.gethostname()[:64])])
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    certificate = (
        _builder(now, SERVER_DAYS)
        .subject_name(name)
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(sign_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(list(_names())), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(issuer, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    write_privately(files.key, _pem(key))
    write_privately(files.certificate, certificate.public_bytes(serialization.Encoding.PEM))


def _builder(now: dt.datetime, days: int) -> x509.CertificateBuilder:
    # A day back: a music player's clock may be slow.
    return (
        x509.CertificateBuilder()
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=days - 1))
    )


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def names_of(certificate: Path) -> tuple[str, ...]:
    """The names and addresses that a server certificate (PEM) is good for.

    Raises:
        CertificateError: it cannot be read, or names none.
    """
    try:
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
        named = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound) as error:
        raise CertificateError(f"no names in {certificate}: {error}") from error
    return tuple(str(name.value) for name in named)


def _names() -> Iterator[x509.GeneralName]:
    """What clients of the local network may call this machine."""
    hostname = socket.gethostname().lower()
    names = ["localhost", hostname, f"{hostname.partition('.')[0]}.local"]
    for name in dict.fromkeys(names):
        yield x509.DNSName(name)
    addresses = {"127.0.0.1", "::1"}
    with contextlib.suppress(OSError):
        addresses |= {str(found[4][0]).partition("%")[0] for found in socket.getaddrinfo(hostname, None)}
    addresses |= set(outward_addresses())
    for address in sorted(addresses):
        yield x509.IPAddress(ipaddress.ip_address(address))


def outward_addresses() -> Iterator[str]:
    """The addresses that routes to elsewhere start from. Nothing is sent."""
    for family, elsewhere in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((elsewhere, 9))
            yield str(probe.getsockname()[0])


def _load_key(path: Path) -> _Key:
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, _Key):
        raise TypeError(f"{path} holds no elliptic curve key")
    return key


def _pem(key: _Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
