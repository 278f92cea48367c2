"""Error codes, and the one exception that bad input raises."""

from enum import StrEnum


class Code(StrEnum):
    """Why something was refused; the `code` of `error` and `command_result`."""

    DEVICE_NOT_FOUND = "device_not_found"
    DEVICE_OFFLINE = "device_offline"
    NOT_AUTHORIZED = "not_authorized"
    INVALID_COMMAND = "invalid_command"
    RATE_LIMITED = "rate_limited"
    NO_ACTIVE_DEVICE = "no_active_device"
    NOT_ACTIVE = "not_active"
    NOT_REGISTERED = "not_registered"
    UNSUPPORTED = "unsupported"
    TIMEOUT = "timeout"
    TRANSFER_FAILED = "transfer_failed"
    DEVICE_LIMIT_REACHED = "device_limit_reached"
    PAYLOAD_TOO_LARGE = "payload_too_large"
    UNAVAILABLE = "unavailable"


MEANING: dict[Code, str] = {
    Code.DEVICE_NOT_FOUND: "no such device among yours",
    Code.DEVICE_OFFLINE: "the device is offline",
    Code.NOT_AUTHORIZED: "the token's scope, or the device's capabilities, do not allow this",
    Code.INVALID_COMMAND: "the message breaks the contract",
    Code.RATE_LIMITED: "too many messages; `retry_after_ms` says when to go on",
    Code.NO_ACTIVE_DEVICE: "no device is active, and the sender cannot play",
    Code.NOT_ACTIVE: "the device is not the one that plays",
    Code.NOT_REGISTERED: "register first",
    Code.UNSUPPORTED: "the device cannot play music",
    Code.TIMEOUT: "the device did not answer in time",
    Code.TRANSFER_FAILED: "the music could not be handed over",
    Code.DEVICE_LIMIT_REACHED: "all device places of this user are taken",
    Code.PAYLOAD_TOO_LARGE: "the queue is too large",
    Code.UNAVAILABLE: "the server cannot save at the moment",
}


class ContractError(Exception):
    """A message that breaks the contract. It changes nothing.

    Attributes:
        code: what to answer.
        message: one sentence for a person.
        id: the request's id, where the message had a usable one.
    """

    def __init__(self, code: Code, message: str, *, id: str | None = None) -> None:  # noqa: A002 (the wire's word)
        super().__init__(message)
        self.code = code
        self.message = message
        self.id = id
