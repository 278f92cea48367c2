"""Queue order: shuffling, giving the original order back, stepping, and windows.

The queue is always in play order. While shuffled, `order[i]` is the rank of `queue[i]` in
the original order; None stands for the identity.
"""

from collections import defaultdict, deque
from itertools import accumulate
from typing import Final

_MASK: Final = (1 << 64) - 1


def _mix(state: int) -> int:
    """One output of splitmix64 (Steele, Lea, Flood 2014): a good stream from any seed."""
    z = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & _MASK
    return z ^ (z >> 31)


def _permutation(length: int, entropy: int) -> list[int]:
    """A Fisher-Yates permutation of range(length), decided by `entropy` alone."""
    places = list(range(length))
    state = (entropy ^ (entropy >> 64)) & _MASK
    for last in range(length - 1, 0, -1):
        state = (state + 0x9E3779B97F4A7C15) & _MASK
        # The product's high half maps to [0, last] without a visible bias for queues this short.
        other = _mix(state) * (last + 1) >> 64
        places[last], places[other] = places[other], places[last]
    return places


def shuffled(
    queue: tuple[str, ...], order: tuple[int, ...] | None, position: int, entropy: int
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The queue permuted with its current track first, and the order that undoes it."""
    if not queue:
        return (), ()
    ranks = order if order is not None else tuple(range(len(queue)))
    rest = [i for i in _permutation(len(queue), entropy) if i != position]
    places = [position, *rest]
    return tuple(queue[i] for i in places), tuple(ranks[i] for i in places)


def restored(
    queue: tuple[str, ...], order: tuple[int, ...] | None, position: int
) -> tuple[tuple[str, ...], int]:
    """The queue in its original order, and where its current track is then."""
    if order is None or not queue:
        return queue, position
    places = sorted(range(len(queue)), key=order.__getitem__)
    return tuple(queue[i] for i in places), places.index(position)


def carried_order(
    old: tuple[str, ...], order: tuple[int, ...] | None, new: tuple[str, ...]
) -> tuple[int, ...]:
    """The order of an edited queue while shuffled: what stays keeps its rank, what is new goes last."""
    ranks = order if order is not None else tuple(range(len(old)))
    known: defaultdict[str, deque[int]] = defaultdict(deque)
    for track, rank in zip(old, ranks, strict=True):
        known[track].append(rank)
    keys = [
        (known[track].popleft(), 0) if known[track] else (len(old), place) for place, track in enumerate(new)
    ]
    result = [0] * len(new)
    for rank, place in enumerate(sorted(range(len(new)), key=keys.__getitem__)):
        result[place] = rank
    return tuple(result)


def next_position(length: int, position: int, repeat_mode: str) -> int | None:
    """The place after `position`; None past the end. `one` does not hold a `next`."""
    if position + 1 < length:
        return position + 1
    return 0 if repeat_mode == "all" and length else None


def _is_plain(track: str) -> bool:
    return track.isascii() and track.isprintable() and '"' not in track and "\\" not in track


def _cost(track: str) -> int:
    """How many bytes it may take in JSON: printable ASCII as it is, the rest six a character at most."""
    return (1 if _is_plain(track) else 6) * len(track) + 3


def window(queue: tuple[str, ...], position: int, budget: int) -> tuple[int, tuple[str, ...]]:
    """The part of a queue around `position` whose JSON stays within `budget` bytes: offset and tracks.

    A quarter lies behind, so that `previous` is in it; the current track is always in it. No more of
    the queue is looked at than could be in it: this is asked at every event of a user.
    """
    budget -= 1  # the brackets, without the comma that the last track does not have
    if all(spent <= budget for spent in accumulate(map(_cost, queue))):
        return 0, queue
    start, behind = position, budget // 4
    while start > 0 and (cost := _cost(queue[start - 1])) <= behind:
        start -= 1
        behind -= cost
    end, left = position, budget - sum(map(_cost, queue[start:position]))
    while end < len(queue) and ((cost := _cost(queue[end])) <= left or end == position):
        left -= cost
        end += 1
    return start, queue[start:end]
