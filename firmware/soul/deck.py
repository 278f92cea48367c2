"""What is to be played, and where in it we are: a queue in play order, and the rules around it.

Indexes are absolute. This device knows but a window of a large queue: `tracks` are those from
`offset`, of `length` altogether.
"""

from soul.tracks import Tracks, packed


class Deck:
    """A queue, the current index in it, and its modes. Never changed: each change is a new deck."""

    def __init__(self, tracks=(), offset=0, length=None, index=0, shuffle=False, repeat="off", rev=0):
        self.tracks = tracks if isinstance(tracks, Tracks) else Tracks(tracks)
        self.offset = offset
        self.length = len(self.tracks) if length is None else length
        self.index = index
        self.shuffle = shuffle
        self.repeat = repeat
        self.rev = rev

    @staticmethod
    def of(state):
        """The deck that a canonical state describes."""
        return Deck(
            packed(state, "queue"),
            state.get("queue_offset", 0),
            state.get("queue_length"),
            state["queue_position"],
            state["shuffle"],
            state["repeat_mode"],
            state["queue_rev"],
        )

    def track(self, index=None):
        """The track at an index (by default the current one); None if there is none, or it is not known."""
        place = (self.index if index is None else index) - self.offset
        return self.tracks[place] if 0 <= place < len(self.tracks) else None

    def following(self):
        """The index that follows when the current track has played to its end; None: stop there."""
        if self.repeat == "one" and self.length:
            return self.index
        return self.after(self.index)

    def after(self, index):
        """The index that follows another, leaving the repetition of one track aside."""
        if index + 1 < self.length:
            return index + 1
        return 0 if self.repeat == "all" and self.length else None

    def at(self, index):
        """The same deck at another index."""
        return Deck(self.tracks, self.offset, self.length, index, self.shuffle, self.repeat, self.rev)

    def bare(self):
        """The same deck with none of its tracks in sight."""
        return Deck((), self.offset, self.length, self.index, self.shuffle, self.repeat, self.rev)

    def with_repeat(self, mode):
        """The same deck in another repeat mode."""
        return Deck(self.tracks, self.offset, self.length, self.index, self.shuffle, mode, self.rev)

    def with_queue(self, command):
        """The deck after `set_queue`."""
        return self._window(command, packed(command, "tracks"), command["start_index"], self.shuffle, None)

    def with_shuffle(self, command):
        """The deck after `set_shuffle`."""
        index, shuffle = command["queue_position"], command["enabled"]
        return self._window(command, packed(command, "queue"), index, shuffle, None)

    def with_window(self, command):
        """The deck with another part of its queue in sight."""
        return self._window(command, packed(command, "queue"), self.index, self.shuffle, self.length)

    def _window(self, command, tracks, index, shuffle, length):
        length = command.get("queue_length", length)
        offset = command.get("queue_offset", 0)
        return Deck(tracks, offset, length, index, shuffle, self.repeat, command["queue_rev"])
