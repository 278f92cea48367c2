"""What all wire models share.

Strict: a number is not a string, and NaN is not a number. Unknown fields are ignored,
so that a later version may add some. A field the contract marks `?` is absent where it
has no value; one that it writes `|null` is always there.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Wire(BaseModel):
    """Base of every model of the contract: immutable, strict, tolerant of new fields.

    A model is built on first use: no client needs all of them, and importing them stays quick.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, allow_inf_nan=False, defer_build=True)


def _is_none(value: object) -> bool:
    return value is None


def optional() -> Any:
    """The default of a field marked `?`: None here, absent on the wire."""
    return Field(default=None, exclude_if=_is_none)
