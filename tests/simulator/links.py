"""Virtual time, and links that lose, duplicate, delay and reorder."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Weather:
    """How bad the links are: probabilities a message, and the usual delay in ms."""

    loss: float
    twice: float
    late: float
    delay: int

    @classmethod
    def drawn(cls, dice: Random) -> "Weather":
        bad = dice.choice((0.0, 0.01, 0.05, 0.15))
        return cls(bad, bad, bad * 2, dice.choice((2, 20, 200)))


FAIR = Weather(0.0, 0.0, 0.0, 2)


class Time:
    """What is to happen, in order. `now` is in ms, and is the coordinator's clock."""

    def __init__(self, now: int) -> None:
        self.now = now
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0

    def after(self, ms: int, what: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._heap, (self.now + max(0, ms), self._count, what))

    @property
    def next(self) -> int | None:
        return self._heap[0][0] if self._heap else None

    def pop(self) -> Callable[[], None]:
        at, _, what = heapq.heappop(self._heap)
        self.now = max(self.now, at)
        return what

    def clear(self) -> None:
        """Whatever was under way is lost."""
        self._heap.clear()


class Link:
    """One direction of a connection."""

    def __init__(self, time: Time, dice: Random) -> None:
        self._time, self._dice = time, dice
        self.weather = FAIR

    def carry(self, deliver: Callable[[], None]) -> None:
        dice, weather = self._dice, self.weather
        if dice.random() < weather.loss:
            return
        for _ in range(2 if dice.random() < weather.twice else 1):
            delay = dice.randint(1, weather.delay)
            if dice.random() < weather.late:
                delay += dice.randint(0, 4_000)
            self._time.after(delay, deliver)
