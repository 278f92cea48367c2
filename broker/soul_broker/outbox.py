"""Who has something to write: once for each connection and turn of the loop."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from soul_broker.connection import Connection

log = structlog.get_logger("soul_broker")


class Outbox:
    """The connections that have gathered packets in this turn. `call_soon` is the loop's."""

    __slots__ = ("_answered", "_answers_come", "_call_soon", "_marked", "_saves")

    def __init__(self, call_soon: Callable[[Callable[[], None]], object]) -> None:
        self._call_soon = call_soon
        self._marked: list[Connection] = []
        self._answered: list[Connection] = []
        self._answers_come = False
        self._saves: set[Callable[[], None]] = set()

    def __len__(self) -> int:
        return len(self._marked) + len(self._answered)

    def mark(self, connection: "Connection", *, answered: bool = False) -> None:
        """A connection has something to write in this turn of the loop.

        `answered`: its client spoke in this turn. It is written to last, since it knows what it said,
        unless it gets an answer, a message for nobody else: then it is first, because who is told
        what to do will run at once, and on few cores in our place.
        """
        self._schedule()
        (self._answered if answered else self._marked).append(connection)

    def save_first(self, save: Callable[[], None]) -> None:
        """Call this, once however often it is asked for, before anything of this turn is written.

        So nothing is acknowledged that is not on disk, and a hundred changes wait for the disk once.
        `save` may raise `OSError`, which is logged.
        """
        self._schedule()
        self._saves.add(save)

    def heard(self) -> None:
        """A client in this process was told something, and may answer in the next turn of the loop."""
        self._answers_come = self._answers_come or bool(self._marked or self._answered)

    def _schedule(self) -> None:
        if not self._marked and not self._answered and not self._saves:
            self._call_soon(self._turn)

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

    def save(self) -> None:
        """Save what is to be saved: before a connection is written to out of its turn, too."""
        saves, self._saves = self._saves, set()
        for save in saves:
            try:
                save()
            except OSError as error:
                # In memory it holds; the file is behind until the next change.
                log.error("not saved", error=str(error))  # noqa: TRY400

    def flush(self) -> None:
        """Save what is to be saved, then write all that was gathered."""
        self.save()
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
