"""Getting registered, and staying so; and when to ping.

    away --connected--> arriving --registered--> online
                          ^  |                     |
                          |  +--device limit--> hindered
                          +--not_registered, another coordinator--+
    any --connection lost--> away

While arriving, `register` is repeated after 5, 10, 20, 30, 30... s. A connection that ends within 10 s
of `registered`, three times running, means that another client has this device id: each throws the
other out.
"""

from soul.contract import (
    DISPLACED_TIMES,
    DISPLACED_WITHIN,
    PING_EVERY,
    REGISTER_REPEAT,
    REGISTER_REPEAT_MAX,
    REREGISTER_SPREAD,
)

AWAY = "away"
ARRIVING = "arriving"
ONLINE = "registered"
HINDERED = "no place"
DISPLACED = "in use elsewhere"

QUICK = (0, 150, 400, 900, 1600, 2500)
"""Pings after arrival, in ms from it: a few make the clock good."""

WAITING = 8
"""How many pings may be without an answer; older ones are forgotten."""


class Session:
    """How far this device is. Moments are ms of `soul.clock.Uptime`."""

    def __init__(self, random_below):
        """`random_below(n)`: a whole number from 0 to n - 1."""
        self.phase = AWAY
        self.conn = ""
        """Of the present connection; empty while there is none."""
        self.coordinator = None
        self.register_sent = None
        self._random = random_below
        self._due = None
        self._repeat = REGISTER_REPEAT
        self._registered_at = None
        self._displaced = 0
        self._pings = []  # moments of the next ones
        self._asked = []  # t0 of those without an answer, oldest first
        self._gone = False  # the coordinator said that it leaves

    def connected(self, conn, now):
        """A connection, with its fresh `conn`: register at once."""
        self.conn = conn
        self._registered_at = None
        self._register_at(now)
        self._pings = [now + after for after in QUICK]
        self._asked = []

    def failed(self):
        """A connection could not be made: so it was the network, not another client."""
        self._displaced = 0

    def disconnected(self, now, by_peer):
        """The connection is gone. `by_peer`: the other side ended it, maybe for another client."""
        registered = self._registered_at
        short = by_peer and registered is not None and now - registered <= DISPLACED_WITHIN
        self._displaced = self._displaced + 1 if short else 0
        self.phase = DISPLACED if self._displaced >= DISPLACED_TIMES else AWAY
        self.conn = ""
        self._due = self._registered_at = self.register_sent = None
        self._pings, self._asked = [], []

    def registered(self, conn, coordinator, now):
        """The snapshot came; false if it is another connection's, or of an earlier coordinator."""
        if conn != self.conn or not conn:
            return False
        if coordinator != self.coordinator:
            if self.phase == ONLINE:
                return False
            self._displaced = 0  # a server that starts again closes connections, too
        self.coordinator = coordinator
        self.phase = ONLINE
        self._due = None
        if self._registered_at is None:
            self._registered_at = now
        return True

    def not_registered(self, now):
        """The coordinator does not know us."""
        if self.phase == ONLINE:
            self._register_at(now)

    def no_place(self):
        """The coordinator has no place for us: stop asking."""
        if self.phase == ARRIVING:
            self.phase = HINDERED
            self._due = None

    def coordinator_is(self, coordinator, online, now):
        """Who coordinates. Another one, or ours after it was away: register again, not all at once."""
        if not online:
            self._gone = True
            return
        if self.phase == ONLINE and (self._gone or coordinator != self.coordinator):
            self._register_at(now + self._random(REREGISTER_SPREAD))
        elif self.phase in (ARRIVING, HINDERED) and self._gone:
            # Those who wait for it have waited: sooner.
            self._register_at(now + self._random(REREGISTER_SPREAD // 3))
        self._gone = False

    def wants_register(self, now):
        """Whether to send `register` now; counts it as sent."""
        if self._due is None or self._due > now:
            return False
        self.register_sent = now
        self._due = now + self._repeat
        self._repeat = min(2 * self._repeat, REGISTER_REPEAT_MAX)
        return True

    def wants_ping(self, now):
        """The `t0` of a ping to send now, else None."""
        if not self._pings or self._pings[0] > now:
            return None
        # What was missed is not made up for.
        self._pings = [moment for moment in self._pings if moment > now] or [now + PING_EVERY]
        t0 = now
        while t0 in self._asked:
            t0 += 1
        self._asked.append(t0)
        del self._asked[:-WAITING]
        return t0

    def answered(self, t0):
        """A pong; false for one that nobody waits for."""
        if t0 not in self._asked:
            return False
        self._asked.remove(t0)
        return True

    def deadline(self):
        """When something is due; None: never."""
        due = [] if self._due is None else [self._due]
        due += self._pings[:1]
        return min(due) if due else None

    def _register_at(self, moment):
        if self.phase == ARRIVING and self._due is not None:
            self._due = min(self._due, moment)
            return
        self.phase = ARRIVING
        self._due = moment
        self._repeat = REGISTER_REPEAT
