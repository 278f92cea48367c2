"""Getting registered, and staying so.

    away --connected--> arriving --registered--> online
                          ^  |                     |
                          |  +--device limit--> hindered
                          +--not_registered, another coordinator--+
    any --connection lost--> away

While arriving, `register` is repeated after 5, 10, 20, 30, 30... seconds. A connection that
the other side closes within 10 s of `registered`, three times running, means that another
client has this device id: each throws the other out.
"""

from enum import Enum, auto

from soul_protocol.limits import (
    DISPLACED_TIMES,
    DISPLACED_WITHIN,
    REGISTER_REPEAT,
    REGISTER_REPEAT_MAX,
)


class Phase(Enum):
    """How far this client is."""

    AWAY = auto()
    ARRIVING = auto()
    ONLINE = auto()
    HINDERED = auto()


class Arrival:
    """When to register. Moments are local, in ms."""

    def __init__(self) -> None:
        self.phase = Phase.AWAY
        self.conn = ""
        """Of the present connection; empty while there is none."""
        self.coordinator: str | None = None
        self.registration = 0
        """Counts registrations, so that each request goes out once in each."""
        self._due: float | None = None
        self._repeat = REGISTER_REPEAT
        self._registered_at: float | None = None
        self._displaced = 0

    @property
    def deadline(self) -> float | None:
        """When to send `register` (again)."""
        return self._due

    def connected(self, conn: str, now: float) -> None:
        """A connection, with its fresh `conn`: register at once."""
        self.conn = conn
        self._registered_at = None
        self.register_again(now)

    def register_again(self, at: float) -> None:
        """Register at a moment, unless that is to happen earlier anyway."""
        if self.phase is Phase.ARRIVING and self._due is not None:
            self._due = min(self._due, at)
            return
        self.phase = Phase.ARRIVING
        self._due = at
        self._repeat = REGISTER_REPEAT

    def sent(self, now: float) -> None:
        """`register` was sent."""
        self._due = now + self._repeat
        self._repeat = min(2 * self._repeat, REGISTER_REPEAT_MAX)

    def registered(self, conn: str, coordinator: str, now: float) -> bool:
        """The snapshot came; false if it is another connection's, or a late one of an earlier coordinator.

        A second one for this connection is the answer to a repetition: its snapshot counts, and nothing else.
        """
        if conn != self.conn or self.phase is Phase.AWAY:
            return False
        if coordinator != self.coordinator:
            if self.phase is Phase.ONLINE:
                return False
            self._displaced = 0  # a server that starts again closes connections, too
        self.coordinator = coordinator
        self.phase = Phase.ONLINE
        self.registration += 1
        self._due = None
        if self._registered_at is None:
            self._registered_at = now
        return True

    def hindered(self) -> bool:
        """The coordinator has no place for us; says whether we were asking for one."""
        if self.phase is not Phase.ARRIVING:
            return False
        self.phase = Phase.HINDERED
        self._due = None
        return True

    def failed(self) -> None:
        """A connection could not be made: so it was the network, not another client."""
        self._displaced = 0

    def disconnected(self, now: float, *, by_peer: bool) -> bool:
        """The connection is gone; says whether it is time to give up, being displaced."""
        displaced = (
            by_peer and self._registered_at is not None and now - self._registered_at <= DISPLACED_WITHIN
        )
        self._displaced = self._displaced + 1 if displaced else 0
        self.phase = Phase.AWAY
        self.conn = ""
        self._due = None
        self._registered_at = None
        return self._displaced >= DISPLACED_TIMES
