"""The port that an audio engine implements. `soul.table` decides what it plays.

An engine plays one track at a time and knows nothing of queues, epochs or the broker. No method
waits: loading happens in the engine's own task, and what becomes of it is told.
"""

LOADED = "loaded"
"""The track is ready to sound, or sounds already; the value is its duration in ms, or None."""
FAILED = "failed"
"""The track cannot be played, or stopped; the value is a short word such as `not_found`."""
ENDED = "ended"
"""The track played to its end, and no next one was set."""
ADVANCED = "advanced"
"""The engine went on to the next track by itself, without a gap; the value is its duration in ms."""

NOT_THE_TRACK = ("unreachable", "no_audio_output")
"""Reasons for which the next track would fail as well."""


def _nobody(kind, serial, value=None):
    """Nobody listens yet."""


class Engine:
    """An audio engine. All methods are called from one task and return at once.

    `serial` is a number that names one loading of one track; events carry it back, so that
    what is told of an earlier one does no harm.
    """

    formats = ()
    """What it plays, in words that others may show, such as `wav`."""
    max_sample_rate = 48000
    """In Hz."""

    def __init__(self):
        self.tell = _nobody
        """Called with each event: kind, serial, value."""

    async def run(self):
        """The engine's own work, for ever."""

    def beat(self):
        """Moment (ms, of `time.ticks_ms`) of the last sign that it works, for the watchdog."""
        raise NotImplementedError

    def load(self, serial, track, position_ms, play):
        """Begin to load a track in place of the current one, to play or to be silent at a position."""
        raise NotImplementedError

    def set_next(self, serial, track):
        """What to go on with when the current track ends; None: nothing, the end is then `ENDED`."""
        raise NotImplementedError

    def play(self):
        """Go on with what is loaded, or is being loaded."""
        raise NotImplementedError

    def pause(self):
        """Fall silent and hold the position."""
        raise NotImplementedError

    def seek(self, position_ms):
        """Go to a position in what is loaded."""
        raise NotImplementedError

    def stop(self):
        """Unload: silent, nothing loaded."""
        raise NotImplementedError

    def set_volume(self, volume):
        """0.0-1.0."""
        raise NotImplementedError

    def position_ms(self):
        """Where in the loaded track the sound is now; 0 with nothing loaded."""
        raise NotImplementedError
