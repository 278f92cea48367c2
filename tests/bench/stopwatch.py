"""From a command to its answer, and to the same news at another controller: two sockets, one clock.

Whoever waits here runs on a core that those need who are measured. So nothing is done between the
system calls but to look for a word: what was read is taken apart afterwards.
"""

import socket
import time
from typing import Final, NamedTuple, Protocol

_CHUNK: Final = 1 << 16


class Station(Protocol):
    """One end of a connection."""

    socket: socket.socket

    def feed(self, data: bytes) -> None:
        """Take what was read from the socket meanwhile."""


class Timing(NamedTuple):
    """Seconds from the system call that sends the command, and what was read."""

    answered: float
    elsewhere: float
    answer: bytes
    news: bytes


def timed(asker: Station, other: Station, packet: bytes, *, answer: bytes, news: bytes) -> Timing:
    """Send a command; wait for `answer` among the bytes that come, then for `news` at the other station."""
    ours, theirs, clock = asker.socket, other.socket, time.perf_counter
    begun = clock()
    ours.sendall(packet)
    answered, first = _heard(ours, answer)
    elsewhere, second = _heard(theirs, news)
    asker.feed(first)
    other.feed(second)
    return Timing(answered - begun, elsewhere - begun, first, second)


def _heard(ours: socket.socket, word: bytes) -> tuple[float, bytes]:
    data = ours.recv(_CHUNK)
    came = time.perf_counter()
    while word not in data:
        more = ours.recv(_CHUNK)
        came = time.perf_counter()
        if not more:
            raise ConnectionError("the server closed the connection")
        data += more
    return came, data
