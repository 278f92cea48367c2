"""Who has something to write: once for each connection and turn of the loop."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from soul_broker.connection import Connection

log = structlog.get_logger("soul_broker")


class Outbox:
    """The connections that have gathered packets in this turn. `call_soon` is the loop's."""

    __slots__ = ("_answered", "_answers_come", "_call_soon", "_marked")

    def __init__(self, call_soon: Callable[[Callable[[], None]], object]) -> None:
        self._call_soon = call_soon
        self._marked: list[Connection] = []
        self._answered: list[Connection] = []
        self._answers_come = False

    def __len__(self) -> int:
        return len(self._marked) + len(self._answered)

    def mark(self, connection: "Connection", *, answered: bool = False) -> None:
        """A connection has something to write in this turn of the loop.

        `answered`: its client spoke in this turn. It is written to last, since it knows what it said,
        unless it gets an answer, a message for nobody else: then it is first, because who is told
        what to do will run at once, and on few cores in our place.
        """
        if not self._marked and not self._answered:
            self._call_soon(self._turn)
        (self._answered if answered else self._marked).append(connection)

    def heard(self) -> None:
        """A client in this process was told something, and may answer in the next turn of the loop."""
        self._answers_come = self._answers_come or bool(self._marked or self._answered)

    def _turn(self) -> None:
        """Write what this turn of the loop gathered.

        Where a client in this process has its turn after this one, its answers leave together
        with the rest: one write for each socket.
        """
        if self._answers_come:
            self._answers_come = False
            self._call_soon(self.flush)
        else:
            self.flush()

    def flush(self) -> None:
        """Write all that was gathered."""
        marked, self._marked = self._marked, []
        answered, self._answered = self._answered, []
        first = [connection for connection in answered if connection.addressed]
        last = [connection for connection in answered if not connection.addressed]
        for connection in (*first, *marked, *last):
            try:
                connection.flush()
            except Exception:
                # Our own bug must cost this connection only: the others would wait for ever.
                log.exception("internal error", peer=connection.peer)
                connection.end("internal error", abort=True)
