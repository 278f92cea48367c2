"""TLS contexts: which certificate a listener shows, and whose certificates it asks clients for."""

import datetime as dt
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from soul_broker.certificates import Certificates
from soul_broker.errors import CertificateError


def server_context(
    certificates: Certificates, *, client_authority: Path | None = None, client_required: bool = False
) -> ssl.SSLContext:
    """TLS 1.2 or newer with this certificate.

    Args:
        certificates: what the server shows.
        client_authority: who signs client certificates; without it none is asked for.
        client_required: whether a client without one is refused. One that is not signed by the
            authority always is.

    Raises:
        CertificateError: a file does not exist, or they do not fit together.
    """
    _check(certificates)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificates.certificate, certificates.key)
    except OSError as error:
        names = f"{certificates.certificate} and {certificates.key}"
        raise CertificateError(f"{names} cannot be used for TLS: {_why(error)}") from error
    if client_authority is not None:
        try:
            context.load_verify_locations(client_authority)
        except OSError as error:
            text = f"{client_authority} cannot be used to verify clients: {_why(error)}"
            raise CertificateError(text) from error
        context.verify_mode = ssl.CERT_REQUIRED if client_required else ssl.CERT_OPTIONAL
    return context


def expires(certificates: Certificates) -> dt.datetime:
    """When the server's own certificate of a chain ends.

    Raises:
        CertificateError: it cannot be read.
    """
    return _chain(certificates.certificate)[0].not_valid_after_utc


def _check(certificates: Certificates) -> None:
    """Say what is wrong in words; OpenSSL has none, and asks the terminal for a key's password."""
    chain = _chain(certificates.certificate)
    try:
        key = serialization.load_pem_private_key(_read(certificates.key), None)
    except TypeError as error:
        raise CertificateError(f"{certificates.key} is protected by a password") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateError(f"{certificates.key} holds no private key") from error
    if key.public_key() != chain[0].public_key():
        raise CertificateError(f"{certificates.key} is not the key of {certificates.certificate}")


def _chain(path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(_read(path))
    except ValueError as error:
        raise CertificateError(f"{path} holds no certificate") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CertificateError(f"{path} cannot be read: {_why(error)}") from error


def _why(error: OSError) -> str:
    # SSLError is an OSError, with a text of its own that names OpenSSL's source.
    reason = error.reason if isinstance(error, ssl.SSLError) else error.strerror
    return str(reason or error).lower().replace("_", " ")
