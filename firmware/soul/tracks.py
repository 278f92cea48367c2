"""Lists of tracks in little memory: read where they arrived, and kept as the text that they came in.

As a list of strings 500 UUIDs take 43 KB on 64 bits (24 KB on an ESP32), and there is the payload beside.
"""

import json

from micropython import const

from soul.contract import TRACK_ID_CHARACTERS

PAGE = 16
"""After how many tracks the place of one is noted: from there on it is looked for."""

_SHORT = const(1024)  # a payload of so many bytes is read as it is
_PIECE = const(256)  # as much of a longer one is copied at a time
_LONGEST = const(4096)  # a track of 256 letters, each of them escaped, takes less

_QUOTE = const(0x22)
_ESCAPE = const(0x5C)

_NAMES = ("queue", "tracks")


def is_track(value):
    """Whether it is a track's id."""
    return type(value) is str and 0 < len(value) <= TRACK_ID_CHARACTERS


def _texts(payload, at):
    """Where each text of a list of JSON begins and ends, and last where the list ends, twice.

    `at`: after its opening bracket. Raises ValueError: it has no end, or something else in it.
    """
    size, separator = _PIECE, b""
    while True:
        piece = bytes(payload[at : at + size])
        # Without escapes each of its quotes begins or ends a text.
        piece = piece.replace(b"\\\\", b"..").replace(b'\\"', b"..")
        place = 0
        while True:
            first = piece.find(b'"', place)
            between = piece[place:] if first < 0 else piece[place:first]
            closing = between.find(b"]")
            if closing >= 0 and not between[:closing].strip():
                end = at + place + closing + 1
                yield end, end
                return
            last = piece.find(b'"', first + 1)
            if first < 0 or last < 0:
                break
            if between.strip() != separator:
                raise ValueError("something else in a list of texts")
            separator = b","
            yield at + first, at + last + 1
            place = last + 1
        if len(piece) < size or size > _LONGEST:
            raise ValueError("a list or a text without an end")
        at += place
        size = _PIECE if place else 2 * size


class Listed:
    """A list of texts in a payload of JSON. Valid as long as that is."""

    def __init__(self, payload, start):
        """`start`: after its opening bracket.

        Raises:
            ValueError: it is no list, or something else than texts is in it.
        """
        self._payload, self._start = payload, start
        self.marks = []
        """Where every so many texts one begins, from `start` on."""
        self.end = start
        """After its closing bracket."""
        self.sound = True
        """Whether each of them is a track's id."""
        self._count = 0
        for first, end in _texts(payload, start):
            if first == end:
                self.end = end
                return
            if self._count % PAGE == 0:
                self.marks.append(first - start)
            self._count += 1
            self.sound = self.sound and is_track(json.loads(bytes(payload[first:end])))

    def __len__(self):
        return self._count

    def text(self):
        """From `start` to `end`, as a part of the payload."""
        return self._payload[self._start : self.end]


def find(payload):
    """The list of tracks in a long payload of JSON: its name, where it begins, and itself; else None."""
    if len(payload) <= _SHORT:
        return None
    for name in _NAMES:
        start = place_of(payload, name)
        if start >= 0:
            try:
                return name, start, Listed(payload, start + 1)
            except ValueError:
                return None
    return None


def place_of(payload, name):
    """Where the list of a name begins in a payload of JSON; -1: nowhere."""
    # A text has no such word in it: there the quotes are escaped.
    word = b'"' + name.encode() + b'"'
    at = _place(payload, word, 0)
    while at >= 0:
        at += len(word)
        if bytes(payload[at : at + 4]).replace(b" ", b"")[:2] == b":[":
            return _place(payload, b"[", at)
        at = _place(payload, word, at)
    return -1


def end_of(payload, at):
    """After the list, of whatever, that begins at a place. Raises ValueError: it does not end."""
    depth = 0
    inside = escaped = False
    for place in range(at, len(payload)):
        byte = payload[place]
        if inside:
            inside = escaped or byte != _QUOTE
            escaped = byte == _ESCAPE and not escaped
        elif byte == _QUOTE:
            inside = True
        elif byte in b"[{":
            depth += 1
        elif byte in b"]}":
            depth -= 1
            if not depth:
                return place + 1
    raise ValueError("a list without an end")


def _place(payload, word, at):
    """Where a word is in a payload, from a place on; -1: nowhere."""
    while at < len(payload):
        found = bytes(payload[at : at + _PIECE]).find(word)
        if found >= 0:
            return at + found
        at += _PIECE + 1 - len(word)
    return -1


class Shelf:
    """The memory of the one long queue that is kept: made at the start, when there still is a large piece."""

    def __init__(self):
        self.memory = memoryview(b"")
        self.turn = 0
        """How many queues lay here: only the last one is valid."""

    def make(self, size):
        """For a queue of so many bytes."""
        self.memory = memoryview(bytearray(size))

    def keep(self, text):
        """Put a text here, in the place of the last one."""
        self.turn += 1
        here = self.memory[: len(text)]
        here[:] = text
        return here


shelf = Shelf()


class Tracks:
    """Tracks, kept as JSON; long ones on the shelf, until others are put there: then these are none."""

    def __init__(self, tracks=()):
        """`tracks`: a list of them, or `Listed`."""
        self._count = len(tracks)
        self._turn = None
        if not isinstance(tracks, Listed):
            self.text = json.dumps(tracks).encode()
            self._marks = [1]
        elif len(tracks.text()) <= len(shelf.memory):
            self.text = shelf.keep(tracks.text())
            self._marks, self._turn = tracks.marks, shelf.turn
        else:
            self.text = bytes(tracks.text())
            self._marks = tracks.marks

    def __len__(self):
        return self._count if self._turn in (None, shelf.turn) else 0

    def __getitem__(self, place):
        if not 0 <= place < len(self):
            raise IndexError
        mark = min(place // PAGE, len(self._marks) - 1)
        place -= mark * PAGE
        for first, end in _texts(self.text, self._marks[mark]):
            if not place:
                return json.loads(bytes(self.text[first:end]))
            place -= 1
        raise IndexError


def packed(message, name):
    """The tracks of a message, kept, and in the place of its list: that may be of the payload."""
    if not isinstance(message[name], Tracks):
        message[name] = Tracks(message[name])
    return message[name]
