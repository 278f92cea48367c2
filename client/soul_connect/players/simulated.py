"""An engine without sound that keeps perfect time.

A track id may say how it behaves, in the form of a query: `name?duration_ms=2000`.

    duration_ms=N   how long it is (default: the engine's `duration_ms`)
    load_ms=N       how long it takes to load (default: the engine's `load_ms`)
    error=CODE      it cannot be played: loading fails with that code
    break_ms=N      it fails with `bad_format` when it has played for so long

With a log it writes one JSON object per line for all that it does: `at` (CLOCK_MONOTONIC in
seconds, the same for all processes of a machine), `player`, `event`, `track_id`,
`position_ms` and `playing`. The logs of several players, merged by `at`, show whether two of
them ever played at the same time.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from typing import ClassVar, TextIO
from urllib.parse import parse_qs

from soul_connect.players.engine import (
    Advanced,
    Engine,
    EngineError,
    EngineEvent,
    PlayingChanged,
    PositionJumped,
    TrackEnded,
    TrackFailed,
    VolumeChanged,
)

DURATION_MS = 180_000
"""How long a track is that does not say so: 3 min."""


class SimulatedEngine(Engine):
    """Plays silence, exactly as long as it should."""

    supported_formats: ClassVar[tuple[str, ...]] = ("simulated",)
    max_sample_rate: ClassVar[int] = 192_000

    def __init__(
        self,
        *,
        name: str = "simulated",
        duration_ms: int = DURATION_MS,
        durations: Mapping[str, int] | None = None,
        load_ms: int = 0,
        log: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`name` is the `player` in the log; `durations` are those (ms) of tracks that it knows.

        `clock` gives seconds and goes with the event loop's.
        """
        self._name = name
        self._default_ms = duration_ms
        self._durations = durations or {}
        self._load_ms = load_ms
        self._log = log
        self._clock = clock
        self._listener: Callable[[EngineEvent], None] | None = None
        self._track: str | None = None
        self._duration = duration_ms
        self._next: str | None = None
        self._position = 0.0
        self._since: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.volume = 1.0

    async def open(self, listener: Callable[[EngineEvent], None]) -> None:
        """Start; cannot fail."""
        await super().open(listener)
        self._listener = listener
        self._write("open")

    async def close(self) -> None:
        """End."""
        if self._listener is not None:
            self._unload()
            self._listener = None
            self._write("close")

    async def load(self, track_id: str, *, position_ms: int, play: bool) -> int | None:
        """Load after the track's `load_ms`; the old track is silent from the start of that."""
        self._unload()
        self._write("load", track_id)
        facts = _facts(track_id)
        wait = int(facts.get("load_ms") or self._load_ms)
        if wait:
            await asyncio.sleep(wait / 1_000)
        if "error" in facts:
            self._write("error", track_id)
            raise EngineError(facts["error"], f"{track_id} cannot be played")
        self._put_on(track_id, position_ms)
        self._write("loaded")
        if play:
            await self.play()
        return self._duration

    async def play(self) -> None:
        """Go on; nothing happens where nothing is loaded."""
        if self._track is not None and self._since is None:
            self._since = self._clock()
            self._arm()
            self._write("play")

    async def pause(self) -> None:
        """Hold."""
        if self._since is not None:
            self._hold()
            self._write("pause")

    async def seek(self, position_ms: int) -> None:
        """Go to a position; beyond the end is the end."""
        if self._track is not None:
            self._jump(position_ms)
            self._write("seek")

    async def stop(self) -> None:
        """Unload."""
        if self._track is not None:
            self._unload()
            self._write("stop")

    async def set_volume(self, volume: float) -> None:
        """0.0-1.0."""
        self.volume = volume
        self._write("volume")

    async def set_next(self, track_id: str | None) -> None:
        """What follows; a track that cannot be played is refused only when its turn comes."""
        self._next = track_id

    async def position_ms(self) -> int:
        """Where it is now."""
        return int(self._now_at())

    # What someone at the device itself would do

    async def press_play(self) -> None:
        """Play, unasked."""
        await self.play()
        self._tell(PlayingChanged(is_playing=True))

    async def press_pause(self) -> None:
        """Pause, unasked."""
        await self.pause()
        self._tell(PlayingChanged(is_playing=False))

    async def drag_to(self, position_ms: int) -> None:
        """Seek, unasked."""
        await self.seek(position_ms)
        self._tell(PositionJumped(position_ms=int(self._now_at())))

    async def turn_volume(self, volume: float) -> None:
        """Change the volume, unasked."""
        await self.set_volume(volume)
        self._tell(VolumeChanged(volume=volume))

    @property
    def track(self) -> str | None:
        """What is loaded."""
        return self._track

    @property
    def playing(self) -> bool:
        """Whether it would sound."""
        return self._since is not None

    # Inside

    def _put_on(self, track_id: str, position_ms: float) -> None:
        self._track = track_id
        known = self._durations.get(track_id, self._default_ms)
        self._duration = int(_facts(track_id).get("duration_ms") or known)
        self._position = min(float(position_ms), self._duration)

    def _now_at(self) -> float:
        played = 0.0 if self._since is None else (self._clock() - self._since) * 1_000
        return min(self._position + played, float(self._duration))

    def _hold(self) -> None:
        self._position = self._now_at()
        self._since = None
        self._disarm()

    def _jump(self, position_ms: float) -> None:
        self._position = min(float(position_ms), self._duration)
        if self._since is not None:
            self._since = self._clock()
            self._arm()

    def _unload(self) -> None:
        if self._track is not None:
            self._hold()
            self._write("unload")
        self._track = self._next = None
        self._position = 0.0

    def _arm(self) -> None:
        self._disarm()
        breaks = _facts(self._track or "").get("break_ms")
        end = self._duration if breaks is None else min(int(breaks), self._duration)
        wait = max(0.0, end - self._now_at()) / 1_000
        self._timer = asyncio.get_running_loop().call_later(wait, self._at_end, breaks is not None)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _at_end(self, broken: bool) -> None:
        ended, follows = self._track or "", self._next
        if broken:
            self._hold()
            self._write("broken")
            self._tell(TrackFailed(track_id=ended, code="bad_format", message="the file is damaged"))
            return
        if follows is None:
            self._hold()
            self._write("ended")
            self._tell(TrackEnded(track_id=ended))
            return
        self._next = None
        facts = _facts(follows)
        if "error" in facts:
            self._hold()
            self._write("error", follows)
            self._tell(TrackFailed(track_id=follows, code=facts["error"], message="cannot be played"))
            return
        self._put_on(follows, 0)
        self._since = self._clock()
        self._arm()
        self._write("advanced")
        self._tell(Advanced(track_id=follows, duration_ms=self._duration))

    def _tell(self, event: EngineEvent) -> None:
        if self._listener is not None:
            self._listener(event)

    def _write(self, event: str, track_id: str | None = None) -> None:
        if self._log is None:
            return
        line = {
            "at": self._clock(),
            "player": self._name,
            "event": event,
            "track_id": track_id or self._track,
            "position_ms": int(self._now_at()),
            "playing": self.playing,
        }
        self._log.write(json.dumps(line) + "\n")
        self._log.flush()


def _facts(track_id: str) -> dict[str, str]:
    _, _, query = track_id.partition("?")
    return {name: values[-1] for name, values in parse_qs(query).items()}
