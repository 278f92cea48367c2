"""Identifiers as types ("Identity" in docs/protocol.md)."""

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from soul_protocol.limits import TRACK_ID_CHARACTERS
from soul_protocol.topics import is_user

_LOWER_UUID = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
_UUID = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"


def _user(value: str) -> str:
    if not is_user(value):
        raise ValueError("a user is 1-64 of A-Z a-z 0-9 _ - and not a reserved name")
    return value


UserId = Annotated[str, AfterValidator(_user)]
"""The JWT's `sub`; the MQTT username equals it."""

DeviceId = Annotated[str, StringConstraints(pattern=_LOWER_UUID)]
"""A lower-case UUID that the client makes once and keeps; it is the MQTT client id."""

Conn = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
"""16 hex digits, fresh for every CONNECT."""

RequestId = Annotated[str, StringConstraints(pattern=_UUID)]
"""A UUID, scoped to the device that sent it."""

TransferId = Annotated[str, StringConstraints(pattern=_UUID)]
"""A UUID that the coordinator makes."""

TrackId = Annotated[str, Field(min_length=1, max_length=TRACK_ID_CHARACTERS)]
"""Opaque: a library's id, or a URL."""

Tracks = Annotated[tuple[TrackId, ...], Field(fail_fast=True)]
"""A list of them. One that is none ends it: 512 KiB have room for 250,000, and as many errors take 0.4 s."""
