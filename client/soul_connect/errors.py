"""All that can go wrong, as types.

    SoulConnectError
    +-- LinkError                 the way to the server
    |   +-- UnreachableError      no answer in time; tried again until then
    |   |   +-- CertificateError  the server's certificate is not trusted
    |   +-- TokenRefusedError     the server refused the token, and there is no other
    |   +-- DeviceInUseError      another client uses this device id
    |   +-- DeviceLimitError      all device places of this user are taken
    |   +-- NotConnectedError     before `connect`, or after `disconnect`
    +-- RequestError              one request, which ended without being done
        +-- RejectedError         the coordinator or the device said no (`code`)
        |   +-- RateLimitedError  too many requests (`retry_after_ms`)
        +-- ExpiredError          too old when it could have been done
        +-- NoAnswerError         sent, and no final answer came
        +-- WithdrawnError        cancelled by the caller, or the client ended first

A bad argument raises `ValueError` (pydantic's `ValidationError` is one).
"""

from soul_protocol.errors import Code


class SoulConnectError(Exception):
    """Base of every error that this library raises on purpose."""


class LinkError(SoulConnectError):
    """The way to the server failed; no single request is to blame."""


class UnreachableError(LinkError):
    """The server did not let us in within the time given. The last cause is in `__cause__`."""


class CertificateError(UnreachableError):
    """The server's certificate is not trusted: expired, for another host, or of an unknown authority."""


class TokenRefusedError(LinkError):
    """CONNACK 4 or 5, and the caller has no other token.

    Attributes:
        reason: the CONNACK return code (MQTT 3.1.1, 3.2.2.3).
    """

    def __init__(self, message: str, *, reason: int) -> None:
        super().__init__(message)
        self.reason = reason


class DeviceInUseError(LinkError):
    """Another client connects with this device id, again and again."""


class DeviceLimitError(LinkError):
    """All device places of this user are taken; forget one first."""


class NotConnectedError(LinkError):
    """The client is not connected, and is not going to be."""


class RequestError(SoulConnectError):
    """A request that ended without being done.

    Attributes:
        id: the request's id.
        code: why, in the contract's words; None where there is no word for it.
    """

    def __init__(self, message: str, *, id: str, code: Code | None = None) -> None:  # noqa: A002 (the wire's word)
        super().__init__(message)
        self.id = id
        self.code = code


class RejectedError(RequestError):
    """The coordinator, or the device, refused the request; `code` says why."""

    code: Code

    def __init__(self, message: str, *, id: str, code: Code) -> None:  # noqa: A002 (the wire's word)
        super().__init__(message, id=id, code=code)


class RateLimitedError(RejectedError):
    """Too many requests.

    Attributes:
        retry_after_ms: when to go on, in ms from now; None if the server did not say.
    """

    def __init__(self, message: str, *, id: str, retry_after_ms: int | None) -> None:  # noqa: A002
        super().__init__(message, id=id, code=Code.RATE_LIMITED)
        self.retry_after_ms = retry_after_ms


class ExpiredError(RequestError):
    """The request was too old when it could have been done.

    Attributes:
        sent: False if it never left this device, because there was no connection.
    """

    def __init__(self, message: str, *, id: str, sent: bool) -> None:  # noqa: A002 (the wire's word)
        super().__init__(message, id=id)
        self.sent = sent


class NoAnswerError(RequestError):
    """The request was sent, and no final answer came: it may or may not have been done."""

    def __init__(self, message: str, *, id: str) -> None:  # noqa: A002 (the wire's word)
        super().__init__(message, id=id, code=Code.TIMEOUT)


class WithdrawnError(RequestError):
    """Cancelled before it was sent, or the client ended before the answer."""
