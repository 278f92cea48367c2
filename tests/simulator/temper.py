"""What a device is like, beyond what the contract asks of it."""

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Temper:
    """How a device behaves where it may choose, or fails. As it is here, all goes well.

    `prepares` and `starts`: what it says when a transfer asks for it; empty: nothing. Times in
    ms. `refuses` and `repeats_queue`: every so many commands or reports; 0: never.
    """

    prepares: str = "ready"
    prepared_after: int = 30
    starts: str = "started"
    refuses: int = 0
    answers_after: int = 0
    repeats_queue: int = 0
    tells_known: bool = True
    resumes: bool = True

    @classmethod
    def drawn(cls, dice: Random) -> "Temper":
        return cls(
            prepares=dice.choice(("ready",) * 8 + ("failed", "")),
            prepared_after=dice.choice((0, 30, 300, 3_000, 5_000)),
            starts=dice.choice(("started",) * 8 + ("failed", "")),
            refuses=dice.choice((0, 0, 0, 5, 30)),
            answers_after=dice.choice((0, 0, 0, 20, 700, 6_000)),
            repeats_queue=dice.choice((0, 0, 1, 20)),
            tells_known=dice.random() < 0.7,
            resumes=dice.random() < 0.8,
        )


HONEST = Temper()


@dataclass(frozen=True, slots=True)
class Clock:
    """A device's clock: ms away from the coordinator's when it was set, and how fast it runs.

    `asks`: it learns the coordinator's time by ping; one that does not gives no times, or
    (`believes`) its own.
    """

    off: int = 0
    drift_ppm: int = 0
    asks: bool = True
    believes: bool = False

    @classmethod
    def drawn(cls, dice: Random) -> "Clock":
        return cls(
            off=dice.choice((0, 1, -1)) * dice.randint(0, 3_600_000),
            drift_ppm=dice.choice((0, 20, -150, 1_000, -10_000, 50_000, -50_000)),
            asks=dice.random() < 0.8,
            believes=dice.random() < 0.5,
        )


EXACT = Clock()
