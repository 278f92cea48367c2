"""What to call a track of which only the id is known."""

from typing import Final
from urllib.parse import unquote, urlsplit

_SUFFIX_CHARACTERS: Final = 5


def title(track_id: str) -> str:
    """The file's name without its suffix, where the id has one; else the id."""
    if "/" not in track_id:
        return track_id
    path = urlsplit(track_id).path if "://" in track_id else track_id
    name = unquote(path.rstrip("/").rsplit("/", 1)[-1]) or track_id
    stem, dot, suffix = name.rpartition(".")
    return stem if dot and stem and suffix.isalnum() and len(suffix) < _SUFFIX_CHARACTERS else name
