"""What is never changed once it is made."""

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

Made = TypeVar("Made")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def immutable(kind: type[Made]) -> type[Made]:
    """A frozen dataclass with slots, for the type checker, which sees to it.

    At run time it is not frozen: that makes each field a call, and every message is a hundred fields.
    """
    return dataclass(slots=True, unsafe_hash=True)(kind)
