"""An engine without sound that keeps time, for the host and for tests.

A track may say how it behaves, in the form of a query: `name?duration_ms=2000`.

    duration_ms=N   how long it is (default 3 min)
    load_ms=N       how long it takes to load
    error=CODE      it cannot be played: loading fails with that code
    break_ms=N      it fails with `bad_format` when it has played for so long
"""

import asyncio
import time

from soul.engine import ADVANCED, ENDED, FAILED, LOADED, Engine

DURATION_MS = 180_000
EVERY = 0.01
"""How often (s) it looks at the clock."""


def _option(track, name, otherwise):
    for part in track.partition("?")[2].split("&"):
        key, _, value = part.partition("=")
        if key == name:
            return value
    return otherwise


class SimulatedEngine(Engine):
    """Plays silence, exactly as long as it should. Tells what happened in `poll`, never earlier."""

    formats = ("wav", "simulated")

    def __init__(self, clock):
        """`clock.now()` is ms."""
        super().__init__()
        self._clock = clock
        self._beat = time.ticks_ms()
        self._track = None
        self._serial = 0
        self._next = (0, None)
        self._duration = 0
        self._loaded_at = None  # when loading ends; None: it has
        self._playing = False
        self._base = 0
        self._since = 0
        self._volume = 1.0

    async def run(self):
        """Keep time, for ever."""
        while True:
            self.poll()
            await asyncio.sleep(EVERY)

    def beat(self):
        """When it last kept time."""
        return self._beat

    def poll(self):
        """Look at the clock, and tell what has happened by now."""
        self._beat = time.ticks_ms()
        if self._track is None:
            return
        now = self._clock.now()
        if self._loaded_at is not None:
            if now < self._loaded_at:
                return
            self._loaded_at = None
            self._since = now
            error = _option(self._track, "error", None)
            if error is not None:
                self._drop(FAILED, error)
            else:
                self.tell(LOADED, self._serial, self._duration)
            return
        breaks = _option(self._track, "break_ms", None)
        if breaks is not None and self.position_ms() >= int(breaks):
            self._drop(FAILED, "bad_format")
        elif self._playing and self._base + now - self._since >= self._duration:
            self._end(self._since + self._duration - self._base)

    def _end(self, at):
        serial, track = self._next
        error = None if track is None else _option(track, "error", None)
        if track is None:
            self._drop(ENDED)
        elif error is not None:
            self._serial = serial
            self._drop(FAILED, error)
        else:
            self._begin(serial, track, 0)
            self._since = at
            self.tell(ADVANCED, serial, self._duration)

    def _begin(self, serial, track, position_ms):
        self._serial, self._track, self._next = serial, track, (0, None)
        self._duration = int(_option(track, "duration_ms", DURATION_MS))
        self._base = min(position_ms, self._duration)

    def _drop(self, kind, value=None):
        serial = self._serial
        self.stop()
        self.tell(kind, serial, value)

    def load(self, serial, track, position_ms, play):
        """Begin to load a track."""
        self._begin(serial, track, position_ms)
        self._playing = play
        self._loaded_at = self._clock.now() + int(_option(track, "load_ms", 0))

    def set_next(self, serial, track):
        """What to go on with."""
        self._next = (serial, track)

    def play(self):
        """Go on."""
        if not self._playing:
            self._since = self._clock.now()
            self._playing = True

    def pause(self):
        """Hold."""
        self._base = self.position_ms()
        self._playing = False

    def seek(self, position_ms):
        """Go to a position."""
        self._base, self._since = min(position_ms, self._duration), self._clock.now()

    def stop(self):
        """Unload."""
        self._track, self._loaded_at, self._playing = None, None, False
        self._next = (0, None)

    def set_volume(self, volume):
        """0.0-1.0."""
        self._volume = volume

    def position_ms(self):
        """Where the sound would be."""
        if self._track is None:
            return 0
        if not self._playing or self._loaded_at is not None:
            return self._base
        return min(self._base + self._clock.now() - self._since, self._duration)
