"""The parts of an ESP32's `machine` that the firmware uses, on the host.

Pins read files: `PINS/4` exists while pin 4 is pulled low. I2S consumes at the sample rate, as a DAC does,
and remembers every byte; the watchdog, the calendar and the reset remember what they were told.
"""

import asyncio
import os
import sys
import time

PINS = "pins"


def reset():
    """Start again: to a program, that is its end."""
    print("machine reset")
    sys.exit(3)


class Pin:
    """A pin that is a file."""

    IN, OUT, PULL_UP = 0, 1, 2

    def __init__(self, number, mode=IN, pull=None):
        self.number = number
        self.level = 1

    def value(self, level=None):
        """The level, or set it."""
        if level is not None:
            self.level = level
            return None
        try:
            os.stat(PINS + "/" + str(self.number))
        except OSError:
            return 1
        return 0


class WDT:
    """A watchdog that counts its meals."""

    def __init__(self, timeout=5000):
        self.timeout = timeout
        self.meals = 0

    def feed(self):
        """One meal."""
        self.meals += 1


class RTC:
    """A calendar that remembers what it was set to."""

    was_set = None

    def datetime(self, moment):
        """Set it."""
        RTC.was_set = moment


class I2S:
    """A DAC that plays what it is given, at the sample rate, and keeps it.

    `heard` has every byte that went out, of all that were made; `silence` counts those (bytes) for
    which there was nothing. With FAKE_I2S in the environment, they are written to that file instead.
    """

    TX, MONO, STEREO = 1, 0, 1
    heard = bytearray()
    formats = []  # noqa: RUF012 (of the class on purpose: the tests look at it)
    silence = 0
    begins_after = 0
    """How long (s) after the first write it begins: what interrupts a machine in between."""

    def __init__(self, number, *, sck, ws, sd, mode, bits, format, rate, ibuf):
        self._rate = rate * bits // 8 * (2 if format == I2S.STEREO else 1)
        self._ibuf = ibuf
        self._dma = bytearray()
        self._given = None
        self._since = None
        self._gone = 0
        self._handler = None
        self._file = os.getenv("FAKE_I2S")
        I2S.formats.append((rate, bits, format))
        self._task = asyncio.create_task(self._run())

    def irq(self, handler):
        """Call back when what was given is taken."""
        self._handler = handler

    def write(self, data):
        """Take all of it, in time."""
        assert self._given is None, "written before the last one was taken"
        self._given = memoryview(data)
        if self._since is None:
            time.sleep(I2S.begins_after)
            self._since = time.ticks_us()
        return len(data)

    def deinit(self):
        """Silent at once: what is not out yet, never will be."""
        self._move()
        self._task.cancel()
        self._given = None
        self._dma = bytearray()

    def _move(self):
        if self._since is None:
            return
        due = time.ticks_diff(time.ticks_us(), self._since) * self._rate // 1000000 // 8 * 8 - self._gone
        self._gone += due
        while due > 0:
            self._refill()
            out = bytes(self._dma[:due])
            if not out:
                I2S.silence += due
                break
            if self._file:
                with open(self._file, "ab") as file:
                    file.write(out)
            else:
                I2S.heard += out
            self._dma = self._dma[len(out) :]
            due -= len(out)
        self._refill()

    def _refill(self):
        room = self._ibuf - len(self._dma)
        if self._given is not None and room > 0:
            self._dma += self._given[:room]
            self._given = self._given[room:] if len(self._given) > room else None

    async def _run(self):
        while True:
            had = self._given is not None
            self._move()
            if had and self._given is None and self._handler is not None:
                self._handler(self)
            await asyncio.sleep(0.004)
