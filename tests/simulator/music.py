"""What a model renderer plays."""

from collections.abc import Mapping
from typing import Any

from soul_coordinator.core.values import Report


class Music:
    """A queue, a place in it, and a position that runs while it plays. `epoch` None: nothing loaded."""

    def __init__(self) -> None:
        self.epoch: int | None = None
        self.queue: tuple[str, ...] = ()
        self.place = self.offset = self.position = self.at = 0
        self.playing = self.shuffle = False
        self.repeat = "off"
        self.length = 200_000
        self.rate = 1.0
        """How fast the device's clock runs, and its music with it."""
        self.windowed, self.parts_of, self.rev = False, 0, 0
        """Whether `queue` is a part of a longer one."""
        self.untold = False
        """Whether a report of a change was lost."""
        self.claimed: tuple[str, tuple[str, ...]] | None = None
        """The request and the queue of a claim that is not answered yet."""

    def now(self, now: int) -> int:
        run = round((now - self.at) * self.rate) if self.playing else 0
        return min(self.length, self.position + run)

    def _set(self, position: int, now: int) -> None:
        self.position, self.at = position, now

    def stop(self, now: int) -> None:
        self._set(self.now(now), now)
        self.playing, self.epoch = False, None

    def forget(self) -> None:
        """Nothing is loaded, and nobody said what should be."""
        self.queue, self.place, self.offset, self.playing, self.untold = (), 0, 0, False, True
        self._hold({})

    def _hold(self, said: Mapping[str, Any]) -> None:
        """Its queue is new: all of it, or a window of a longer one."""
        self.windowed = "queue_offset" in said
        self.parts_of, self.rev = said.get("queue_length", 0), said.get("queue_rev", 0)

    @property
    def total(self) -> int:
        """How long the whole queue is."""
        return self.parts_of if self.windowed else len(self.queue)

    def halt(self, now: int) -> None:
        """Pause here."""
        self._set(self.now(now), now)
        self.playing = False

    def start(self, epoch: int, queue: tuple[str, ...], now: int) -> None:
        self.epoch, self.queue, self.place, self.playing = epoch, queue, 0, True
        self.untold = False
        self.offset = 0
        self._hold({})
        self._set(0, now)

    def load(self, state: Mapping[str, Any], now: int, *, playing: bool) -> None:
        self.untold = False
        self.queue = tuple(state["queue"])
        self.place, self.offset = state["queue_position"], state.get("queue_offset", 0)
        self._hold(state)
        self.shuffle, self.repeat = state["shuffle"], state["repeat_mode"]
        self.playing = playing
        self._set(state["position_ms"], now)

    def execute(self, command: Mapping[str, Any], now: int) -> None:
        kind = command["type"]
        here = self.now(now)
        if kind == "play":
            self._set(here, now)
            self.playing = bool(self.queue)
        elif kind in {"pause", "stop"}:
            self._set(0 if kind == "stop" else here, now)
            self.playing = False
        elif kind == "seek":
            self._set(min(self.length, command["position_ms"]), now)
        elif kind in {"next", "previous"}:
            self._set(0, now)
            # The queue may have been shortened here meanwhile.
            self.place = command["queue_position"]
            self.place = min(self.place, max(0, self.total - 1))
            self.playing = command.get("is_playing", self.playing)
        elif kind == "set_repeat":
            self.repeat = command["mode"]
        elif kind in {"set_queue", "set_shuffle"}:
            self._take_queue(command, now)
        elif kind == "set_window":
            # Of an older queue: either that counts again, or a newer queue overtook this; who knows?
            self.untold = self.untold or command["queue_rev"] < self.rev
            self.queue, self.offset = tuple(command["queue"]), command["queue_offset"]
            self._hold(command)
            self.place = min(self.place, max(0, self.total - 1))

    def _take_queue(self, command: Mapping[str, Any], now: int) -> None:
        self.offset = command.get("queue_offset", 0)
        self._hold(command)
        if command["type"] == "set_queue":
            self.queue = tuple(command["tracks"])
            self.place = command["start_index"]
            if not command.get("keep_position"):
                self._set(0, now)
            self.playing = self.playing and bool(self.queue)
        else:
            self.queue = tuple(command["queue"])
            self.place, self.shuffle = command["queue_position"], command["enabled"]

    def track(self) -> str | None:
        at = self.place - self.offset
        return self.queue[at] if 0 <= at < len(self.queue) else None

    def ends(self, now: int) -> bool:
        """Go on to the next track where one ends. Returns whether it did."""
        if not self.playing or self.now(now) < self.length:
            return False
        self._set(0, now)
        if self.place + 1 < self.offset + len(self.queue):
            self.place += 1
        elif self.repeat == "all" and not self.offset:
            self.place = 0
        else:
            self.playing = False
        return True

    def report(self, now: int, guess: int | None, volume: float, *, queue: bool) -> Report:
        return Report(
            self.track(),
            self.now(now),
            guess,
            self.playing,
            self.queue if queue else None,
            self.place,
            volume,
            self.shuffle,
            self.repeat,
            self.length,
            None,
        )
