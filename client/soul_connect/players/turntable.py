"""An engine and the deck that it plays: what is on, where it is, and what comes next.

Knows nothing of epochs or the network. A track that cannot be played is noted in `error`
and skipped; if nothing of the queue can be played, it ends silent and paused.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, assert_never

from soul_connect.players.deck import Deck
from soul_connect.players.engine import (
    NOT_THE_TRACK,
    Advanced,
    Engine,
    EngineError,
    EngineEvent,
    EngineGone,
    EngineRestarted,
    PlayingChanged,
    PositionJumped,
    QueueReplaced,
    TrackEnded,
    TrackFailed,
    VolumeChanged,
)
from soul_protocol.models import TrackError

SKIPPED_AT_ONCE: Final = 50
"""How many bad tracks in a row are tried before giving up: a dead library is not read from end to end."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A position (ms in the track) at a moment of the local clock (ms)."""

    position_ms: int
    at: float


class Turntable:
    """Plays a deck on an engine. Not for two tasks at once."""

    def __init__(self, engine: Engine, *, now: Callable[[], float], volume: float) -> None:
        """`now` is the local clock, in ms."""
        self.deck = Deck()
        self.track_id: str | None = None
        """What is loaded, None if nothing is."""
        self.duration_ms: int | None = None
        self.playing = False
        self.volume = volume
        self.error: TrackError | None = None
        self._engine = engine
        self._now = now
        self._spot = Spot(0, 0.0)
        self._wanted = False  # to play, once the track's part of the queue is in sight

    # Where it is

    async def where(self) -> Spot:
        """The position, and the moment for which it holds: the middle of asking."""
        before = self._now()
        position = await self._engine.position_ms() if self.track_id is not None else 0
        self._spot = Spot(max(0, position), (before + self._now()) / 2)
        return self._spot

    def guess(self, now: float) -> int:
        """The position at a moment, without asking the engine."""
        position = self._spot.position_ms
        if self.playing:
            position += max(0, round(now - self._spot.at))
        return position if self.duration_ms is None else min(position, self.duration_ms)

    # What people do

    async def put_on(self, deck: Deck, *, position_ms: int, play: bool, skip: bool = True) -> bool:
        """Load the deck's current track; says whether something is on now.

        Raises:
            EngineError: it cannot be played, and `skip` is false. Nothing is loaded then.
        """
        self.error = None
        self.deck = deck
        for tried in range(SKIPPED_AT_ONCE):
            track = self.deck.track()
            if track is None:
                break
            try:
                await self._load(track, 0 if tried else position_ms, play=play)
                return True
            except EngineError as error:
                self.error = TrackError(code=error.code[:64], track_id=track)
                await self._unload()
                if not skip:
                    raise
                if error.code in NOT_THE_TRACK:
                    return False
            follows = self.deck.after(self.deck.index)
            if follows is None or tried + 1 >= self.deck.length:
                return False
            self.deck = self.deck.at(follows)
        await self._unload()
        self._wanted = play and self.deck.length > 0
        return False

    async def play(self) -> bool:
        """Go on, loading the current track if need be; false where there is nothing to play."""
        if self.track_id is None:
            return await self.put_on(self.deck, position_ms=0, play=True)
        await self.where()
        await self._engine.play()
        self._moved(playing=True)
        return True

    async def pause(self) -> None:
        """Hold."""
        self._wanted = False
        if self.track_id is not None:
            await self._engine.pause()
            await self.where()
        self.playing = False

    async def seek(self, position_ms: int) -> None:
        """Go to a position in what is loaded; beyond the end is the end."""
        if self.duration_ms is not None:
            position_ms = min(position_ms, self.duration_ms)
        await self._engine.seek(position_ms)
        self._spot = Spot(position_ms, self._now())

    async def go_to(self, index: int, *, play: bool) -> bool:
        """Another place in the queue, from its start; says whether something is on now."""
        return await self.put_on(self.deck.at(index), position_ms=0, play=play)

    async def clear(self) -> None:
        """Silent, and nothing loaded."""
        self.deck = Deck()
        self.error = None
        await self._unload()

    async def rearrange(self, deck: Deck) -> None:
        """The deck around the current track changes; the sound goes on."""
        self.deck = deck
        if self.track_id is None and self._wanted and deck.track() is not None:
            await self.put_on(deck, position_ms=0, play=True)
        else:
            await self._plan()

    async def set_volume(self, volume: float) -> None:
        """0.0-1.0."""
        await self._engine.set_volume(volume)
        self.volume = volume

    # What the engine tells

    async def heard(self, event: EngineEvent) -> bool:
        """Something happened at the engine that nobody asked for; says whether it meant anything."""
        match event:
            case TrackEnded():
                return await self._ended(event)
            case Advanced():
                return await self._advanced(event)
            case TrackFailed():
                return await self._failed(event)
            case QueueReplaced():
                await self._replaced(event)
            case EngineRestarted():
                if self.track_id is not None:
                    # People should know why it was silent.
                    self.error = TrackError(code="engine_restarted", track_id=self.track_id)
                await self.where()
            case PlayingChanged(is_playing=playing):
                self.playing = playing and self.track_id is not None
                await self.where()
            case PositionJumped():
                await self.where()
            case VolumeChanged(volume=volume):
                self.volume = volume
            case EngineGone():
                self.playing, self.track_id = False, None
            case _:
                assert_never(event)
        return True

    async def _ended(self, event: TrackEnded) -> bool:
        """The track is over."""
        if event.track_id != self.track_id:
            return False
        follows = self.deck.following()
        if follows is None:
            await self.put_on(self.deck, position_ms=0, play=False)
        else:
            # Paused it was sought to its end, or pause came as it ended: it stays paused.
            await self.go_to(follows, play=self.playing)
        return True

    async def _advanced(self, event: Advanced) -> bool:
        """The engine went on by itself."""
        follows = self.deck.following()
        if follows is None or self.deck.track(follows) != event.track_id:
            # What follows was changed while the engine was already going on.
            return await self._ended(TrackEnded(self.track_id or ""))
        self.deck = self.deck.at(follows)
        self.track_id, self.duration_ms = event.track_id, event.duration_ms
        self.error = None
        self._moved(playing=self.playing)
        await self.where()
        await self._plan()
        return True

    async def _failed(self, event: TrackFailed) -> bool:
        """A track broke: go on after it."""
        follows = self.deck.following()
        if event.track_id == self.track_id:
            broken = self.deck.index
        elif follows is not None and event.track_id == self.deck.track(follows):
            broken = follows
        else:
            return False
        play = self.playing
        await self._unload()
        after = None if event.code in NOT_THE_TRACK else self.deck.after(broken)
        if after is None or after == broken:
            self.deck = self.deck.at(broken)
        else:
            await self.go_to(after, play=play)
        self.error = self.error or TrackError(code=event.code[:64], track_id=event.track_id)
        return True

    async def _replaced(self, event: QueueReplaced) -> None:
        """Someone put on something else at the engine itself."""
        self.deck = Deck(
            tracks=event.tracks,
            length=len(event.tracks),
            index=event.index,
            repeat=self.deck.repeat,
        )
        self.track_id, self.duration_ms, self.error = event.tracks[event.index], event.duration_ms, None
        self._moved(playing=event.is_playing)
        await self.where()
        await self._plan()

    # Inside

    async def _load(self, track: str, position_ms: int, *, play: bool) -> None:
        self.playing = False
        self.track_id = None
        self.duration_ms = await self._engine.load(track, position_ms=position_ms, play=play)
        self.track_id = track
        self.playing = play
        self._wanted = False
        self._spot = Spot(position_ms, self._now())
        await self._plan()

    async def _unload(self) -> None:
        self.playing = self._wanted = False
        self.track_id = self.duration_ms = None
        self._spot = Spot(0, self._now())
        await self._engine.stop()

    async def _plan(self) -> None:
        if self.track_id is not None:
            follows = self.deck.following()
            await self._engine.set_next(None if follows is None else self.deck.track(follows))

    def _moved(self, *, playing: bool) -> None:
        self.playing = playing
        self._spot = Spot(self._spot.position_ms, self._now())
