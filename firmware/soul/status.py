"""What the player shows of itself: one line, on whatever there is to show it.

A screen is anything with `show(line, state)`: write one for your display.
"""

from soul import session as sessions

OFFLINE, IDLE, PLAYING, PAUSED, TROUBLE = "offline", "idle", "playing", "paused", "trouble"


def describe(dap, link):
    """A line for people, and which of the five states it is. `link` is the link's own word."""
    if dap.session.phase == sessions.DISPLACED:
        return "this id is in use elsewhere", TROUBLE
    if link.startswith("refused"):
        return link, TROUBLE
    table = dap.renderer.table
    if table.playing or dap.renderer.epoch is not None:
        word, state = ("playing", PLAYING) if table.playing else ("paused", PAUSED)
        line = "%s %d/%d" % (word, min(table.deck.index + 1, table.deck.length), table.deck.length)
        if table.error is not None:
            line += ", " + table.error["code"] + " at " + str(table.error["track_id"])
        return (line if link == "online" else line + ", " + link), state
    if link != "online":
        return link, OFFLINE
    if dap.session.phase != sessions.ONLINE:
        return dap.notice or dap.session.phase, OFFLINE
    return dap.notice or dap.name, IDLE


class Console:
    """The serial console."""

    def show(self, line, state):
        """Print it."""
        print("status", state, line)


class Led:
    """One LED: on while playing, half asleep else. Its code is in firmware/README.md."""

    PATTERNS = {  # noqa: RUF012 (read only)
        PLAYING: "1",
        PAUSED: "11110000",
        IDLE: "10000000",
        OFFLINE: "1010000000000000",
        TROUBLE: "10",
    }

    def __init__(self, pin):
        self._pin = pin
        self._pattern = self.PATTERNS[OFFLINE]
        self._place = 0

    def show(self, _line, state):
        """Blink accordingly from now on."""
        if self.PATTERNS[state] != self._pattern:
            self._pattern, self._place = self.PATTERNS[state], 0

    def beat(self):
        """To be called four times a second."""
        self._pin.value(int(self._pattern[self._place % len(self._pattern)]))
        self._place += 1
