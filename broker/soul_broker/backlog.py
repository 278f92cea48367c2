"""What a slow reader has not taken yet, within bounds.

While the transport takes no more, packets wait here. Past the soft bound the oldest QoS 0
messages are dropped; what cannot be dropped (QoS 1 and 2, acknowledgements) is let
grow to the hard bound, and who passes that is disconnected.
"""

from collections.abc import Iterable, Iterator

from soul_broker.packets import PUBLISH


def drop_oldest(packets: Iterable[bytes], excess: int) -> tuple[list[bytes], int, int]:
    """Drop QoS 0 messages from the front until `excess` bytes are gone.

    Returns:
        The packets kept, how many were dropped, and how many bytes these had.
    """
    kept: list[bytes] = []
    dropped = gone = 0
    for packet in packets:
        # PUBLISH at QoS 0, whatever DUP and RETAIN say.
        if gone < excess and packet[0] & 0xF6 == 0x30:
            dropped += 1
            gone += len(packet)
        else:
            kept.append(packet)
    return kept, dropped, gone


def controls(packets: Iterable[bytes]) -> tuple[int, int]:
    """How many of the packets are no PUBLISH, and their bytes."""
    sizes = [len(packet) for packet in packets if packet[0] >> 4 != PUBLISH]
    return len(sizes), sum(sizes)


def pieces(packets: list[bytes], bound: int) -> Iterator[list[bytes]]:
    """The packets in order, so many at a time as have at most `bound` bytes; a longer one alone."""
    piece: list[bytes] = []
    size = 0
    for packet in packets:
        if piece and size + len(packet) > bound:
            yield piece
            piece, size = [], 0
        piece.append(packet)
        size += len(packet)
    if piece:
        yield piece


class Backlog:
    """Packets of one connection that wait for the transport. Bounds are in bytes."""

    __slots__ = ("_hard", "_packets", "_size", "_soft")

    def __init__(self, soft: int, hard: int) -> None:
        self._soft = soft
        self._hard = hard
        self._packets: list[bytes] = []
        self._size = 0

    def add(self, packets: list[bytes]) -> int | None:
        """Let packets wait.

        Returns:
            How many messages were dropped; None past the hard bound.
        """
        self._packets += packets
        self._size += sum(map(len, packets))
        dropped = 0
        if self._size > self._soft:
            # A quarter more than needed, so that not every packet sweeps the list again.
            excess = self._size - self._soft + self._soft // 4
            self._packets, dropped, gone = drop_oldest(self._packets, excess)
            self._size -= gone
        return None if self._size > self._hard else dropped

    def take(self) -> list[bytes]:
        """Everything, in order; nothing waits afterwards."""
        packets, self._packets, self._size = self._packets, [], 0
        return packets
