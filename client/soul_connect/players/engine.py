"""The port that an audio engine implements. The `Player` does everything else.

An engine plays one track at a time. It knows nothing of queues, epochs or the network:
it loads, plays, pauses, seeks, and tells what happens to it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Final


class EngineError(Exception):
    """A track could not be played, or the engine is gone.

    Attributes:
        code: a short machine-readable word, such as `not_found` or `bad_format`.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class TrackEnded:
    """The track played to its end, and no next one was set."""

    track_id: str


@dataclass(frozen=True, slots=True)
class Advanced:
    """The engine went on to the next track by itself, without a gap."""

    track_id: str
    duration_ms: int | None


@dataclass(frozen=True, slots=True)
class TrackFailed:
    """A track stopped playing because of an error."""

    track_id: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class PlayingChanged:
    """Someone at the engine itself pressed play or pause: it was not asked to."""

    is_playing: bool


@dataclass(frozen=True, slots=True)
class PositionJumped:
    """Someone at the engine itself sought."""

    position_ms: int


@dataclass(frozen=True, slots=True)
class VolumeChanged:
    """Someone at the engine itself changed the volume (0.0-1.0)."""

    volume: float


@dataclass(frozen=True, slots=True)
class QueueReplaced:
    """Someone at the engine itself put on something else: these tracks, this one of them now."""

    tracks: tuple[str, ...]
    index: int
    duration_ms: int | None
    is_playing: bool


@dataclass(frozen=True, slots=True)
class EngineRestarted:
    """The engine ended, was started again, and goes on where it was (ms)."""

    position_ms: int


@dataclass(frozen=True, slots=True)
class EngineGone:
    """The engine ended and could not be started again."""

    message: str


EngineEvent = (
    TrackEnded
    | Advanced
    | TrackFailed
    | PlayingChanged
    | PositionJumped
    | VolumeChanged
    | QueueReplaced
    | EngineRestarted
    | EngineGone
)

NOT_THE_TRACK: Final = frozenset({"no_audio_output", "engine_gone"})
"""Codes of an `EngineError` for which the next track would fail as well."""


class Engine(ABC):
    """An audio engine. All methods are called from one task, one after the other.

    What it does unasked (a track ended or broke, somebody pressed its own buttons) it says
    with `tell`, on the event loop.
    """

    supported_formats: ClassVar[tuple[str, ...]] = ()
    """What it plays, in words that others may show, such as `flac`."""
    max_sample_rate: ClassVar[int] = 48_000
    """In Hz."""
    tell: Callable[[EngineEvent], None]
    """Set by `open`."""

    async def open(self, listener: Callable[[EngineEvent], None]) -> None:
        """Start. `listener` is called, on the event loop, with all that happens unasked.

        Raises:
            EngineError: it cannot start (`code` `engine_missing` where the program is not installed).
        """
        self.tell = listener

    async def close(self) -> None:
        """End, silently; releases everything. May be called twice. By default: `stop`."""
        await self.stop()

    @abstractmethod
    async def load(self, track_id: str, *, position_ms: int, play: bool) -> int | None:
        """Load a track in place of the current one, at a position, playing or silent.

        Returns its duration in ms, None if unknown, once it is ready to sound.

        Raises:
            EngineError: it cannot be played.
        """

    @abstractmethod
    async def play(self) -> None:
        """Go on with what is loaded."""

    @abstractmethod
    async def pause(self) -> None:
        """Fall silent and hold the position."""

    @abstractmethod
    async def seek(self, position_ms: int) -> None:
        """Go to a position in the loaded track."""

    async def stop(self) -> None:
        """Unload: silent, nothing loaded. By default: `pause`."""
        await self.pause()

    @abstractmethod
    async def set_volume(self, volume: float) -> None:
        """0.0-1.0."""

    async def set_next(self, track_id: str | None) -> None:  # noqa: B027 (to be left alone)
        """What to go on with, without a gap, when the current track ends (then `Advanced`).

        None: nothing; the end is then `TrackEnded`. An engine that knows no gapless playback
        leaves this alone, and tells `TrackEnded` every time.
        """

    @abstractmethod
    async def position_ms(self) -> int:
        """Where in the loaded track the sound is now; 0 with nothing loaded."""
