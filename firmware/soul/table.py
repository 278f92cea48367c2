"""A turntable: an engine and the deck that it plays. What is on, where it is, and what comes next.

Knows nothing of epochs or the network. A track that cannot be played is noted in `error` and
skipped; if nothing of the queue can be played, it ends silent and paused.
"""

from soul import engine as engines
from soul.deck import Deck

SKIPPED_AT_ONCE = 10
"""How many bad tracks in a row are tried: a dead library is not read from end to end."""


class Table:
    """Plays a deck on an engine. Nothing waits; `loading` says that a track is on its way."""

    def __init__(self, engine, volume):
        self.deck = Deck()
        self.track = None
        """What is loaded, or being loaded; None if nothing is."""
        self.duration_ms = None
        self.playing = False
        self.loading = False
        self.volume = volume
        self.error = None
        self.failed = None
        """Why the track that was asked for without `skip` could not be loaded."""
        self._engine = engine
        self._serial = 0  # of what is loaded
        self._next = 0  # of what follows
        self._counter = 0
        self._wanted = False  # to play, once the track's part of the queue is in sight
        self._skip = True
        self._tried = 0
        self._position = 0
        engine.set_volume(volume)

    def position_ms(self):
        """Where the sound is now; while loading, where it will begin."""
        if self.track is None:
            return 0
        return self._position if self.loading else self._engine.position_ms()

    # What people do

    def put_on(self, deck, position_ms=0, play=False, skip=True):
        """Load the deck's current track; false if there is none in sight.

        Without `skip` a track that cannot be played is told in `failed`, and nothing else tried.
        """
        self.deck = deck
        self.error = self.failed = None
        self._skip, self._tried = skip, 1
        return self._load(position_ms, play)

    def play(self):
        """Go on, loading the current track if need be; false where there is nothing to play."""
        if self.track is None:
            return self.put_on(self.deck, 0, True)
        self.playing = True
        self._engine.play()
        return True

    def pause(self):
        """Hold."""
        self._wanted = self.playing = False
        if self.track is not None:
            self._engine.pause()

    def seek(self, position_ms):
        """Go to a position in what is loaded; beyond the end is the end."""
        if self.duration_ms is not None:
            position_ms = min(position_ms, self.duration_ms)
        self._position = position_ms
        self._engine.seek(position_ms)

    def go_to(self, index, play):
        """Another place in the queue, from its start."""
        return self.put_on(self.deck.at(index), 0, play)

    def clear(self):
        """Silent, and nothing loaded."""
        self.deck = Deck()
        self.error = None
        self._unload()

    def make_room(self):
        """Forget the tracks but not the rest: for old ones and new ones at once there is no memory."""
        self.deck = self.deck.bare()
        return self.deck

    def rearrange(self, deck):
        """The deck around the current track changes; the sound goes on."""
        self.deck = deck
        if self.track is None and self._wanted and deck.track() is not None:
            self.put_on(deck, 0, True)
        else:
            self._plan()

    def set_volume(self, volume):
        """0.0-1.0."""
        self.volume = volume
        self._engine.set_volume(volume)

    # What the engine tells

    def heard(self, kind, serial, value):
        """Something happened at the engine; says whether it meant anything."""
        current = serial == self._serial and self.track is not None
        if kind == engines.LOADED and current and self.loading:
            self.loading = False
            self.duration_ms = value
            self._plan()
        elif kind == engines.FAILED and current:
            self._failed(value)
        elif kind == engines.FAILED and serial == self._next and self.track is not None:
            # What was to follow cannot be played, and what was on has ended.
            follows = self.deck.following()
            self.deck = self.deck.at(self.deck.index if follows is None else follows)
            self._failed(value)
        elif kind == engines.ENDED and current:
            self._ended()
        elif kind == engines.ADVANCED and serial == self._next and self.track is not None:
            self._advanced(value)
        else:
            return False
        return True

    def _ended(self):
        follows = self.deck.following()
        if follows is None:
            self.put_on(self.deck, 0, False)
        else:
            self.go_to(follows, True)

    def _advanced(self, duration_ms):
        follows = self.deck.following()
        self.deck = self.deck.at(self.deck.index if follows is None else follows)
        self.track = self.deck.track()
        self._serial, self.duration_ms, self.error = self._next, duration_ms, None
        self._plan()

    def _failed(self, code):
        """The current track broke, or would not load: go on after it."""
        play, track = self.playing, self.deck.track()
        self.error = {"code": code, "track_id": track}
        self._unload()
        if not self._skip:
            self.failed = code
            return
        follows = self.deck.after(self.deck.index)
        hopeless = code in engines.NOT_THE_TRACK or self._tried >= min(SKIPPED_AT_ONCE, self.deck.length)
        if follows is None or hopeless:
            return
        self.deck = self.deck.at(follows)
        self._tried += 1
        self._load(0, play)

    # Inside

    def _load(self, position_ms, play):
        track = self.deck.track()
        if track is None:
            self._unload()
            self._wanted = play and self.deck.length > 0
            return False
        self.track, self.duration_ms = track, None
        self.loading, self.playing, self._wanted = True, play, False
        self._position = position_ms
        self._counter += 1
        self._serial, self._next = self._counter, 0
        self._engine.load(self._serial, track, position_ms, play)
        return True

    def _unload(self):
        self.playing = self.loading = self._wanted = False
        self.track = self.duration_ms = None
        self._serial = self._next = 0
        self._engine.stop()

    def _plan(self):
        if self.track is None or self.loading:
            return
        self._tried = 1
        follows = self.deck.following()
        self._counter += 1
        self._next = self._counter
        self._engine.set_next(self._next, None if follows is None else self.deck.track(follows))
