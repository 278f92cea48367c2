"""Bytes to messages and back.

Decoding is strict about what the contract names and silent about what it does not:
unknown fields are ignored, anything else that is wrong raises `ContractError`.
"""

import re
from functools import cache
from typing import Annotated, Any, Final, Union, cast

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import from_json

from soul_protocol import down, up
from soul_protocol.commands import TOO_LARGE
from soul_protocol.errors import Code, ContractError
from soul_protocol.topics import AllChannel, DownChannel, UpChannel
from soul_protocol.wire import Wire

_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@cache
def _adapter(*kinds: type[Wire]) -> TypeAdapter[Any]:
    """Made on first use: a client never decodes what clients say, and a remote control never an order."""
    if len(kinds) == 1:
        return TypeAdapter(kinds[0])
    union: Any = Union[kinds]  # noqa: UP007 (a union made at run time)
    return TypeAdapter(Annotated[union, Field(discriminator="type")])


def prepare() -> None:
    """Build all models now, where the first message shall not wait for that: in a server."""
    every: list[tuple[type[Wire], ...]] = [(down.CoordinatorStatus,), down.TO_BROKER]
    for kinds in (*every, *up.MESSAGES.values(), *down.MESSAGES.values()):
        for kind in kinds:
            kind.model_rebuild()
        _adapter(*kinds)


def encode(message: Wire) -> bytes:
    """A message as UTF-8 JSON."""
    return message.__pydantic_serializer__.to_json(message)


def decode_up(channel: UpChannel, payload: bytes) -> up.UpMessage:
    """What a device said on `channel`.

    Raises:
        ContractError: broken JSON, a type that does not belong here, a bad value, or a queue
            over the limits; with the request's id where it has one.
    """
    return cast("up.UpMessage", _decode(_adapter(*up.MESSAGES[channel]), payload, channel))


def decode_down(channel: DownChannel | AllChannel, payload: bytes) -> down.DownMessage:
    """What the coordinator said on `channel`; raises `ContractError` likewise."""
    return cast("down.DownMessage", _decode(_adapter(*down.MESSAGES[channel]), payload, str(channel)))


def decode_status(payload: bytes) -> down.CoordinatorStatus:
    """What `soul/v1/coordinator` carries; raises `ContractError` likewise."""
    return cast("down.CoordinatorStatus", _decode(_adapter(down.CoordinatorStatus), payload, "coordinator"))


def decode_close(payload: bytes) -> down.Close | down.Refuse:
    """What `soul/v1/broker/close` carries; raises `ContractError` likewise."""
    return cast("down.Close | down.Refuse", _decode(_adapter(*down.TO_BROKER), payload, "broker/close"))


def _decode(adapter: TypeAdapter[Any], payload: bytes, place: str) -> object:
    try:
        message: Wire = adapter.validator.validate_json(payload)
    except ValidationError as error:
        raise _explain(error, payload, f"up/{place}" if isinstance(place, UpChannel) else place) from None
    # Our own models fill in their `type`; on the wire it must be there. Unions have looked already.
    named = message.command if isinstance(message, up.QueueCommand) else message
    if "type" not in message.model_fields_set or "type" not in named.model_fields_set:
        raise ContractError(Code.INVALID_COMMAND, "type: is missing", id=_request_id(payload))
    return message


def _explain(error: ValidationError, payload: bytes, place: str) -> ContractError:
    """The first thing that is wrong, as one sentence."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    kind = first["type"]
    where = ".".join(str(part) for part in first["loc"])
    request = _request_id(payload) if kind != "json_invalid" else None
    if kind == TOO_LARGE:
        return ContractError(Code.PAYLOAD_TOO_LARGE, first["msg"], id=request)
    if kind == "json_invalid":
        return ContractError(Code.INVALID_COMMAND, first["msg"][:300])  # such as: Invalid JSON: EOF while ...
    if where == "type" or (kind in {"union_tag_invalid", "union_tag_not_found"} and not where):
        return ContractError(Code.INVALID_COMMAND, f"no such message on {place}", id=request)
    said = first["msg"].removeprefix("Value error, ")
    text = f"{where}: {said}" if where else said
    return ContractError(Code.INVALID_COMMAND, text[:300], id=request)


def _request_id(payload: bytes) -> str | None:
    # The parser that has just said what is wrong: what it calls JSON, it reads here too.
    message = from_json(payload)
    request = message.get("id") if isinstance(message, dict) else None
    return request if isinstance(request, str) and _UUID.fullmatch(request) else None
