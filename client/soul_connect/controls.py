"""The buttons: one method for each command, in terms of `send_command`."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Generic, Literal, TypeVar

from soul_protocol.commands import (
    Command,
    Next,
    Pause,
    Play,
    Previous,
    RepeatMode,
    Seek,
    SetQueue,
    SetRepeat,
    SetShuffle,
    SetVolume,
    Stop,
)

R = TypeVar("R")


class Controls(ABC, Generic[R]):
    """What people do. Every method returns and raises as `send_command` does.

    `R` is what that returns: a result for threads, for asyncio an awaitable of one.
    """

    @abstractmethod
    def send_command(
        self,
        command: Command,
        *,
        target_device: str | None = None,
        lifetime_ms: int = ...,
        until: Literal["final", "accepted"] = "final",
    ) -> R:
        """Ask the active device, or `target_device`, to do something."""

    def play(self, *, target_device: str | None = None) -> R:
        """Go on, or start; naming a device brings the music there."""
        return self.send_command(Play(), target_device=target_device)

    def pause(self) -> R:
        """Hold the position."""
        return self.send_command(Pause())

    def stop(self) -> R:
        """Pause at the start of the track."""
        return self.send_command(Stop())

    def seek(self, position_ms: int) -> R:
        """Go to a position, in ms from the start of the track."""
        return self.send_command(Seek(position_ms=position_ms))

    def next(self, *, expect_position: int | None = None) -> R:
        """The next track; with `expect_position` only if that index is the current one (a double tap)."""
        return self.send_command(Next(expect_position=expect_position))

    def previous(self, *, expect_position: int | None = None) -> R:
        """The previous track, or after 3 s of a track its beginning; `expect_position` as in `next`."""
        return self.send_command(Previous(expect_position=expect_position))

    def set_queue(
        self,
        tracks: Iterable[str],
        *,
        start_index: int = 0,
        target_device: str | None = None,
        keep_position: bool = False,
        expect_rev: int | None = None,
    ) -> R:
        """Replace the queue (10,000 tracks, 384 KiB at most).

        With `keep_position`, and the current track at `start_index`, the track goes on; with
        `expect_rev`, only if nobody else has changed the queue since that `queue_rev`.

        Raises:
            ValueError: too many tracks, an empty or too long id, or an index outside.
        """
        command = SetQueue(
            tracks=tuple(tracks),
            start_index=start_index,
            keep_position=keep_position or None,
            expect_rev=expect_rev,
        )
        return self.send_command(command, target_device=target_device)

    def set_volume(self, volume: float, *, target_device: str | None = None) -> R:
        """0.0-1.0, of the active device or of `target_device`, active or not."""
        return self.send_command(SetVolume(volume=float(volume)), target_device=target_device)

    def set_shuffle(self, enabled: bool) -> R:
        """Shuffle the queue, or give it its own order again."""
        return self.send_command(SetShuffle(enabled=enabled))

    def set_repeat(self, mode: RepeatMode) -> R:
        """What follows the last track, or any."""
        return self.send_command(SetRepeat(mode=mode))
