"""WAV files over HTTP, through I2S to a DAC.

    HTTP --reader task--> ring of two 256 KB buffers (PSRAM) --slices--> I2S (ibuf 16 KB) --> DAC

I2S works in irq mode: a slice of up to a whole buffer is handed over, and goes out while Python is
held up by a TLS handshake or a garbage collection; the callback hands over the next one. Where the sound
is follows from the time since it began. A pause ends I2S, which falls silent at once; what had been
handed over stays in the ring, and goes on from there.
"""

import asyncio
import time

from soul.engine import ADVANCED, ENDED, FAILED, LOADED, Engine
from soul.gain import Gain
from soul.ring import Ring, Segment
from soul.wav_http import TrackError, WavSource

BUFFER = 256 * 1024
IBUF = 16 * 1024
READ = 16 * 1024
"""The most (bytes) that is read at once."""

LATE = 20
"""How much (ms) the sound may be behind its time."""

EVERY = 0.02
"""How often (s) it looks whether a track has ended."""


class I2SEngine(Engine):
    """The engine of the device."""

    formats = ("wav",)

    def __init__(self, config, i2s=None):
        """`config`: `i2s` (`sck`, `ws`, `sd`, and if wanted `id`), `library`, `max_sample_rate`, `buffer`.

        `library` makes an address of a track that is none: `http://nas/music/{id}.wav`.
        """
        super().__init__()
        if i2s is None:
            from machine import I2S as i2s  # noqa: N811 (absent on the host)
        self.max_sample_rate = config.get("max_sample_rate", 48000)
        self.underruns = 0
        """How often the DAC had nothing to play."""
        self._i2s = i2s
        self._pins = config["i2s"]
        self._library = config.get("library", "{id}")
        self._context = config.get("tls_context")
        self._ring = Ring(config.get("buffer", BUFFER))
        self._gain = Gain()
        self._beat = time.ticks_ms()
        self._device = None  # the running I2S
        self._reader = None
        self._turn = asyncio.Event()  # there is room, or something else to read
        self._reset()

    # The port

    def beat(self):
        """When it last looked."""
        return self._beat

    async def run(self):
        """Look whether a track has ended, for ever."""
        while True:
            self._beat = time.ticks_ms()
            self.look()
            await asyncio.sleep(EVERY)

    def load(self, serial, track, position_ms, play):
        """Begin to load a track."""
        self.stop()
        self._playing = play
        self._read_from(serial, track, position_ms, announce=True)

    def set_next(self, serial, track):
        """What to go on with; what was read of another is thrown away."""
        if self._ahead is not None and self._ahead[1] == track:
            self._ahead = (serial, track)
            for segment in self._segments[1:]:
                segment.serial = serial
            self._next = (serial, track)
            return
        self._next = (serial, track)
        if self._ahead is not None:
            # Another one was read ahead, or could not be.
            self._ahead = self._next_error = None
            border = self._segments[0].end if self._segments else None
            if border is not None:
                del self._segments[1:]
                self._cut(border)
                self._start_reader(self._read_on())
        self._turn.set()

    def play(self):
        """Go on."""
        self._playing = True
        self._feed()

    def pause(self):
        """Silent at once."""
        self._playing = False
        self._hold()

    def seek(self, position_ms):
        """Go to a position: in the ring if it is there, else by reading anew."""
        if not self._segments or not self._ready:
            if self._wanted is not None:
                self._read_from(*self._wanted[:2], position_ms, announce=self._wanted[3])
            return
        self._hold()
        segment = self._segments[0]
        ahead = segment.format.to_bytes(position_ms) - segment.format.to_bytes(segment.from_ms)
        place = segment.start + ahead
        end = self._ring.filled if segment.end is None else segment.end
        if self._ring.kept <= place <= end and ahead >= 0:
            self._taken = place
            self._feed()
        else:
            self._read_from(segment.serial, segment.track, position_ms, announce=False)

    def stop(self):
        """Silent, and nothing loaded."""
        self._playing = False
        self._hold()
        self._stop_reader()
        self._reset()

    def set_volume(self, volume):
        """0.0-1.0. What was handed over is taken back, so that it is heard at once."""
        if self._gain.set(volume) and self._device is not None:
            self._hold()
            self._feed()

    def position_ms(self):
        """Where the sound is."""
        if not self._segments:
            return 0 if self._wanted is None else self._wanted[2]
        segment = self._segments[0]
        played = max(0, self._played() - segment.start)
        return min(segment.from_ms + segment.format.to_ms(played), segment.duration_ms)

    # The network's side

    def _reset(self):
        self._ring.clear()
        self._segments = []  # what is in the ring; the first one sounds
        self._taken = 0  # the place up to which I2S has taken
        self._given = 0  # bytes that it was given and has not taken yet
        self._anchor = None  # (ticks, place): when what sounded
        self._wanted = None  # (serial, track, position, announce) of what is being loaded
        self._next = (0, None)
        self._ahead = None  # the next one, of which was read already
        self._error = self._next_error = None
        self._events = []  # to be told by `look`: not from within the reader, which may be ended by it
        self._ready = self._starving = self._playing = False

    def _read_from(self, serial, track, position_ms, announce):
        playing, follows = self._playing, self._next
        self._hold()
        self._stop_reader()
        self._reset()
        self._playing, self._next = playing, follows
        self._wanted = (serial, track, position_ms, announce)
        self._start_reader(self._read(serial, track, position_ms, announce))

    def _start_reader(self, work):
        self._stop_reader()
        self._reader = asyncio.create_task(work)

    def _stop_reader(self):
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.cancel()

    async def _open(self, serial, track, position_ms):
        """Open a track and append its segment to the ring."""
        url = track if "://" in track else self._library.replace("{id}", track)
        source = WavSource(url, self._context)
        try:
            await source.open(position_ms, self.max_sample_rate)
        except BaseException:
            await source.close()
            raise
        start = self._ring.filled
        if self._segments and not source.format.same_as(self._segments[-1].format):
            # Frames of another size: where all sizes have a border, so that no slice cuts one.
            start = (start + 7) // 8 * 8
            self._ring.put(start - self._ring.filled)
        at = min(position_ms, source.duration_ms)
        self._segments.append(Segment(serial, track, source, start, at))
        return source

    async def _read(self, serial, track, position_ms, announce):
        try:
            source = await self._open(serial, track, position_ms)
        except TrackError as error:
            self._events.append((FAILED, serial, error.code))
            return
        await self._fill(source, lambda: self._loaded(serial, source, announce))
        await self._read_on()

    def _loaded(self, serial, source, announce):
        """Enough is there to begin."""
        if not self._ready:
            self._ready, self._wanted = True, None
            if announce:
                self._events.append((LOADED, serial, source.duration_ms))
        self._feed()

    async def _read_on(self):
        """When a track is read, the next one: so that it follows without a gap."""
        while not self._error and not self._next_error:
            while self._next[1] is None or self._ahead is not None or len(self._segments) != 1:
                self._turn.clear()
                await self._turn.wait()
            self._ahead = serial, track = self._next
            try:
                source = await self._open(serial, track, 0)
            except TrackError as error:
                if self._ahead is not None:
                    self._next_error = error.code
                return
            await self._fill(source, self._feed)

    async def _fill(self, source, enough):
        """Read to the end of a track; `enough` is called whenever there is something to play."""
        segment, ring = self._segments[-1], self._ring
        begun = min(IBUF * 2, segment.format.to_bytes(200))
        try:
            while True:
                room = ring.room(READ)
                if not len(room):
                    self._turn.clear()
                    await self._turn.wait()
                    continue
                count = await source.readinto(room)
                ring.put(count)
                if count == 0:
                    break
                if ring.filled - max(self._taken, segment.start) >= begun:
                    enough()
        except TrackError as error:
            self._error = error.code
        except BaseException:
            await source.close()
            raise
        ring.put(-((ring.filled - segment.start) % segment.format.frame))
        segment.end = ring.filled
        enough()
        await source.close()

    # The DAC's side

    def _limit(self):
        """The place up to which the running I2S may be given: to the border of another format."""
        before = self._segments[0]
        for segment in self._segments[1:]:
            if not segment.format.same_as(before.format):
                return before.end
            before = segment
        segment = self._segments[-1]
        whole = (self._ring.filled - segment.start) // segment.format.frame * segment.format.frame
        return segment.start + whole

    def _feed(self, _device=None):
        """Give I2S its next slice, if it has none. Called back by I2S, too."""
        if not self._playing or not self._ready or self._given or not self._segments:
            return
        segment = self._segments[0]
        limit = self._limit()
        if self._taken >= limit:
            # Nothing to give: right at the end of all, else an underrun, if it lasts.
            self._starving = self._device is not None and self._segments[-1].end is None
            return
        silent = self._anchor is None or self._sounds(self._anchor) >= self._taken
        if self._starving and silent:
            if segment.end is None and limit - self._taken < segment.format.to_bytes(300):
                return  # after an underrun some reserve first
            self.underruns += 1
        device = self._device or self._begin(segment.format)
        place, self._starving = self._taken, False
        view = self._ring.slice(place, limit)
        self._given = len(view)
        device.write(self._gain.applied(view, segment.format.bits))
        if silent:
            # Only now: a place that is ahead of the sound would end a track before its last samples.
            self._anchor = (time.ticks_ms(), place)

    def _fed(self, _device=None):
        """I2S has taken its slice: the next one."""
        if self._given:
            # One look at the clock: what interrupts between two would be counted as sound each time.
            now = time.ticks_ms()
            self._anchor = (now, self._played(now))
            self._taken += self._given
            self._given = 0
            self._keep()
            self._feed()

    def _begin(self, form):
        i2s, pins = self._i2s, self._pins
        from machine import Pin

        self._device = device = i2s(
            pins.get("id", 0),
            sck=Pin(pins["sck"]),
            ws=Pin(pins["ws"]),
            sd=Pin(pins["sd"]),
            mode=i2s.TX,
            bits=form.bits,
            format=i2s.STEREO if form.channels == 2 else i2s.MONO,
            rate=form.rate,
            ibuf=IBUF,
        )
        device.irq(self._fed)
        return device

    def _hold(self):
        """Silent at once, at the place that sounds now."""
        if self._device is None:
            return
        segment = self._segments[0]
        place = max(self._played(), self._ring.kept)
        self._taken = place - (place - segment.start) % segment.format.frame
        self._device.deinit()
        self._device = self._anchor = None
        self._given, self._starving = 0, False

    def _played(self, now=None):
        """The place that sounds now."""
        if self._anchor is None or not self._segments:
            return self._taken
        return min(self._sounds(self._anchor, now), self._taken + self._given)

    def _sounds(self, anchor, now=None):
        """The place that would sound now, if there were data without end."""
        ticks, place = anchor
        gone = max(0, time.ticks_diff(time.ticks_ms() if now is None else now, ticks))
        return place + self._segments[0].format.to_bytes(gone)

    def _keep(self):
        """What sounds, and may have to be given again, is not overwritten."""
        self._ring.kept = max(self._ring.kept, self._taken - IBUF)
        self._turn.set()

    def _cut(self, place):
        """Forget what was read from a place on."""
        taken = self._given and self._taken + self._given > place
        if taken:
            self._hold()
        self._ring.filled = place
        if taken:
            self._feed()

    # Time

    def look(self):
        """Tell what has ended by now."""
        events, self._events = self._events, []
        for kind, serial, value in events:
            self.tell(kind, serial, value)
        if not self._segments or not self._ready:
            return
        segment = self._segments[0]
        if segment.end is None or self._played() < segment.end:
            return
        follows = self._segments[1] if len(self._segments) > 1 else None
        if follows is None or not follows.format.same_as(segment.format):
            # I2S is about to be stopped: the last sample may be some ms behind its time.
            last = segment.end + segment.format.to_bytes(LATE)
            if self._anchor is not None and self._sounds(self._anchor) < last:
                return
        if follows is not None:
            self._advance()
        elif self._error:
            self._finish(FAILED, segment.serial, self._error)
        elif self._next_error and self._ahead is not None:
            self._finish(FAILED, self._ahead[0], self._next_error)
        elif self._next[1] is None and self._playing:
            self._finish(ENDED, segment.serial)

    def _advance(self):
        """The next track sounds."""
        old = self._segments.pop(0)
        segment = self._segments[0]
        if not segment.format.same_as(old.format):
            self._hold()
            self._taken = segment.start
        self._ahead, self._next = None, (0, None)
        self._feed()
        self._turn.set()
        self.tell(ADVANCED, segment.serial, segment.duration_ms)

    def _finish(self, kind, serial, value=None):
        self.stop()
        self.tell(kind, serial, value)
