"""The watchdog's keeper: feeds it only while everything that must run does.

A player that hangs is worse than one that restarts: after 9 s without food the chip resets,
and comes back to where the music was.
"""

import asyncio
import time

TIMEOUT = 9000
"""The watchdog's patience (ms)."""

FRESH = 8000
"""How old (ms) a sign of life may be: the link waits up to 5 s for one thing."""


class Supervisor:
    """Looks at beats: functions that give the `ticks_ms` of the last sign of life."""

    def __init__(self, watchdog, beats):
        """`watchdog`: has `feed()`; `beats`: a dict of name and function."""
        self._watchdog = watchdog
        self._beats = beats

    def stale(self):
        """The names of what gave no sign in time."""
        now = time.ticks_ms()
        return [name for name, beat in self._beats.items() if time.ticks_diff(now, beat()) > FRESH]

    def look(self):
        """Feed the watchdog if all is well; returns what is not."""
        stale = self.stale()
        if not stale:
            self._watchdog.feed()
        return stale

    async def run(self):
        """For ever."""
        while True:
            for name in self.look():
                print("no sign of", name)
            await asyncio.sleep(1)
