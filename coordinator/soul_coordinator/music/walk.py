"""Going through a folder of music: sorted, bounded, and never out of it."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from soul_coordinator.music.tags import MEDIA_TYPES, PICTURE_BYTES

MOST_TRACKS: Final = 50_000
"""Files of music that are listed: some 60 MB of memory."""

_MOST_ENTRIES: Final = 1_000_000
_DEPTH: Final = 24
_ID_CHARACTERS: Final = 256
"""What a track's id may have ("Identity" in docs/protocol.md)."""

_COVER_STEMS: Final = ("cover", "folder", "front", "album")


@dataclass(frozen=True, slots=True)
class Found:
    """A file that may be music.

    Attributes:
        id: its path below the root, with `/` between.
        file: where it is.
        stamp: changes when the file, or the picture beside it, does.
        media_type: by its name.
        picture: a cover in the same folder.
    """

    id: str
    file: Path
    stamp: tuple[int, int]
    media_type: str
    picture: Path | None


class Walk:
    """One way through `root`; after it, `more` says that it was cut short, `missing` that it is not there."""

    PICTURES: Final = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".svg")

    def __init__(self, root: Path) -> None:
        self._root = root
        self._entries = 0
        self._tracks = 0
        self.more = False
        self.missing = not root.is_dir()

    def __iter__(self) -> Iterator[Found]:
        waiting = [(self._root, 0)]
        while waiting and not self.more:
            folder, depth = waiting.pop()
            folders, files = self._list(folder)
            if depth < _DEPTH:
                waiting += [(each, depth + 1) for each in reversed(folders)]
            yield from self._music(files)

    def _list(self, folder: Path) -> tuple[list[Path], dict[str, os.DirEntry[str]]]:
        """The folders and files in one, by name; hidden ones and linked folders left out."""
        folders: list[Path] = []
        files: dict[str, os.DirEntry[str]] = {}
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    self._entries += 1
                    if self._entries > _MOST_ENTRIES:
                        self.more = True
                        break
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(Path(entry.path))
                    elif self._belongs(entry):
                        files[entry.name] = entry
        except OSError:
            return [], {}  # it went away, or is not ours to read
        return sorted(folders), dict(sorted(files.items()))

    def _belongs(self, entry: os.DirEntry[str]) -> bool:
        """Whether it is a file inside the root; a link counts as where it leads."""
        try:
            if not entry.is_file():
                return False
            return not entry.is_symlink() or Path(entry.path).resolve().is_relative_to(self._root)
        except (OSError, RuntimeError):
            return False

    def _music(self, files: dict[str, os.DirEntry[str]]) -> Iterator[Found]:
        picture = self._cover(files)
        beside = 0 if picture is None else _stamp(picture)[0]
        for name, entry in files.items():
            media_type = MEDIA_TYPES.get(Path(name).suffix.lower())
            if media_type is None:
                continue
            track_id = Path(entry.path).relative_to(self._root).as_posix()
            if len(track_id) > _ID_CHARACTERS or not _is_text(track_id):
                continue
            if self._tracks >= MOST_TRACKS:
                self.more = True
                return
            self._tracks += 1
            changed, size = _stamp(entry)
            place = None if picture is None else Path(picture.path)
            yield Found(track_id, Path(entry.path), (changed ^ beside, size), media_type, place)

    def _cover(self, files: dict[str, os.DirEntry[str]]) -> os.DirEntry[str] | None:
        pictures = [
            entry
            for name, entry in files.items()
            if Path(name).suffix.lower() in self.PICTURES and 0 < _stamp(entry)[1] <= PICTURE_BYTES
        ]
        by_stem = {Path(entry.name).stem.lower(): entry for entry in reversed(pictures)}
        for stem in _COVER_STEMS:
            if stem in by_stem:
                return by_stem[stem]
        return pictures[0] if len(pictures) == 1 else None


def _stamp(entry: os.DirEntry[str]) -> tuple[int, int]:
    try:
        found = entry.stat()
    except OSError:
        return (0, 0)
    return (found.st_mtime_ns, found.st_size)


def _is_text(text: str) -> bool:
    """Whether it can cross the wire as it is: UTF-8, without control characters."""
    return not any(each < " " or "\x7f" <= each < "\xa0" or "\ud800" <= each <= "\udfff" for each in text)
