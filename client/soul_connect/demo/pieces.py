"""The five pieces: their chords, their instruments, and who plays what in a bar."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from soul_connect.demo.sound import RATE, Layer, Note, Voice

_THUMB = Voice((Layer((1, 0, 0.1), 0.8, 0.002, 0.42), Layer((0, 0.3, 0, 1), 0.3, 0.001, 0.06)), 1.3)
_FELT = Voice((Layer((1, 0.5, 0.12, 0.05), 0.8, 0.008, 0.7), Layer((0, 0.4, 1, 0.5), 0.2, 0.004, 0.15)), 2.2)
_WOOD = Voice((Layer((1,), 0.9, 0.002, 0.22), Layer((0, 0, 0, 1), 0.35, 0.001, 0.05)), 0.7)
_GLASS = Voice((Layer((1, 0, 0.06), 0.7, 0.003, 0.9), Layer((0, 0, 0.4, 0, 1), 0.25, 0.002, 0.3)), 2.4)
_STRINGS = Voice(
    (
        Layer((1, 0.4, 0.25, 0.1), 0.4, 0.9, 5, 1.003),
        Layer((1, 0.4, 0.25, 0.1), 0.4, 0.9, 5, 0.997),
    ),
    5.2,
)
_BASS = Voice((Layer((1, 0.35, 0.08), 1.0, 0.012, 0.9),), 1.6)
_SHAKER = Voice((), 0.12)

Chord = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """Where a player is: which bar of how many, its chord and the one before, and chance."""

    number: int
    of: int
    chord: Chord
    chance: random.Random

    @property
    def swell(self) -> float:
        """0 at either end of the piece, 1 in the middle of it."""
        return min(1.0, self.number / 6, (self.of - 1 - self.number) / 3)


Event = tuple[float, Voice, int, int, int]
"""Beat, voice, pitch, loudness, place."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One track: `bpm` beats a minute, `beats` in each of its `bars`, and `gain` to make it loud."""

    name: str
    title: str
    bpm: int
    beats: int
    bars: int
    chords: tuple[Chord, ...]
    play: Callable[[Bar], Iterator[Event]]
    gain: int

    @property
    def frames(self) -> int:
        """Its length, with two seconds for the last notes."""
        return int(self.bars * self.beats * 60 / self.bpm * RATE) + 2 * RATE

    def notes(self) -> Iterator[Note]:
        """All of them."""
        chance = random.Random(self.name)  # noqa: S311 (music)
        beat = 60 / self.bpm * RATE
        for number in range(self.bars):
            chord = self.chords[0] if number == self.bars - 1 else self.chords[number % len(self.chords)]
            for at, voice, pitch, loud, pan in self.play(Bar(number, self.bars, chord, chance)):
                yield Note(int((number * self.beats + at) * beat), voice, pitch, loud, pan)


def _kitchen(bar: Bar) -> Iterator[Event]:
    """Somebody hums over the kettle: a thumb piano in eighths, its echo, a soft bass."""
    order: tuple[int, ...] = (0, 2, 1, 3, 2, 1, 3, 2) if bar.number % 2 else (0, 1, 2, 3, 1, 2, 3, 1)
    if bar.number == bar.of - 1:
        order = (0, 1, 2, 3)
    for eighth, step in enumerate(order):
        if bar.number > 1 and eighth and bar.chance.random() < 0.15:
            continue
        pitch = bar.chord[step % len(bar.chord)] + 12
        yield eighth / 2, _THUMB, pitch, 9 + (eighth % 4 == 0) * 3, 3
        yield eighth / 2 + 0.75, _THUMB, pitch, 3, 6
    if bar.number > 3:
        yield 0, _BASS, bar.chord[0] - 12, 9, 4
        yield 2.5, _BASS, bar.chord[0] - 12, 6, 4
    if bar.swell == 1 and bar.number % 2:
        yield 1, _GLASS, bar.chord[2] + 24, 4, 6
        yield 2.5, _GLASS, bar.chord[1] + 24, 3, 2


def _window(bar: Bar) -> Iterator[Event]:
    """A waltz for felt piano; the right hand looks out of the window."""
    yield 0, _FELT, bar.chord[0] - 12, 9, 3
    if bar.number == bar.of - 1:
        yield from ((0.08 * step, _FELT, pitch, 7, 4) for step, pitch in enumerate(bar.chord))
        return
    for beat in (1, 2):
        yield from ((beat + 0.02 * step, _FELT, pitch, 4, 4) for step, pitch in enumerate(bar.chord[1:]))
    if bar.number > 1:
        choice = bar.chance.choice
        scale = [pitch + 12 for pitch in bar.chord]
        yield 0, _FELT, choice(scale[1:]), 9, 5
        for later in choice(((1.5,), (1.0, 2.0), (2.0,), (1.0, 1.5, 2.0))):
            yield later, _FELT, choice(scale) + choice((0, 0, 12)), 7, 5
    if bar.swell == 1 and bar.number % 4 == 0:
        yield 0, _STRINGS, bar.chord[1], 3, 2
        yield 0, _STRINGS, bar.chord[2], 3, 6


def _rain(bar: Bar) -> Iterator[Event]:
    """Wooden bars in sixteenths, left and right like drops on steps; a shaker when it pours."""
    steps = (*bar.chord, bar.chord[0] + 12, bar.chord[1] + 12)
    if bar.number == bar.of - 1:
        yield 0, _WOOD, bar.chord[0], 10, 4
        yield 0, _BASS, bar.chord[0] - 12, 9, 4
        return
    busy = 0.45 + 0.5 * bar.swell
    for sixteenth in range(16):
        if sixteenth % 4 == 0 or bar.chance.random() < busy:
            pitch = steps[(sixteenth * 3 + bar.number) % len(steps)] + 12
            yield sixteenth / 4, _WOOD, pitch, 6 + (sixteenth % 4 == 0) * 4, 1 + sixteenth % 7
    if bar.number > 3:
        for beat in (0, 1.5, 3):
            yield beat, _BASS, bar.chord[0] - 12, 8, 4
    if bar.swell == 1:
        for eighth in range(8):
            yield eighth / 2, _SHAKER, 60 + eighth % 3, 2 + (eighth % 2) * 2, 6
        if bar.number % 4 == 2:
            yield 0, _GLASS, bar.chord[2] + 12, 4, 3


def _lamp(bar: Bar) -> Iterator[Event]:
    """Long strings under one lamp, and a few notes that nobody hurries."""
    for step, pitch in enumerate(bar.chord):
        yield 0, _STRINGS, pitch, 6, 1 + 2 * step
    yield 0, _BASS, bar.chord[0] - 12, 6, 4
    if 0 < bar.number < bar.of - 1:
        for beat in bar.chance.choice(((1.0, 2.5), (0.5, 1.5, 3.0), (2.0,), (1.0, 1.75, 2.5))):
            pitch = bar.chance.choice(bar.chord) + 12
            yield beat, _FELT, pitch, 7, 5
            yield beat + 1.5, _FELT, pitch, 2, 2


def _roof(bar: Bar) -> Iterator[Event]:
    """The city below in a slow bass line; glass above it, in fours and threes."""
    root = bar.chord[0] - 12
    if bar.number == bar.of - 1:
        yield from ((0.12 * step, _GLASS, pitch + 12, 6, 2 + step) for step, pitch in enumerate(bar.chord))
        yield 0, _BASS, root, 9, 4
        return
    if bar.number > 1:
        for beat, pitch, loud in ((0, root, 10), (1.5, root, 7), (2, root + 7, 7), (3.5, root + 12, 6)):
            yield beat, _BASS, pitch, loud, 4
    for step in range(6):
        pitch = bar.chord[(step + bar.number) % len(bar.chord)] + 12
        yield step * 2 / 3, _GLASS, pitch, 5 + (step == 0) * 2, 2 + step % 5
    if bar.swell == 1:
        for beat in (1, 3):
            yield beat, _SHAKER, 70, 5, 5
        yield 0, _STRINGS, bar.chord[1], 3, 2
        yield 0, _STRINGS, bar.chord[2], 3, 6


PIECES: Final = (
    Piece(
        "01-kitchen-early",
        "Kitchen, Early",
        *(92, 4, 24),
        ((60, 64, 67, 71), (57, 60, 64, 67), (53, 57, 60, 64), (55, 59, 62, 65)),
        *(_kitchen, 18),
    ),
    Piece(
        "02-window-seat",
        "Window Seat",
        *(76, 3, 28),
        ((53, 57, 60, 64), (50, 57, 60, 65), (55, 58, 62, 65), (48, 55, 58, 64)),
        *(_window, 20),
    ),
    Piece(
        "03-rain-on-the-stairs",
        "Rain on the Stairs",
        *(112, 4, 30),
        ((57, 60, 64, 67), (57, 60, 64, 67), (53, 57, 60, 67), (55, 59, 62, 69)),
        *(_rain, 11),
    ),
    Piece(
        "04-lamplight",
        "Lamplight",
        *(60, 4, 17),
        ((50, 57, 62, 66), (47, 54, 62, 66), (55, 59, 62, 66), (52, 57, 61, 64)),
        *(_lamp, 23),
    ),
    Piece(
        "05-roof-at-midnight",
        "Roof at Midnight",
        *(86, 4, 26),
        ((52, 59, 62, 67), (52, 59, 62, 66), (57, 61, 64, 71), (50, 57, 62, 66)),
        *(_roof, 18),
    ),
)
