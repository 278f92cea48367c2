"""One value of a settings file or of the environment: what is allowed, and how it reads.

A `Kind` turns what TOML gave (or a text of the environment) into the value that the program
uses, or raises `ValueError` with the words that complete "KEY must be ...".
"""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

MAX_TTL_SECONDS: Final = 3650 * 24 * 3600
"""Ten years: the longest life of a token."""

_TTL: Final = re.compile(r"([0-9]{1,10})([smhd])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 24 * 3600}


class SettingsError(Exception):
    """A setting is unknown or bad; the text is one sentence naming where, which, and what is allowed."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a setting may be.

    Attributes:
        read: from TOML's value, and the folder that relative paths start from.
        from_text: from the environment's text to what TOML would give.
    """

    read: Callable[[object, Path], object]
    from_text: Callable[[str], object] = str


def parse_ttl(text: str) -> int:
    """Seconds of a duration such as `90s`, `15m`, `4h` or `30d`.

    Raises:
        ValueError: it is none, or is zero or longer than 3650 days; completes "must be ...".
    """
    match = _TTL.fullmatch(text)
    seconds = int(match[1]) * _SECONDS[match[2]] if match else 0
    if not 0 < seconds <= MAX_TTL_SECONDS:
        raise ValueError("a duration such as 90s, 15m, 4h or 30d, and at most 3650d")
    return seconds


def text() -> Kind:
    """Any text that is not empty."""

    def read(value: object, _base: Path) -> str:
        if not isinstance(value, str) or not value.strip():
            raise ValueError("a text that is not empty")
        return value.strip()

    return Kind(read)


def integer(low: int, high: int) -> Kind:
    """A whole number from `low` to `high`."""

    def read(value: object, _base: Path) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return value

    def from_text(given: str) -> object:
        return int(given) if re.fullmatch(r"[0-9]{1,18}", given) else given

    return Kind(read, from_text)


def choice(*allowed: str) -> Kind:
    """One of a few words."""

    def read(value: object, _base: Path) -> str:
        if not isinstance(value, str) or value not in allowed:
            raise ValueError(f"one of {', '.join(allowed)}")
        return value

    return Kind(read)


def path() -> Kind:
    """A file or directory; relative ones start at the folder of the settings file."""

    def read(value: object, base: Path) -> Path:
        if not isinstance(value, str) or not value or "\0" in value:
            raise ValueError("a path")
        return base / Path(value).expanduser()

    return Kind(read)


def duration() -> Kind:
    """A time to live, kept in seconds."""

    def read(value: object, _base: Path) -> int:
        if not isinstance(value, str):
            raise ValueError("a duration such as 90s, 15m, 4h or 30d, and at most 3650d")  # noqa: TRY004
        return parse_ttl(value)

    return Kind(read)


def url(*schemes: str) -> Kind:
    """An address with one of `schemes`, a host, and no user or password in it."""
    allowed = "an address like " + " or ".join(f"{scheme}://HOST" for scheme in schemes)

    def read(value: object, _base: Path) -> str:
        if not isinstance(value, str):
            raise ValueError(allowed)  # noqa: TRY004 (the caller makes one sentence of it)
        try:
            parts = urlsplit(value.strip())
            valid = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
        except ValueError:
            valid = False
        if not valid:
            raise ValueError(allowed)
        if parts.username is not None or parts.password is not None:
            raise ValueError("an address without a user or password in it")
        return value.strip()

    return Kind(read)


def url_with(part: str, *schemes: str) -> Kind:
    """An address, as `url`, with `part` once in its path or query."""
    plain = url(*schemes)

    def read(value: object, base: Path) -> str:
        address = str(plain.read(value, base))
        if address.count(part) != 1 or part in urlsplit(address).netloc:
            raise ValueError(f"an address with {part} once in its path")
        return address

    return Kind(read)


def items(what: str, check: Callable[[str], bool]) -> Kind:
    """A list of texts that pass `check`; in the environment separated by commas."""

    def read(value: object, _base: Path) -> tuple[str, ...]:
        entries = value if isinstance(value, list) else [None]
        texts = tuple(entry for entry in entries if isinstance(entry, str) and check(entry))
        if len(texts) != len(entries):
            raise ValueError(f"a list of {what}")
        return texts

    def from_text(given: str) -> object:
        return [entry.strip() for entry in given.split(",") if entry.strip()]

    return Kind(read, from_text)


def is_network(entry: str) -> bool:
    """Whether `entry` is an IP address or a network such as 10.0.0.0/8."""
    try:
        ipaddress.ip_network(entry)
    except ValueError:
        return False
    return True


def is_origin(entry: str) -> bool:
    """Whether `entry` is a web origin: scheme and host, no path."""
    try:
        parts = urlsplit(entry)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return valid and entry == f"{parts.scheme}://{parts.netloc}" and "@" not in parts.netloc
