"""Where the server is, and whose certificate is believed."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

_PORTS: Final = {"mqtt": 1883, "mqtts": 8883, "ws": 80, "wss": 443}


@dataclass(frozen=True, slots=True)
class Address:
    """Where the broker is, and how to speak to it."""

    transport: Literal["tcp", "websockets"]
    host: str
    port: int
    path: str
    tls: bool


def parse_url(url: str) -> Address:
    """`mqtt://host:1883`, `mqtts://host:8883`, `ws://host:80/mqtt`, `wss://host:443/mqtt`.

    Port and path are optional, as shown.

    Raises:
        ValueError: another scheme, no host, or credentials in the URL (they end up in logs).
    """
    parts = urlsplit(url if "://" in url else f"mqtt://{url}")
    try:
        port = parts.port
    except ValueError:
        raise ValueError("the server's URL has a port that is none") from None
    if parts.scheme not in _PORTS:
        raise ValueError("the server's URL starts with mqtt://, mqtts://, ws:// or wss://")
    if not parts.hostname:
        raise ValueError("the server's URL names no host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("the token does not belong into the URL")
    path = parts.path if parts.path not in {"", "/"} else "/mqtt"
    return Address(
        transport="websockets" if parts.scheme in {"ws", "wss"} else "tcp",
        host=parts.hostname,
        port=port or _PORTS[parts.scheme],
        path=path,
        tls=parts.scheme in {"mqtts", "wss"},
    )


class _ClosingSocket(ssl.SSLSocket):
    """Closes itself when the handshake fails, which paho leaves to the garbage collector."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except BaseException:  # a deadline, a certificate, Ctrl-C: all the same to the socket
            self.close()
            raise


def trust(ca_file: Path | None) -> ssl.SSLContext:
    """A TLS context that checks certificate and host name.

    With `ca_file` only that authority is trusted, else the system's.

    Raises:
        ValueError: the file cannot be read, or holds no certificate.
    """
    try:
        context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except (OSError, ssl.SSLError) as error:
        raise ValueError(
            f"cannot read the certificate authority {ca_file}: {error.strerror or error}"
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = _ClosingSocket
    return context
