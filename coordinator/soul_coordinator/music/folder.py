"""A folder of music: looked through by a thread of its own, and asked by the HTTP server.

Only what the thread found can be asked for: no path of a request ever reaches the file system.
What is new or changed is noticed at the next look, which a request for the library causes at
most once a minute.
"""

import contextlib
import hashlib
import hmac
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from soul_coordinator.music.tags import NoMusicError, picture_type, read
from soul_coordinator.music.track import Track
from soul_coordinator.music.walk import MOST_TRACKS, Found, Walk

LOOK_AGAIN: Final = 60.0
"""Seconds after one look before there may be another."""

_TELL: Final = 10.0
_PUBLISH: Final = 2.0
_PAUSE: Final = 0.0005
"""Between two files the event loop of this process gets its turn: seconds."""

_log = structlog.get_logger("soul_coordinator.music")


@dataclass(frozen=True, slots=True)
class Page:
    """A piece of the library, from `offset` on, of `total` that were asked for."""

    tracks: tuple[Track, ...]
    total: int
    offset: int

    @property
    def next_offset(self) -> int | None:
        """Where the next piece begins, if there is one."""
        end = self.offset + len(self.tracks)
        return end if self.tracks and end < self.total else None


@dataclass(frozen=True, slots=True)
class Cover:
    """A picture, and its media type."""

    data: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class _Known:
    """A file as it was when it was read; None: no music in it. `picture`: the file with its cover."""

    stamp: tuple[int, int]
    track: Track | None
    picture: Path


@dataclass(frozen=True, slots=True)
class _Shelf:
    """All there is at a moment, in order; replaced as a whole."""

    tracks: tuple[Track, ...] = ()
    words: tuple[str, ...] = ()


class MusicFolder:
    """The tracks below `root`.

    Args:
        root: the folder. What lies outside, links included, is not there.
        key: names the covers, so that nobody can ask for a picture to learn whether it is here.
        clock: seconds, never going back.
    """

    def __init__(self, root: Path, key: bytes, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.expecting = False
        """Whether music is on its way into the folder: until then what is found is not all."""
        self._root = root.resolve()
        self._key = key
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._tracks: dict[str, Track] = {}
        self._covers: dict[str, Path] = {}
        self._shelf = _Shelf()
        self._looking = threading.Lock()
        self._ending = threading.Event()
        self._wanted = threading.Event()
        self._looked: float | None = None
        self._thread: threading.Thread | None = None

    # Asked by the server

    @property
    def scanning(self) -> bool:
        """Whether there is more to come: the first look is not done yet, or music is on its way."""
        return self._looked is None or self.expecting

    def start(self) -> None:
        """Begin to look, in a thread."""
        self._wanted.set()
        self._thread = threading.Thread(target=self._work, name="music folder", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread, within the time that one file takes."""
        self._ending.set()
        self._wanted.set()
        if self._thread is not None:
            self._thread.join(5)

    def look_again(self) -> None:
        """Somebody is interested: look for what is new, unless that was done a moment ago."""
        if self._looked is not None and self._clock() - self._looked >= LOOK_AGAIN:
            self._wanted.set()

    def track(self, track_id: str) -> Track | None:
        """The track with this id."""
        return self._tracks.get(track_id)

    def page(self, offset: int, limit: int, search: str = "") -> Page:
        """Tracks in order; with `search`, those in which each of its words occurs."""
        shelf = self._shelf
        tracks = shelf.tracks
        if wanted := search.casefold().split():
            tracks = tuple(
                track
                for track, words in zip(tracks, shelf.words, strict=True)
                if all(word in words for word in wanted)
            )
        return Page(tracks[offset : offset + limit], len(tracks), offset)

    def file(self, track: Track) -> Path | None:
        """Where a track's sound is, if it still is, and inside the folder. Looks at the disk."""
        return self._inside(self._root / track.id)

    def cover(self, name: str) -> Cover | None:
        """The picture of this name, if it still is that one. Reads the disk."""
        file = self._covers.get(name)
        file = None if file is None else self._inside(file)
        if file is None:
            return None
        data = self._picture(file)
        if data is None or self._cover_name(data) != name:
            return None
        return Cover(data, picture_type(data) or "image/svg+xml")

    # The thread

    def _work(self) -> None:
        while not self._ending.is_set():
            self._wanted.clear()
            try:
                self.look()
            except Exception:  # noqa: BLE001 (a bug must not end the looking for good)
                _log.exception("music folder", folder=str(self._root))
            self._looked = self._clock()
            self._wanted.wait()

    def look(self) -> None:
        """Look through the whole folder; takes long. What is known already is not read again."""
        with self._looking:
            self._look()

    def _look(self) -> None:
        began = told = published = self._clock()
        fresh: dict[str, _Known] = {}
        first = not self._shelf.tracks
        walk = Walk(self._root)
        for found in walk:
            if self._ending.is_set():
                return
            known = self._known.get(found.id)
            if known is None or known.stamp != found.stamp:
                known = self._read(found)
                self._ending.wait(_PAUSE)
            fresh[found.id] = known
            now = self._clock()
            if first and now - published >= _PUBLISH:
                self._publish(fresh)
                published = now
            if now - told >= _TELL:
                _log.info("looking through the music folder", files=len(fresh))
                told = now
        if walk.missing and self._shelf.tracks:
            _log.warning("music folder is gone; what was in it stays listed", folder=str(self._root))
            return
        self._known = fresh
        changed = self._publish(fresh)
        if changed or first:
            took = round(self._clock() - began, 1)
            _log.info("music folder", tracks=len(self._tracks), files=len(fresh), seconds=took)
        if walk.more:
            _log.warning("music folder is too large; the rest is not listed", most=MOST_TRACKS)

    def _publish(self, fresh: dict[str, _Known]) -> bool:
        tracks = {each: known.track for each, known in fresh.items() if known.track is not None}
        self._covers = {
            known.track.cover: known.picture
            for known in fresh.values()
            if known.track is not None and known.track.cover is not None
        }
        if tracks == self._tracks:
            return False
        ordered = tuple(sorted(tracks.values(), key=Track.place))
        self._tracks = tracks
        self._shelf = _Shelf(ordered, tuple(track.words() for track in ordered))
        return True

    def _read(self, found: Found) -> _Known:
        try:
            tags, picture = read(found.file)
        except NoMusicError as error:
            _log.debug("no music", file=found.id, why=str(error))
            return _Known(found.stamp, None, found.file)
        source = found.file
        if picture is None and found.picture is not None:
            source = found.picture
            picture = self._picture(source)
        cover = None if picture is None else self._cover_name(picture)
        return _Known(found.stamp, Track(found.id, tags, found.media_type, cover), source)

    def _picture(self, file: Path) -> bytes | None:
        """A picture in a sound file, or a file that is one."""
        with contextlib.suppress(NoMusicError, OSError):
            if file.suffix.lower() in Walk.PICTURES:
                data = file.read_bytes()
                drawn = file.suffix.lower() == ".svg" or picture_type(data) is not None
                return data if drawn else None
            return read(file)[1]
        return None

    def _cover_name(self, data: bytes) -> str:
        suffix = (picture_type(data) or "image/svg").rpartition("/")[2]
        return f"{hmac.digest(self._key, data, hashlib.sha256).hex()[:32]}.{suffix}"

    def _inside(self, path: Path) -> Path | None:
        try:
            real = path.resolve(strict=True)
        except (OSError, RuntimeError):
            return None
        return real if real.is_relative_to(self._root) and real.is_file() else None
