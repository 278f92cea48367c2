"""Device names: unique per user, ignoring case."""

from collections.abc import Iterable

from soul_protocol.limits import NAME_CHARACTERS


def key(name: str) -> str:
    """Two names with the same key are the same name to a person."""
    return name.casefold()


def free_name(wanted: str, taken: Iterable[str]) -> str:
    """`wanted`, or with the next free suffix: `Kitchen (2)`. Stays within 64 characters."""
    keys = {key(name) for name in taken}
    if key(wanted) not in keys:
        return wanted
    number = 2
    while True:
        suffix = f" ({number})"
        name = wanted[: NAME_CHARACTERS - len(suffix)].rstrip() + suffix
        if key(name) not in keys:
            return name
        number += 1
