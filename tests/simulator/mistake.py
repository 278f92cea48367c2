"""A mistake that a coordinator can make, as a patch of the core's source."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mistake:
    """A patch of one file of the core, and what is no longer so with it."""

    name: str
    file: str
    before: str
    after: str
    breaks: str
