"""What a file says of itself: title, artist, album, length, and a picture. Read by mutagen."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import mutagen
from mutagen.flac import FLAC, Picture
from mutagen.id3 import ID3
from mutagen.mp4 import MP4Tags

MEDIA_TYPES: Final = {
    ".aac": "audio/aac",
    ".aif": "audio/aiff",
    ".aiff": "audio/aiff",
    ".flac": "audio/flac",
    ".m4a": "audio/mp4",
    ".mp3": "audio/mpeg",
    ".oga": "audio/ogg",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
    ".wav": "audio/wav",
}
"""What counts as music, by the end of its name."""

PICTURE_BYTES: Final = 8 * 1024 * 1024
"""A larger picture is none."""

_TEXT_CHARACTERS: Final = 300
_FRONT: Final = 3
"""The type of a front cover (ID3v2 section 4.14, and FLAC's after it)."""

# ID3v2.4's frames, MP4's atoms and Vorbis comments: the same fields by three names.
_FIELDS: Final = {
    "title": ("TIT2", "\xa9nam", "title"),
    "artist": ("TPE1", "\xa9ART", "artist"),
    "album": ("TALB", "\xa9alb", "album"),
    "album_artist": ("TPE2", "aART", "albumartist"),
    "year": ("TDRC", "\xa9day", "date"),
    "disc_number": ("TPOS", "disk", "discnumber"),
    "track_number": ("TRCK", "trkn", "tracknumber"),
}


class NoMusicError(Exception):
    """The file holds no sound that can be read."""


@dataclass(frozen=True, slots=True)
class Tags:
    """What was found. Texts are not empty; the length is in ms."""

    title: str | None = None
    artist: str | None = None
    album: str | None = None
    album_artist: str | None = None
    year: int | None = None
    disc_number: int | None = None
    track_number: int | None = None
    duration_ms: int | None = None


def read(file: Path) -> tuple[Tags, bytes | None]:
    """The tags of a file, and its front cover as it is embedded.

    Raises:
        NoMusicError: it is no sound file, or cannot be read.
    """
    try:
        found = mutagen.File(file)
    except Exception as error:  # noqa: BLE001 (a damaged file has many ways to fail)
        raise NoMusicError(f"{type(error).__name__}: {error}") from None
    length = getattr(getattr(found, "info", None), "length", 0)
    if found is None or not isinstance(length, int | float) or not 0 < length < 10**7:
        raise NoMusicError("no sound in it")
    tags = found.tags
    texts = {name: _text(tags, keys) for name, keys in _FIELDS.items()}
    numbers = {name: _number(texts.pop(name)) for name in ("year", "disc_number", "track_number")}
    plain: dict[str, Any] = texts | numbers
    return Tags(**plain, duration_ms=round(length * 1000)), _picture(found)


def picture_type(data: bytes) -> str | None:
    """The media type of a picture that browsers show, by its first bytes; None of any other."""
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    return None


def _text(tags: Any, keys: tuple[str, ...]) -> str | None:
    if not isinstance(tags, Mapping) and not hasattr(tags, "get"):
        return None
    for key in keys:
        try:
            value = tags.get(key)
        except (KeyError, ValueError):  # a key that this kind of tags cannot have
            continue
        value = getattr(value, "text", value)
        if isinstance(value, list | tuple):
            value = value[0] if value else None
        if isinstance(value, tuple):  # MP4: number and total
            value = value[0] if value else None
        text = "".join(each if each.isprintable() else " " for each in str(value or "")).strip()
        if text:
            return text[:_TEXT_CHARACTERS]
    return None


def _number(text: str | None) -> int | None:
    """The first number of texts such as `3`, `3/12` and `2024-05-01`."""
    digits = ""
    for each in text or "":
        if not ("0" <= each <= "9"):
            break
        digits += each
    return int(digits) if 0 < len(digits) <= 6 else None


def _picture(found: Any) -> bytes | None:
    tags = found.tags
    pictures: list[tuple[int, bytes]] = []
    if isinstance(found, FLAC):
        pictures = [(picture.type, picture.data) for picture in found.pictures]
    elif isinstance(tags, ID3):
        pictures = [(frame.type, frame.data) for frame in tags.getall("APIC")]
    elif isinstance(tags, MP4Tags):
        pictures = [(_FRONT, bytes(picture)) for picture in tags.get("covr", [])]
    elif hasattr(tags, "get"):
        pictures = [
            (picture.type, picture.data) for picture in map(_of_base64, _blocks(tags)) if picture is not None
        ]
    pictures.sort(key=lambda each: each[0] != _FRONT)
    for _, data in pictures:
        if 0 < len(data) <= PICTURE_BYTES and picture_type(data) is not None:
            return data
    return None


def _blocks(tags: Any) -> list[str]:
    try:
        blocks = tags.get("metadata_block_picture", [])
    except (KeyError, ValueError):
        return []
    return [each for each in blocks if isinstance(each, str)] if isinstance(blocks, list) else []


def _of_base64(block: str) -> Picture | None:
    try:
        return Picture(base64.b64decode(block))
    except (binascii.Error, ValueError, mutagen.MutagenError):
        return None
