"""Volume in software: samples times a factor, by MicroPython's native compiler.

The same lines run on CPython, where `ptr16` is a view instead of a pointer.
"""

import sys

import micropython

FULL = 256
"""The factor that changes nothing."""

if sys.implementation.name == "cpython":
    micropython.viper = lambda function: function

    def ptr16(data):
        """A view of 16-bit words."""
        return memoryview(data).cast("B").cast("H")


def factor(volume):
    """The factor for a volume of 0.0-1.0: squared, as ears have it."""
    return int(volume * volume * FULL + 0.5)


@micropython.viper
def scale16(data, words: int, gain: int):
    """Multiply signed 16-bit samples in place by `gain` / 256."""
    place = ptr16(data)
    for i in range(words):
        sample = int(place[i])
        if sample >= 0x8000:
            sample -= 0x10000
        place[i] = ((sample * gain) >> 8) & 0xFFFF


@micropython.viper
def scale32(data, words: int, gain: int):
    """Multiply signed 32-bit samples in place by `gain` / 256.

    In two halves, so that nothing exceeds the 32 bits of a small chip.
    """
    place = ptr16(data)
    for i in range(words):
        low = int(place[2 * i])
        high = int(place[2 * i + 1])
        if high >= 0x8000:
            high -= 0x10000
        whole = high * gain * 256 + ((low * gain) >> 8)
        place[2 * i] = whole & 0xFFFF
        place[2 * i + 1] = (whole >> 16) & 0xFFFF


class Gain:
    """The volume, and a buffer for what it was applied to."""

    def __init__(self):
        self._factor = FULL
        self._loud = None  # made when first needed

    def set(self, volume):
        """0.0-1.0; says whether that changes anything."""
        changed = factor(volume) != self._factor
        self._factor = factor(volume)
        return changed

    def applied(self, view, bits):
        """The samples at the volume. What was returned before is overwritten."""
        if self._factor == FULL:
            return view
        if self._loud is None or len(self._loud) < len(view):
            self._loud = bytearray(len(view))
        loud = memoryview(self._loud)[: len(view)]
        loud[:] = view
        (scale16 if bits == 16 else scale32)(loud, len(view) * 8 // bits, self._factor)
        return loud
