"""When to try again: exponential backoff with full jitter, and what to do about refused tokens.

Pure: the random numbers come from outside, and the caller does the waiting. The cap is
low because a listener waits for the music: everyone is back within seconds of the server's
return, spread over `CAP` so that the server is not trampled. A connection that did not last
counts as a failure, so that nobody hammers a server which lets in and throws out.

While the network is cut, packets vanish, and an attempt takes as long as it is given. So most
attempts are given little, if a good one took no longer, and the time that one took counts as
waiting: whenever the network is back, the next attempt is not far. One in five is given more
and one in twenty most, for a way that has become slow, or a server with a crowd at its door;
which ones is left to chance, so that a crowd that was cut off at once is not caught at once.

The arithmetic, for a way that was quick, in s. An attempt that is refused comes every
U(0, 1.5): a client whose server returns waits 0.44 at the median and 1.5 at most (of n clients
1.3 n come in the first second: a thousand are 0.4 of a core at 0.3 ms each). One that hangs
comes every max(0.7, U(0, 1.5)), 0.91 on average, but for one in five (1.5) and in twenty (3).
Of that 0.55 are left at the median when the way is back, and 3 at most.

There is never more than one attempt at a time. Two would find the way back no sooner, and on
the server each would throw out the other, for they have the same client id.
"""

import random
from dataclasses import dataclass
from typing import Final

BASE: Final = 200
"""The spread of the first try (ms); doubled with each failure."""

CAP: Final = 1_500
"""The largest spread (ms): the longest wait after the server's return."""

LASTED: Final = 10_000
"""A connection that stayed for so long (ms) was a good one: the backoff starts over."""

HASTY: Final = 0.7
"""How long (s) each step of most attempts may take, where the whole way took no longer before."""

PATIENT: Final = 1.5
"""How long (s) each step of one in five attempts may take; of most where no way is known."""

LONGEST: Final = 3.0
"""How long (s) each step of one in twenty attempts may take (one in five where no way is known)."""

HANGS: Final = 0.3
"""How long (s) an attempt may take before it counts as hanging, where the whole way took no longer before."""

REFUSED_WAIT: Final = 10_000
"""The wait (ms) before a fresh token that was refused too is replaced by yet another."""

REFUSALS: Final = 3
"""How many fresh tokens may be refused in a row."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait so many ms, then connect."""

    ms: float


@dataclass(frozen=True, slots=True)
class AskToken:
    """Wait so many ms, then ask for another token, and connect with it."""

    ms: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """No token is left that could be accepted."""


class Reconnect:
    """Decides what follows each end of a connection. Moments are local, in ms."""

    def __init__(self, *, rng: random.Random, can_ask: bool) -> None:
        """`can_ask`: there is somebody to ask for another token."""
        self._rng = rng
        self._can_ask = can_ask
        self._failures = 0
        self._refusals = 0
        self._online_since: float | None = None
        self._began: float | None = None
        self._took: float | None = None
        """How long (s) it took the last time that it could be done, from TCP to SUBACK."""

    def begin(self, now: float) -> float:
        """A connection is tried; returns how long (s) each step of that may take."""
        self._began = now
        chance = self._rng.random()
        steps = (PATIENT, LONGEST, LONGEST) if self._took is None else (HASTY, PATIENT, LONGEST)
        least = steps[(chance < 1 / 5) + (chance < 1 / 20)]
        return min(LONGEST, max(least, self._took or 0))

    def hangs(self, now: float) -> bool:
        """Whether the present attempt has taken longer than one does: a fresh one may do better."""
        usual = PATIENT if self._took is None else max(HANGS, self._took)
        return self._began is not None and now - self._began > usual * 1_000

    def opened(self, now: float) -> None:
        """Connected and subscribed: so long it takes."""
        began, self._began = self._began, None
        if began is not None:
            self._took = (now - began) / 1_000

    def online(self, now: float) -> None:
        """Registered: the way works and the token is good."""
        self._online_since = now
        self._refusals = 0

    def lost(self, now: float) -> Wait:
        """A connection ended, or could not be made."""
        since, self._online_since = self._online_since, None
        began, self._began = self._began, None
        if since is not None and now - since >= LASTED:
            self._failures = 0
        wait = self._rng.uniform(0, min(CAP, BASE * 2 ** min(self._failures, 16)))
        self._failures += 1
        waited = now - began if began is not None else 0
        return Wait(max(0.0, wait - waited))

    def refused(self) -> AskToken | GiveUp:
        """CONNACK 4 or 5."""
        self._online_since = None
        self._refusals += 1
        if not self._can_ask or self._refusals > REFUSALS:
            return GiveUp()
        return AskToken(0 if self._refusals == 1 else REFUSED_WAIT)

    def token_given(self, *, is_new: bool) -> Wait | GiveUp:
        """What the one who was asked gave: a token that was not refused before, or nothing."""
        return Wait(0) if is_new else GiveUp()

    def token_unavailable(self) -> AskToken:
        """Whoever was asked failed: probably away, like the server. Ask again, without hurry."""
        self._failures += 1
        return AskToken(BASE + self._rng.uniform(0, CAP))
