"""What people type: positions, switches, and the options that many commands share."""

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

_POSITION: Final = re.compile(
    r"([+-]?)(?:(?:(\d{1,3}):)?(\d{1,3}):([0-5]\d)|(\d{1,6}))(\.\d{1,3})?", re.ASCII
)
_POSITION_HELP: Final = "a position is 1:30 or 90, or +10 or -10 from here"


@dataclass(frozen=True, slots=True)
class Place:
    """A position in a track; `relative` to where the music is, or from the start. In ms."""

    ms: int
    relative: bool

    def from_here(self, now_ms: int, duration_ms: int | None) -> int:
        """The position meant, inside the track."""
        wanted = max(0, now_ms + self.ms if self.relative else self.ms)
        return wanted if duration_ms is None else min(wanted, duration_ms)


def parse_place(text: str | Place) -> Place:
    """Read `1:30`, `1:02:03`, `90`, `90.5`, `+10` or `-1:00`.

    Raises:
        typer.BadParameter: it is none of these.
    """
    if isinstance(text, Place):
        return text
    match = _POSITION.fullmatch(text.strip())
    if match is None:
        raise typer.BadParameter(f"{text!r} is not understood: {_POSITION_HELP}")
    sign, hours, minutes, seconds, plain, fraction = match.groups()
    whole = int(plain) if plain else int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds)
    ms = whole * 1000 + round(float(fraction or 0) * 1000)
    return Place(-ms if sign == "-" else ms, relative=bool(sign))


def parse_percent(text: str | int) -> int:
    """Read a volume, 0 to 100.

    Raises:
        typer.BadParameter: it is none.
    """
    digits = str(text).strip().removesuffix("%").rstrip()
    if not re.fullmatch(r"[0-9]{1,3}", digits) or int(digits) > 100:
        raise typer.BadParameter(f"{text!r} is not understood: a volume is 0 to 100")
    return int(digits)


class Switch(StrEnum):
    """On or off."""

    ON = "on"
    OFF = "off"


class Repeat(StrEnum):
    """The contract's repeat modes, without importing the contract."""

    OFF = "off"
    ONE = "one"
    ALL = "all"


def _device_words(incomplete: str) -> list[tuple[str, str]]:
    from soul_connect.cli.known import words  # noqa: PLC0415 (only for a TAB)

    return words(incomplete)


Url = Annotated[
    str | None,
    typer.Option(
        "--url", metavar="URL", help="The server: mqtt://, mqtts://, ws:// or wss://.", show_default=False
    ),
]
Token = Annotated[
    str | None,
    typer.Option(
        "--token", metavar="TOKEN", help="The token; rather use SOUL_CONNECT_TOKEN.", show_default=False
    ),
]
Ca = Annotated[
    Path | None,
    typer.Option("--ca", metavar="FILE", help="The authority that signed the server's certificate (PEM)."),
]
Json = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]
On = Annotated[
    str | None,
    typer.Option(
        "--on",
        metavar="DEVICE",
        help="A device's name or id; without it, the active one.",
        autocompletion=_device_words,
    ),
]
DeviceWanted = Annotated[
    str,
    typer.Argument(
        metavar="DEVICE", help="A device's name or id; the beginning will do.", autocompletion=_device_words
    ),
]
