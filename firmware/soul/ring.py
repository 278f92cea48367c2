"""Two large buffers as one ring of bytes, between the network that fills and the DAC that drains.

Places are counted from the first byte ever put in, so that they never wrap; slices never cross the
border between the two buffers.
"""


class Ring:
    """Bytes from `kept` to `filled`."""

    def __init__(self, size):
        """`size`: bytes of each of the two buffers, a multiple of 8."""
        self._size = size
        self._views = [memoryview(bytearray(size)), memoryview(bytearray(size))]
        self.filled = 0
        """The place after the last byte that was put in."""
        self.kept = 0
        """The place before which bytes may be overwritten."""

    def clear(self, place=0):
        """Empty, going on at a place."""
        self.filled = self.kept = place

    def room(self, most):
        """A view to read up to `most` bytes into; empty if there is no room. Then `put` what came."""
        at = self.filled % (2 * self._size)
        start = at % self._size
        free = 2 * self._size - (self.filled - self.kept)
        count = min(most, free, self._size - start)
        return self._views[at // self._size][start : start + max(0, count)]

    def put(self, count):
        """So many bytes were read into what `room` gave."""
        self.filled += count

    def slice(self, place, end):
        """A view of the bytes from a place: up to `end`, but not across the border."""
        at = place % (2 * self._size)
        start = at % self._size
        count = min(end - place, self._size - start)
        return self._views[at // self._size][start : start + max(0, count)]


class Segment:
    """A track in the ring, from place `start`, which is `from_ms` in the track."""

    def __init__(self, serial, track, source, start, from_ms):
        self.serial = serial
        self.track = track
        self.format = source.format
        self.duration_ms = source.duration_ms
        self.start = start
        self.from_ms = from_ms
        self.end = None
        """The place after its last byte, once that is known."""
