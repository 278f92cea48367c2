"""Notes and their mix, fast enough in plain Python: the sums are made by long integers.

A sound is one integer whose digits, of 32 bits each, are its samples: left, right, left, ... A digit
may be negative, since only the sum counts; then adding integers adds sounds, a product makes
one louder, and a shift moves it in time, all at the speed of C. In the end a bias makes every digit
positive, and the upper halves of the digits are the 16 bits of a WAV file.
"""

import math
import random
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, repeat
from operator import mul
from typing import Final

RATE: Final = 22_050
"""Frames a second, of two samples each."""

_FRAME: Final = 64
"""Bits of a frame."""

_TABLE: Final = 2_048
_FRACTION: Final = 16
_PEAK: Final = 2.0**20
_BIAS: Final = 2.0**31
_PAN: Final = 8

_AUDIBLE: Final = 5.5
"""After so many of its decays a layer is 48 dB down."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A part of a sound: partials by their strength, and how it swells and fades (seconds)."""

    partials: tuple[float, ...]
    strength: float
    attack: float
    decay: float
    detune: float = 1.0


@dataclass(frozen=True, slots=True)
class Voice:
    """An instrument: its layers, and how long a note of it lasts (seconds). No layers: a rattle."""

    layers: tuple[Layer, ...]
    lasts: float


@dataclass(frozen=True, slots=True)
class Note:
    """A note: when (frames), of what, how high (MIDI number), how loud (1-16), where (0 left - 8 right)."""

    at: int
    voice: Voice
    pitch: int
    loud: int
    pan: int = _PAN // 2


@lru_cache(maxsize=64)
def _wave(partials: tuple[float, ...]) -> list[float]:
    total = sum(partials)
    turns = [2 * math.pi * step / _TABLE for step in range(_TABLE)]
    return [
        sum(each / total * math.sin(turn * number) for number, each in enumerate(partials, 1))
        for turn in turns
    ]


@lru_cache(maxsize=64)
def _envelope(layer: Layer, frames: int) -> list[float]:
    rise = max(1, int(layer.attack * RATE))
    end = max(1, min(frames // 4, RATE // 10))
    fall = math.exp(-1 / (layer.decay * RATE))
    peak = _PEAK * layer.strength
    levels = [peak * frame / rise for frame in range(rise)]
    levels += accumulate(repeat(fall, frames - rise), mul, initial=peak)
    for frame in range(1, end):
        levels[frames - frame] *= frame / end
    return levels[:frames]


@lru_cache(maxsize=512)
def _mono(voice: Voice, pitch: int) -> int:
    """A note, on the left only."""
    frames = int(voice.lasts * RATE)
    samples = [_BIAS] * frames
    if not voice.layers:
        noise = random.Random(pitch)  # noqa: S311 (a rattle)
        samples = [
            _BIAS + noise.uniform(-0.5, 0.5) * _PEAK * math.exp(-frame / 500) for frame in range(frames)
        ]
    for layer in voice.layers:
        heard = min(frames, int((layer.attack + _AUDIBLE * layer.decay) * RATE))
        frequency = 440 * 2 ** ((pitch - 69) / 12) * layer.detune
        step = int(frequency * _TABLE / RATE * 2**_FRACTION)
        wave, mask = _wave(layer.partials), _TABLE - 1
        phases = range(0, step * heard, step)
        levels = _envelope(layer, heard)
        samples[:heard] = [
            sample + wave[phase >> _FRACTION & mask] * level
            for sample, phase, level in zip(samples, phases, levels, strict=False)
        ]
    left = array("I", bytes(8 * frames))
    left[::2] = array("I", map(int, samples))
    return int.from_bytes(left.tobytes(), "little") - _bias(frames, int(_BIAS))


@lru_cache(maxsize=32)
def _bias(frames: int, left: int, right: int = 0) -> int:
    return int.from_bytes(array("I", (left, right)).tobytes() * frames, "little")


def mix(notes: Iterable[Note], frames: int, *, gain: int) -> bytes:
    """The frames of all notes, as a WAV file has them: 16 bits, two channels.

    `gain` makes it all louder. The sum has to stay below full scale.
    """
    waiting = sorted(notes, key=lambda note: note.at, reverse=True)
    pieces: list[bytes] = []
    rest, piece, bias = 0, RATE, int(_BIAS)
    longest = piece + max(int(note.voice.lasts * RATE) for note in waiting)
    for start in range(0, frames, piece):
        while waiting and waiting[-1].at < start + piece:
            note = waiting.pop()
            loud = note.loud * gain
            both = loud * (_PAN - note.pan) + (loud * note.pan << _FRAME // 2)
            rest += _mono(note.voice, note.pitch) * both << _FRAME * (note.at - start)
        digits = (rest + _bias(longest, bias, bias)).to_bytes(longest * _FRAME // 8, "little")
        cut = piece * _FRAME // 8
        pieces.append(_upper_halves(digits[:cut]))
        rest = int.from_bytes(digits[cut:], "little") - _bias(longest - piece, bias, bias)
    return b"".join(pieces)[: frames * 4]


def _upper_halves(digits: bytes) -> bytes:
    """The upper 16 bits of each sample, as WAV wants them: signed, the lower byte first."""
    flip = int.from_bytes(b"\x00\x80" * (len(digits) // 4), "little")
    upper = array("H", digits)[1::2].tobytes()
    return (int.from_bytes(upper, "little") ^ flip).to_bytes(len(upper), "little")
