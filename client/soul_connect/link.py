"""What a session needs of a connection, and how it may end. `transport` makes real ones."""

import re
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Final, Protocol

from soul_connect.address import Address
from soul_connect.errors import CertificateError, LinkError, TokenRefusedError, UnreachableError
from soul_connect.identity import DeviceIdentity
from soul_protocol.topics import UpChannel

ACK_WITHIN: Final = 4.0
"""For PUBACK (s). Shorter than a command lives: there is time to send it on another connection."""

BAD_CREDENTIALS: Final = {4: 4, 5: 5, 134: 4, 135: 5}
"""CONNACK codes of a refused token; paho shows them as those of MQTT 5 do."""

_UNTRUSTED: Final = re.compile(r"CERTIFICATE_VERIFY_FAILED\] certificate verify failed: (.*?)(?: \(_ssl.*)?$")

GOODBYE_WITHIN: Final = 1.0
"""For the goodbye, and again for DISCONNECT (s)."""


class LinkLost(Exception):  # noqa: N818 (not an error of the program: an end that is expected)
    """The connection is gone, or could not be made.

    Attributes:
        by_peer: the other side closed it.
    """

    def __init__(self, message: str, *, by_peer: bool = False) -> None:
        super().__init__(message)
        self.by_peer = by_peer


class LinkRefused(LinkLost):
    """CONNACK 4 or 5: the token (or the client id with it) is not accepted."""

    def __init__(self, reason: int) -> None:
        super().__init__(f"the server refused the token (CONNACK {reason})", by_peer=True)
        self.reason = reason


class LinkUntrusted(LinkLost):
    """The server's certificate is not trusted."""


def meaning(end: LinkLost) -> LinkError:
    """What such an end is to a program that waits to be connected."""
    match end:
        case LinkRefused():
            return TokenRefusedError(str(end), reason=end.reason)
        case LinkUntrusted():
            return CertificateError(str(end))
        case _:
            return UnreachableError(str(end))


def tls_reason(error: ssl.SSLError) -> str:
    """OpenSSL's reason in words: `unexpected eof while reading`."""
    return (error.reason or str(error)).replace("_", " ").lower()


def lost(error: BaseException) -> LinkLost:
    """What kept a connection from being made, as OpenSSL, the system or paho says it."""
    text = str(error)
    if untrusted := _UNTRUSTED.search(text):
        return LinkUntrusted(f"the server's certificate is not trusted: {untrusted[1]}")
    if isinstance(error, ssl.SSLError):
        return LinkLost(f"no TLS there ({tls_reason(error)})")
    return LinkLost(text or "cannot connect")


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message that came."""

    topic: str
    payload: bytes
    retained: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Dial:
    """All that a CONNECT and the SUBSCRIBE after it need."""

    address: Address
    client_id: str
    user: str
    token: str
    will: tuple[str, bytes] | None
    filters: tuple[str, ...]
    tls: ssl.SSLContext | None
    patience: float = 3.0
    """How long (s) each may take: TCP, TLS, CONNACK, SUBACK."""


def dial_as(
    who: DeviceIdentity,
    *,
    address: Address,
    token: str,
    tls: ssl.SSLContext | None,
    will: bytes,
    patience: float,
) -> Dial:
    """How a client dials that is `who`; `will` is the payload of its last will, if it may have one."""
    return Dial(
        address=address,
        client_id=who.device_id,
        user=who.user,
        token=token,
        will=None if who.watches_only else (who.topic(UpChannel.WILL), will),
        filters=who.filters,
        tls=tls,
        patience=patience,
    )


class Link(Protocol):
    """An open connection, subscribed."""

    def messages(self) -> AsyncIterator[Incoming]:
        """The messages, as they come.

        Raises:
            LinkLost: the connection is gone; no other end is possible.
        """

    async def listen(self, hear: Callable[[Incoming], None]) -> None:
        """The messages, each in the turn of the loop in which it came.

        Raises:
            LinkLost: the connection is gone; or what `hear` raises.
        """

    def publish(
        self, topic: str, payload: bytes, qos: int, *, within: float = ACK_WITHIN
    ) -> Coroutine[Any, Any, None]:
        """Publish unretained, during this call; with QoS 1, what it gives returns when it is acknowledged.

        Several may be under way; packets leave in the order of the calls.

        Raises:
            LinkLost: no PUBACK `within` so many seconds (or, with QoS 0, not even sent).
        """

    async def probe(self, within: float) -> None:
        """Return when the broker has answered something.

        Raises:
            LinkLost: it did not, `within` so many seconds.
        """


OpenLink = Callable[[Dial], AbstractAsyncContextManager[Link]]
"""How connections are made; see `open_link`."""
