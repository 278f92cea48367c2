"""When to ping: for the clock, and to notice a connection that only seems to be there.

A few quick pings on arrival make the clock good, and ten more where the link jitters; then
one every 30 s. A ping that is not answered asks for a probe of the broker: the coordinator
may be away while the broker is well, and reconnecting would not bring it back. A timer that
rings much too late means that this machine slept, and that the connection may be long dead.
"""

from typing import Final

from soul_protocol.limits import PING_EVERY

QUICK: Final = (0, 150, 400, 900, 1_600, 2_500)
"""Pings after arrival, in ms from it."""

MORE: Final = tuple(range(3_500, 13_500, 1_000))
"""And these, while the clock is not good."""

GOOD_CLOCK: Final = 20.0
"""How wrong (ms) a good clock can be."""

ANSWER_WITHIN: Final = 5_000
"""How long a pong may take (ms) before the broker is probed."""

OVERSLEPT: Final = 5_000
"""How late (ms) a timer may ring on a machine that was awake, if a busy one."""


class Pulse:
    """The rhythm of pings. Moments are local, in ms."""

    def __init__(self) -> None:
        self._planned: list[float] = []
        self._enough = 0.0
        self._waiting: dict[int, float] = {}

    def start(self, now: float) -> None:
        """A connection: begin with a few quick ones."""
        self._planned = [now + after for after in (*QUICK, *MORE)]
        self._enough = now + QUICK[-1]
        self._waiting.clear()

    def stop(self) -> None:
        """No connection, no pings."""
        self._planned = []
        self._waiting.clear()

    def clock_is_good(self, now: float) -> None:
        """The few quick ones will do."""
        if len(self._planned) > 1:
            few = [moment for moment in self._planned if moment <= self._enough]
            self._planned = few or [now + PING_EVERY]

    def soon(self, now: float) -> None:
        """Ping now, besides what is planned."""
        if self._planned:
            self._planned.insert(0, now)

    @property
    def deadline(self) -> float | None:
        """When something is due."""
        ends = [sent + ANSWER_WITHIN for sent in self._waiting.values()]
        return min([*self._planned[:1], *ends], default=None)

    def due(self, now: float) -> int | None:
        """The `t0` of a ping to send now, None if none is due."""
        if not self._planned or self._planned[0] > now:
            return None
        # What was missed while the machine slept is not made up for.
        self._planned = [moment for moment in self._planned if moment > now] or [now + PING_EVERY]
        # Whole ms, rounded up: a ping is never said to have left earlier than it did. Unique,
        # so that a pong finds its ping.
        t0 = -int(-now // 1)
        while t0 in self._waiting:
            t0 += 1
        self._waiting[t0] = now
        return t0

    def unanswered(self, now: float) -> bool:
        """Whether a ping has waited too long; forgets it."""
        late = [t0 for t0, sent in self._waiting.items() if sent + ANSWER_WITHIN <= now]
        for t0 in late:
            del self._waiting[t0]
        return bool(late)

    def answered(self, t0: int) -> float | None:
        """When the ping with this `t0` was sent; None for a pong that nobody waits for."""
        sent = self._waiting.pop(t0, None)
        if sent is not None:
            # Whoever answers one is there: earlier ones got lost, which QoS 0 may do.
            self._waiting = {other: at for other, at in self._waiting.items() if at > sent}
        return sent
