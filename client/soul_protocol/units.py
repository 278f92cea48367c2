"""Quantities as types: every number on the wire says what it counts."""

from typing import Annotated

from pydantic import Field

from soul_protocol.limits import SAFE_INTEGER

EpochMs = Annotated[int, Field(ge=0, le=SAFE_INTEGER)]
"""A moment: ms since the Unix epoch, on the coordinator's clock."""

DurationMs = Annotated[int, Field(ge=0, le=SAFE_INTEGER)]
"""A length of time in ms."""

PositionMs = Annotated[int, Field(ge=0, le=SAFE_INTEGER)]
"""A place in a track, in ms from its start."""

Volume = Annotated[float, Field(ge=0.0, le=1.0)]
"""0.0 silent to 1.0 full."""

Count = Annotated[int, Field(ge=0, le=SAFE_INTEGER)]
"""A counter or an index, from 0."""

Seconds = Annotated[int, Field(ge=0, le=SAFE_INTEGER)]
"""A moment in a token: seconds since the Unix epoch (RFC 7519, NumericDate)."""

SecondsAndMs = Annotated[float, Field(ge=0, le=SAFE_INTEGER)]
"""Likewise, with a fraction where its maker knows it (RFC 7519 allows one)."""
