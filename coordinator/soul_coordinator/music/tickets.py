"""Addresses that let one person hear one track for a while, and nothing else.

`<audio>` sends no headers, so the address itself has to say who may: it carries a signature
over user, track and end, and names the token that it was made for, so that it can be taken
back with that. It is no token itself: it opens nothing but that one file.
"""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Final

STEP: Final = 300
"""The ends are multiples of so many seconds: the same address for a while, for browsers' caches."""

GRACE: Final = 600
"""How much longer than its track a ticket lives, in seconds: for pauses."""

_LONGEST: Final = 6 * 3600
_TICKET: Final = re.compile(r"([0-9]{1,12})-([0-9a-f]{32})-([A-Za-z0-9_-]{43})")


class BadTicket(Exception):  # noqa: N818
    """It was not made here, or for something else."""


class TicketOver(Exception):  # noqa: N818
    """Its time has passed."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """The text that goes into the address, and when it ends (ms since the Unix epoch)."""

    text: str
    expires_at: int


class Tickets:
    """Makes and checks tickets. `key` is secret, and of no other use."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def make(self, user: str, jti: str, track: str, *, now: int, duration_ms: int) -> Ticket:
        """A ticket from `now` (ms) on, for a track that is so long; `jti` is of the user's token."""
        lasts = min(duration_ms // 1000, _LONGEST) + GRACE
        end = (now // 1000 // STEP + 1) * STEP + lasts
        return Ticket(f"{end}-{jti}-{self._signature(user, jti, track, end)}", end * 1000)

    def check(self, text: str, user: str, track: str, *, now: int) -> str:
        """The `jti` of the token that a ticket was made for, if the ticket is good at `now` (ms).

        Raises:
            BadTicket: it is for something else, or was not made here.
            TicketOver: it was good once.
        """
        match = _TICKET.fullmatch(text)
        if match is None:
            raise BadTicket
        end, jti, signature = int(match[1]), match[2], match[3]
        if not hmac.compare_digest(self._signature(user, jti, track, end), signature):
            raise BadTicket
        if now >= end * 1000:
            raise TicketOver
        return jti

    def _signature(self, user: str, jti: str, track: str, end: int) -> str:
        # Neither a user nor a number nor a `jti` has a newline: no two tickets read the same.
        text = f"stream\n{user}\n{end}\n{jti}\n{track}".encode("utf-8", "surrogatepass")
        digest = hmac.digest(self._key, text, hashlib.sha256)
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")
