"""What is to be played, and where in it we are: a queue in play order, and the rules around it.

Indexes are absolute. A device with a payload limit knows only a window of the queue:
`tracks` are those from `offset`, of `length` altogether.
"""

from dataclasses import dataclass, replace
from typing import Self

from soul_protocol.commands import ForwardedSetQueue, ForwardedSetShuffle, RepeatMode, SetWindow
from soul_protocol.models import PlaybackState


@dataclass(frozen=True, slots=True)
class Deck:
    """A queue, the current index in it, and its modes. Immutable: each change is a new deck."""

    tracks: tuple[str, ...] = ()
    offset: int = 0
    length: int = 0
    index: int = 0
    shuffle: bool = False
    repeat: RepeatMode = RepeatMode.OFF
    rev: int = 0

    @classmethod
    def of(cls, state: PlaybackState) -> Self:
        """The deck that a canonical state describes."""
        return cls(
            tracks=state.queue,
            offset=state.queue_offset or 0,
            length=len(state.queue) if state.queue_length is None else state.queue_length,
            index=state.queue_position,
            shuffle=state.shuffle,
            repeat=state.repeat_mode,
            rev=state.queue_rev,
        )

    def seen_in(self, state: PlaybackState) -> "Deck":
        """The same deck, with the window of its queue that a state brings, if it brings one."""
        if state.queue_offset is None or state.queue_rev != self.rev:
            return self
        of = Deck.of(state)
        return replace(self, tracks=of.tracks, offset=of.offset, length=of.length)

    @property
    def is_window(self) -> bool:
        """Whether there are tracks in the queue that this device does not know."""
        return len(self.tracks) != self.length

    def track(self, index: int | None = None) -> str | None:
        """The track at an index (by default the current one); None if there is none, or it is not known."""
        place = (self.index if index is None else index) - self.offset
        return self.tracks[place] if 0 <= place < len(self.tracks) else None

    def following(self) -> int | None:
        """The index that follows when the current track has played to its end; None: stop there."""
        if self.length == 0:
            return None
        if self.repeat is RepeatMode.ONE:
            return self.index
        return self.after(self.index)

    def after(self, index: int) -> int | None:
        """The index that follows another, leaving the repetition of one track aside."""
        if index + 1 < self.length:
            return index + 1
        return 0 if self.repeat is RepeatMode.ALL and self.length else None

    def at(self, index: int) -> "Deck":
        """The same deck at another index."""
        return replace(self, index=index)

    def with_repeat(self, mode: RepeatMode) -> "Deck":
        """The same deck in another repeat mode."""
        return replace(self, repeat=mode)

    def with_queue(self, command: ForwardedSetQueue) -> "Deck":
        """The deck after `set_queue`."""
        length = len(command.tracks) if command.queue_length is None else command.queue_length
        return replace(
            self,
            tracks=command.tracks,
            offset=command.queue_offset or 0,
            length=length,
            index=command.start_index,
            rev=command.queue_rev,
        )

    def with_shuffle(self, command: ForwardedSetShuffle) -> "Deck":
        """The deck after `set_shuffle`."""
        length = len(command.queue) if command.queue_length is None else command.queue_length
        return replace(
            self,
            tracks=command.queue,
            offset=command.queue_offset or 0,
            length=length,
            index=command.queue_position,
            shuffle=command.enabled,
            rev=command.queue_rev,
        )

    def with_window(self, command: SetWindow) -> "Deck":
        """The deck with another part of its queue in sight."""
        return replace(
            self,
            tracks=command.queue,
            offset=command.queue_offset,
            length=self.length if command.queue_length is None else command.queue_length,
            rev=command.queue_rev,
        )
