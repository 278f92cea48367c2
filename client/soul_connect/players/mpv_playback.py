"""What mpv's events mean: the state of playback, without any I/O.

Two things make mpv's stream of events more than a list of facts. Events of a track that
is being replaced still arrive after its successor was asked for: playlist entry ids tell
them apart. And events do not say who caused them: what we asked for is noted here before
mpv can report it, so that the rest was somebody else.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from soul_connect.players.engine import (
    Advanced,
    EngineError,
    EngineEvent,
    PlayingChanged,
    PositionJumped,
    QueueReplaced,
    TrackEnded,
    TrackFailed,
    VolumeChanged,
)

Heard = EngineEvent
"""Something to tell; `Advanced` without its duration, `PositionJumped` without its position, and
`QueueReplaced` without its tracks."""

_PERCENT_TOLERANCE = 0.01

_NOTHING_PLAYED = "no audio or video data played"

_CODES = {
    "unrecognized file format": "bad_format",
    _NOTHING_PLAYED: "bad_format",
    "loading failed": "unreadable",
    "audio output initialization failed": "no_audio_output",
}


@dataclass(slots=True)
class _Entry:
    """A track on mpv's playlist; `id` is None until mpv has named it, `start_ms` is where it begins."""

    track_id: str
    id: int | None = None
    loaded: bool = False
    error: EngineError | None = None
    start_ms: int = 0


@dataclass(slots=True)
class Playback:
    """The current track, the next one, and what mpv is busy with."""

    paused: bool = True
    percent: float = 100.0
    _current: _Entry | None = None
    _next: _Entry | None = None
    _coming: _Entry | None = None
    _ready: asyncio.Future[None] | None = None
    _sought: asyncio.Future[None] | None = None
    _seeking: bool = False
    _started: int | None = None
    _changing_pause: bool = False
    _foreign_seek: bool = False
    _foreign_stop: bool = False
    _anchor: tuple[int, float] = field(default=(0, 0.0))
    _died_at_ms: int | None = None
    _left: tuple[str, int] | None = None
    unloaded_by_others: tuple[str, int] | None = None
    """The track that someone else stopped, and where (ms): to be loaded again for `play`."""

    @property
    def track_id(self) -> str | None:
        """The loaded track."""
        return self._current.track_id if self._current is not None else None

    @property
    def next_track_id(self) -> str | None:
        """The track that follows."""
        return self._next.track_id if self._next is not None else None

    def anchor(self, position_ms: int) -> None:
        """The sound is here, now."""
        self._anchor = (position_ms, time.monotonic())

    def position_ms(self) -> int:
        """Where the sound should be, reckoned from when it was last known."""
        if self._died_at_ms is not None:
            return self._died_at_ms
        position_ms, at = self._anchor
        return position_ms if self.paused else position_ms + round((time.monotonic() - at) * 1000)

    def expect_load(self, track_id: str, position_ms: int) -> asyncio.Future[None]:
        """A track is about to be loaded; the future ends when it is ready, or with `EngineError`."""
        self.forget()
        self._coming = _Entry(track_id, start_ms=position_ms)
        self._ready = asyncio.get_running_loop().create_future()
        return self._ready

    def loading(self, entry_id: int) -> None:
        """The playlist entry of the expected load."""
        if self._coming is not None:
            self._coming.id = entry_id

    def forget(self) -> None:
        """Nothing is loaded, and nothing follows."""
        self._current = self._next = self._coming = None
        self._foreign_seek = self._foreign_stop = False
        self.unloaded_by_others = None
        self._anchor = (0, time.monotonic())
        if self._ready is not None and not self._ready.done():
            self._ready.cancel()
        self._ready = None

    def expect_seek(self) -> asyncio.Future[None]:
        """A seek is about to be asked for; the future ends when the sound is there."""
        self._sought, self._seeking = asyncio.get_running_loop().create_future(), False
        return self._sought

    def seek_over(self) -> None:
        """The seek of ours is done, or given up."""
        self._sought = None

    def next_is(self, entry_id: int, track_id: str) -> None:
        """This follows, without a gap."""
        self._next = _Entry(track_id, entry_id)

    def next_is_bad(self, track_id: str, error: EngineError) -> None:
        """This follows, and cannot be played: told when the current track ends."""
        self._next = _Entry(track_id, error=error)

    def no_next(self) -> None:
        """Nothing follows."""
        self._next = None

    @contextlib.contextmanager
    def changing_pause(self) -> Iterator[None]:
        """While we set `pause`: reports of it are older than what we ask for."""
        self._changing_pause = True
        try:
            yield
        finally:
            self._changing_pause = False

    def paused_by_us(self, paused: bool) -> None:
        """It is as we asked; later reports count."""
        self._set_paused(paused)
        self._changing_pause = False

    def pause_seen(self, paused: bool) -> list[Heard]:
        """This is how mpv is: unless we asked for it, someone else did."""
        if self._changing_pause or paused == self.paused:
            return []
        self._set_paused(paused)
        return [PlayingChanged(is_playing=not paused)]

    def volume_by_us(self, percent: float) -> None:
        """The volume is what we asked for."""
        self.percent = percent

    def died(self) -> None:
        """The process has ended: the position stands still, and what was awaited will not come."""
        self._died_at_ms = self.position_ms()
        for awaited in (self._ready, self._sought):
            if awaited is not None and not awaited.done():
                awaited.set_exception(EngineError("engine_gone", "mpv has ended"))

    def hear(self, event: dict[str, Any]) -> list[Heard]:
        """What an event of mpv's means to others."""
        match event:
            case {"event": "property-change", "name": "pause", "data": bool(paused)}:
                return self.pause_seen(paused)
            case {"event": "property-change", "name": "volume", "data": float() | int() as percent}:
                return self._volume_reported(float(percent))
            case {"event": "start-file", "playlist_entry_id": int(entry_id)}:
                self._started = entry_id
            case {"event": "file-loaded"}:
                return self._file_loaded()
            case {"event": "seek"}:
                self._seeking = self._sought is not None
                self._foreign_seek = self._ready is None and self._sought is None
            case {"event": "playback-restart"}:
                return self._sounding()
            case {"event": "end-file", "playlist_entry_id": int(entry_id), "reason": str(reason)}:
                return self._file_ended(entry_id, reason, event)
            case {"event": "idle"} if self._foreign_stop:
                left = self._left
                self.forget()
                self.unloaded_by_others = left
                return [PlayingChanged(is_playing=False)]
        return []

    def _set_paused(self, paused: bool) -> None:
        self._anchor = (self.position_ms(), time.monotonic())
        self.paused = paused

    def _volume_reported(self, percent: float) -> list[Heard]:
        if abs(percent - self.percent) <= _PERCENT_TOLERANCE:
            return []
        self.percent = percent
        return [VolumeChanged(min(1.0, max(0.0, percent / 100)))]

    def _file_loaded(self) -> list[Heard]:
        coming, following = self._coming, self._next
        if coming is not None and coming.id == self._started:
            coming.loaded = True
        elif coming is None and following is not None and following.id == self._started:
            self._current, self._next = following, None
            self._foreign_stop = False
            self.anchor(0)
            return [Advanced(following.track_id, None)]
        elif coming is None and self._started is not None and not self._is_ours(self._started):
            return [QueueReplaced((), 0, None, is_playing=not self.paused)]
        return []

    def _is_ours(self, entry_id: int) -> bool:
        return any(each is not None and each.id == entry_id for each in (self._current, self._next))

    def put_on_by_others(self, track_id: str) -> None:
        """Someone else loaded this: it is the current track now."""
        self.forget()
        self._current = _Entry(track_id, self._started, loaded=True)

    def _sounding(self) -> list[Heard]:
        coming = self._coming
        if coming is not None:
            if coming.loaded and coming.id == self._started and self._ready is not None:
                self._current, self._coming = coming, None
                _end(self._ready)
                self._ready = None
        elif self._sought is not None:
            # A track that has just begun says so, too: before mpv has begun to seek, it is not our seek.
            if self._seeking:
                _end(self._sought)
        elif self._foreign_seek:
            self._foreign_seek = False
            return [PositionJumped(0)]
        return []

    def _file_ended(self, entry_id: int, reason: str, event: dict[str, Any]) -> list[Heard]:
        coming, current, following = self._coming, self._current, self._next
        if coming is not None:
            # Whatever came before it is being replaced, and no news.
            if entry_id == coming.id:
                return self._load_ended(coming, reason, event)
        elif current is not None and entry_id == current.id:
            return self._current_ended(current, reason, event)
        elif following is not None and entry_id == following.id:
            self.forget()
            error = _error(reason, event)
            return [TrackFailed(following.track_id, error.code, str(error))]
        return []

    def _load_ended(self, coming: _Entry, reason: str, event: dict[str, Any]) -> list[Heard]:
        if reason == "redirect" and event.get("playlist_insert_num_entries") == 1:
            # A playlist of one entry, as radio stations publish, is that entry.
            coming.id = event["playlist_insert_id"]
        elif self._ready is not None and not self._ready.done():
            if _begun_at_its_end(coming, event):
                _end(self._ready)
                self.forget()
                return [TrackEnded(coming.track_id)]
            self._ready.set_exception(_error(reason, event))
        return []

    def _current_ended(self, current: _Entry, reason: str, event: dict[str, Any]) -> list[Heard]:
        if self._sought is not None:
            _end(self._sought)
        following = self._next
        match "eof" if _begun_at_its_end(current, event) else reason:
            case "eof":
                if following is None:
                    self.forget()
                    return [TrackEnded(current.track_id)]
                if following.error is not None:
                    self.forget()
                    return [TrackFailed(following.track_id, following.error.code, str(following.error))]
                return []
            case "error":
                # mpv goes on with the next track, if there is one; whoever hears of the
                # failure decides that anew, so that this is no news.
                error = _error(reason, event)
                self.forget()
                return [TrackFailed(current.track_id, error.code, str(error))]
            case _:
                # Not by us: we forget a track before we stop it. `idle` tells a stop from a skip.
                self._foreign_stop = True
                self._left = (current.track_id, self.position_ms())
                return []


def _end(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _begun_at_its_end(entry: _Entry, event: dict[str, Any]) -> bool:
    """Whether it played nothing because there was nothing left of it, which is no fault of the file."""
    return entry.start_ms > 0 and entry.loaded and event.get("file_error") == _NOTHING_PLAYED


def _error(reason: str, event: dict[str, Any]) -> EngineError:
    if reason == "redirect":
        return EngineError("unsupported", "this is a folder or a playlist, not a track")
    text = str(event.get("file_error", reason))
    return EngineError(_CODES.get(text, "playback_error"), f"mpv: {text}")
