"""WAV files over HTTP (RIFF/WAVE: Microsoft, "Multimedia Programming Interface", 1991), from any position.

PCM of 16 or 32 bits, one or two channels. A position is a Range request; a connection that
breaks is made again where it broke.
"""

import asyncio

from soul.http import HttpError, get

TRIES = 4
"""How often in a row a broken connection is made again, waiting longer each time."""

SKIPPED = 1 << 20
"""How much (bytes) is read and thrown away: before the music, or where a server knows no Range."""

_PCM = 1
_EXTENSIBLE = 0xFFFE
_PCM_GUID = b"\x01\x00\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"


class TrackError(Exception):
    """A track that cannot be played; `code` says why in a word."""

    def __init__(self, code):
        super().__init__(code)
        self.code = code


class Format:
    """How the samples are: `rate` in Hz, `bits` of one, `channels`, `frame` in bytes."""

    def __init__(self, rate, bits, channels):
        self.rate = rate
        self.bits = bits
        self.channels = channels
        self.frame = bits // 8 * channels

    def same_as(self, other):
        """Whether the other's samples can follow without a new beginning."""
        return (self.rate, self.bits, self.channels) == (other.rate, other.bits, other.channels)

    def to_ms(self, count):
        """How long so many bytes sound, in ms."""
        return count // self.frame * 1000 // self.rate

    def to_bytes(self, ms):
        """How many bytes sound so long (ms): whole frames."""
        return ms * self.rate // 1000 * self.frame


def _number(data, at, size):
    return int.from_bytes(data[at : at + size], "little")


def read_format(data):
    """The format in a `fmt ` chunk.

    Raises:
        TrackError: `bad_format`: not PCM of 16 or 32 bits in one or two channels.
    """
    if len(data) < 16:
        raise TrackError("bad_format")
    kind, channels, rate = _number(data, 0, 2), _number(data, 2, 2), _number(data, 4, 4)
    frame, bits = _number(data, 12, 2), _number(data, 14, 2)
    if kind == _EXTENSIBLE and len(data) >= 40 and data[24:40] == _PCM_GUID:
        kind = _PCM
    if kind != _PCM or channels not in (1, 2) or bits not in (16, 32) or not 8000 <= rate <= 192000:
        raise TrackError("bad_format")
    found = Format(rate, bits, channels)
    if frame != found.frame:
        raise TrackError("bad_format")
    return found


class WavSource:
    """One file, being read."""

    def __init__(self, url, context=None):
        self._url = url
        self._context = context
        self._response = None
        self._data_at = 0
        self._place = 0  # in the data, bytes
        self.size = 0
        """Bytes of samples: whole frames."""
        self.format = Format(44100, 16, 2)

    @property
    def duration_ms(self):
        """How long it is."""
        return self.format.to_ms(self.size)

    async def open(self, position_ms, max_rate=192000):
        """Find the samples, and go to a position; beyond the end is the end.

        Raises:
            TrackError: it cannot be played.
        """
        try:
            self._response = response = await get(self._url, None, self._context)
            await self._find(response)
            self._check(max_rate)
            await self.go(self.format.to_bytes(position_ms))
        except HttpError as error:
            raise TrackError("bad_format" if error.code == "bad_answer" else error.code) from None
        except OSError:
            raise TrackError("unreachable") from None

    def _check(self, max_rate):
        if self.format.rate > max_rate or not self.size:
            raise TrackError("bad_format")

    async def _find(self, response):
        head = await response.readexactly(12)
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            raise TrackError("bad_format")
        place, found, skipped = 12, None, 0
        while True:
            head = await response.readexactly(8)
            name, size = head[:4], _number(head, 4, 4)
            place += 8
            if name == b"data":
                break
            skipped += 8 + size + (size & 1)
            if skipped > SKIPPED:
                raise TrackError("bad_format")
            if name == b"fmt " and size <= 1024:
                found = read_format(await response.readexactly(size))
                await response.skip(size & 1)
            else:
                await response.skip(size + (size & 1))
            place += size + (size & 1)
        if found is None:
            raise TrackError("bad_format")
        there = None if response.length is None else response.length - place
        if size in (0, 0xFFFFFFFF) or (there is not None and there < size):
            # Written as a stream, or cut short: what is there counts.
            if there is None:
                raise TrackError("bad_format")
            size = there
        self.format, self._data_at, self._place = found, place, 0
        self.size = size - size % found.frame

    async def go(self, place):
        """Read on from a byte of the samples; raises OSError where that is not possible."""
        place = min(place, self.size)
        if self._response is not None and place == self._place:
            return self._response
        await self.close()
        self._place = place
        if place < self.size:
            start = self._data_at + place
            response = await get(self._url, {"Range": "bytes=%d-" % start}, self._context)
            self._response = response
            if response.status == 200:  # no Range here
                if start > SKIPPED:
                    raise HttpError("no_seek")
                await response.skip(start)
            elif not response.headers.get("content-range", "").startswith("bytes %d-" % start):
                raise HttpError("bad_answer")
        return self._response

    async def readinto(self, view):
        """Read some samples into a memoryview; returns how many bytes, 0 at the end.

        Raises:
            TrackError: `connection_lost`, for good.
        """
        left = self.size - self._place
        if not left:
            return 0
        for tried in range(TRIES):
            try:
                response = self._response or await self.go(self._place)
                count = await response.readinto(view[: min(len(view), left)]) if response else 0
            except OSError:
                count = 0
            if count:
                self._place += count
                return count
            await self.close()
            if tried + 1 < TRIES:
                await asyncio.sleep(0.3 * (tried + 1))
        raise TrackError("connection_lost")

    async def close(self):
        """Let go of the connection."""
        response, self._response = self._response, None
        if response is not None:
            await response.close()
