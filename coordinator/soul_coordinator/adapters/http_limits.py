"""How often someone may try: a bounded memory of recent tries."""

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable


class Tries:
    """At most `most` tries in any `seconds`, for each key.

    At most `keys` keys are remembered; beyond that the one that tried longest ago is
    forgotten. `clock` is in seconds and never goes back.
    """

    def __init__(self, most: int, seconds: float, *, clock: Callable[[], float], keys: int = 10_000) -> None:
        self._most = most
        self._seconds = seconds
        self._clock = clock
        self._keys = keys
        self._tries: OrderedDict[Hashable, deque[float]] = OrderedDict()

    def wait(self, key: Hashable) -> float:
        """Count a try; 0 if it may be, else the seconds to wait (and then it is not counted)."""
        now = self._clock()
        tries = self._tries.setdefault(key, deque(maxlen=self._most))
        self._tries.move_to_end(key)
        while tries and tries[0] <= now - self._seconds:
            tries.popleft()
        if len(tries) >= self._most:
            return tries[0] + self._seconds - now
        tries.append(now)
        if len(self._tries) > self._keys:
            self._tries.popitem(last=False)
        return 0.0

    def __len__(self) -> int:
        """How many keys are remembered."""
        return len(self._tries)
