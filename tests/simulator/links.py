"""Virtual time, and links that lose, duplicate, delay and reorder."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

START = 1_700_000_000_000
"""When every world begins: ms since the Unix epoch."""

Fate = tuple[int, ...]
"""After how many ms the copies of a message arrive; empty: it is lost."""

FAIR: Fate = (2,)


@dataclass(frozen=True, slots=True)
class Weather:
    """How bad a link is: probabilities a message, and the usual delay in ms."""

    loss: float
    twice: float
    late: float
    delay: int
    seed: int

    @classmethod
    def drawn(cls, dice: Random) -> "Weather | None":
        """A weather from the dice; None: fair."""
        bad = dice.choice((0.0, 0.0, 0.01, 0.05, 0.15))
        delay = dice.choice((2, 20, 200, 1_500))
        if not bad and delay == 2:
            return None
        return cls(bad, bad, bad * 2, delay, dice.getrandbits(32))


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
    """One direction of a connection. `given` are fates by the message's number; all else is the weather's.

    `befell` collects the fates that were not fair, so that a run can be repeated with each of
    them given, or left out.
    """

    def __init__(self, time: Time, noted: Callable[[int, Fate], None]) -> None:
        self._time, self._noted = time, noted
        self._weather: Weather | None = None
        self._dice = Random(0)
        self._count = self._broken = 0
        self.given: dict[int, Fate] = {}
        self.befell: dict[int, Fate] = {}

    def turns(self, weather: Weather | None) -> None:
        """The weather changes; None: it is fair."""
        self._weather = weather
        if weather is not None:
            self._dice = Random(weather.seed)

    def breaks(self) -> None:
        """Nothing that is under way arrives."""
        self._broken = self._count

    def carry(self, deliver: Callable[[], None]) -> bool:
        """Deliver a message as its fate is. Returns whether it will arrive at all."""
        self._count += 1
        fate = self.given.get(self._count, FAIR) if self._weather is None else self._drawn(self._weather)
        if fate != FAIR:
            self.befell[self._count] = fate
            self._noted(self._count, fate)
        number = self._count
        for delay in fate:
            self._time.after(delay, lambda: deliver() if number > self._broken else None)
        return bool(fate)

    def _drawn(self, weather: Weather) -> Fate:
        dice = self._dice
        if dice.random() < weather.loss:
            return ()
        copies = 2 if dice.random() < weather.twice else 1
        return tuple(
            dice.randint(1, weather.delay) + (dice.randint(0, 4_000) if dice.random() < weather.late else 0)
            for _ in range(copies)
        )
