"""Push buttons between a pin and ground: debounced, and repeating where holding means more."""

import asyncio

from soul.dap import LOUDER, SOFTER

EVERY = 20
"""How often (ms) a pin is looked at; pressed is what is low twice running."""

HELD = 500
"""After how long (ms) a held button repeats."""

REPEAT = 150
"""How often (ms) it does. Under the 10 reports a second that the coordinator takes."""


class Button:
    """One button."""

    def __init__(self, name, pin):
        """`pin.value()` is 0 while it is pressed."""
        self.name = name
        self._pin = pin
        self._low = 0  # looks in a row that found it low

    def look(self):
        """Whether it counts as pressed at this look: once a press, and again while it is held."""
        if self._pin.value():
            self._low = 0
            return False
        self._low += 1
        if self._low == 2:
            return True
        held = (self._low - 2) * EVERY - HELD
        return self.name in (LOUDER, SOFTER) and held >= 0 and held % (REPEAT // EVERY * EVERY) == 0


class Buttons:
    """All of them."""

    def __init__(self, pins, pressed):
        """`pins`: name and pin; `pressed(name)` is called for each press."""
        self._buttons = [Button(name, pin) for name, pin in pins.items()]
        self._pressed = pressed

    async def run(self):
        """Look, for ever."""
        while True:
            for button in self._buttons:
                if button.look():
                    self._pressed(button.name)
            await asyncio.sleep(EVERY / 1000)
