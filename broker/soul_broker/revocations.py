"""Tokens that are refused though they are well signed and not expired.

Two kinds: a token's `jti`, remembered until its `exp`; and everything issued to a user,
or to one of its devices, before a deletion. User and device are kept as a SHA-256 hash only.
With a path, what was changed is on disk when `save` returns.

A refreshed token is as old as the one that it began with. A token dated to the ms (the
coordinator's are) counts if it is of a later ms than the deletion. One dated to the second may
have been issued just before a deletion in that second or just after: it is refused, since a
deletion that a token survives is worse than a new token that must be asked for again. Who
issues such tokens may date one to the next second (`TokenVerifier` takes that).

Of a user's devices the last 256 deletions are kept. Which devices the earlier ones were of is
forgotten, and everything that was issued to this user up to the latest of those is refused: more
than was asked for, but never a token that is newer than a deletion with 256 later ones after it.
So whoever registers and deletes fresh device ids for ever, on one token, ends by locking it out.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from soul_broker.errors import SoulBrokerError
from soul_protocol.private_file import write_privately

LONGEST_LIFETIME: Final = 3_660 * 86_400
"""Seconds that a token may live: how long a revocation is remembered where no end is known."""

DEVICES_KEPT: Final = 256
"""Deletions of a user's devices that are kept one by one."""

_ALL: Final = ""
"""In place of a device's hash: whatever the device."""

_VERSION: Final = 2
_NAMED: Final = 1
"""The version that kept the user's name beside the hash of the device."""


class Revocable(Protocol):
    """A token, as far as it can be refused."""

    @property
    def jti(self) -> str:
        """Its id."""

    @property
    def sub(self) -> str:
        """Its user."""

    @property
    def device(self) -> str | None:
        """The device that it is bound to."""

    @property
    def proved_at(self) -> float:
        """When its holder was known to be who they are, in seconds since the Unix epoch."""


class Revocations:
    """What is refused. `clock` gives seconds since the Unix epoch.

    Raises:
        SoulBrokerError: the file exists and cannot be read. Starting without it would
            admit again who was refused.
    """

    def __init__(self, path: Path | None, clock: Callable[[], float]) -> None:
        self._path = path
        self._clock = clock
        self._tokens: dict[str, int] = {}
        self.saved = True
        """Whether `save` has nothing to do."""
        # By the hash of the user, then by that of the device or `_ALL`: when, and until when it matters.
        self._deleted: dict[str, dict[str, tuple[float, int]]] = {}
        if path is not None and path.exists():
            self._load(path)

    def revoke(self, jti: str, exp: int | None = None) -> None:
        """Refuse one token until `exp`, in seconds; without it, as long as a token may live."""
        until = int(self._clock()) + LONGEST_LIFETIME if exp is None else exp
        if until <= self._tokens.get(jti, 0):
            # The coordinator tells all of them at each start: the disk is not waited for again.
            return
        self._tokens[jti] = until
        self.saved = False

    def delete(self, user: str, device: str | None, at: int | None = None) -> None:
        """Refuse what was issued up to `at` (ms; None: now) to a user, or to one of its devices."""
        self.delete_hashed(user, _hash(device), at)

    def delete_hashed(self, user: str, place: str, at: int | None = None) -> None:
        """Likewise of a device of which only the SHA-256 (hex) is known."""
        now, places = self._clock(), self._deleted.setdefault(_hash(user), {})
        moment = (int(now * 1_000) if at is None else at) / 1_000
        if moment <= max(places.get(one, (0.0, 0))[0] for one in (place, _ALL)):
            # The coordinator tells those of a month at each start: the disk is not waited for again.
            return
        places[place] = (moment, int(now) + LONGEST_LIFETIME)
        _bound(places)
        self.saved = False

    def refuses(self, token: Revocable, client_id: str) -> bool:
        """Whether a token, used with this client id, is refused."""
        if token.jti in self._tokens:
            return True
        if not self._deleted:
            return False
        places = self._deleted.get(_hash(token.sub))
        if places is None:
            return False
        for place in {_hash(None), _hash(token.device), _hash(client_id)}:
            deleted = places.get(place)
            if deleted is not None and token.proved_at <= deleted[0]:
                return True
        return False

    def _load(self, path: Path) -> None:
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            named = kept["version"] == _NAMED
            if not named and kept["version"] != _VERSION:
                raise ValueError("unknown version")  # noqa: TRY301 (one refusal for all that is wrong)
            self._tokens = {str(jti): int(exp) for jti, exp in kept["tokens"].items()}
            for user, device, at, until in kept["deleted"]:
                places = self._deleted.setdefault(_hash(user) if named else str(user), {})
                places[str(device)] = (float(at), int(until))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise SoulBrokerError(f"the revocations in {path} cannot be read: {error}") from error
        for places in self._deleted.values():
            _bound(places)  # an earlier version kept any number
        self._prune()

    def _prune(self) -> None:
        now = self._clock()
        self._tokens = {jti: exp for jti, exp in self._tokens.items() if exp > now}
        kept = {
            user: {place: value for place, value in places.items() if value[1] > now}
            for user, places in self._deleted.items()
        }
        self._deleted = {user: places for user, places in kept.items() if places}

    def save(self) -> None:
        """Forget what can matter no more; write the file, if there is one, and wait for the disk.

        Raises:
            OSError: it cannot be written.
        """
        self._prune()
        if self._path is not None:
            self._write(self._path)
        self.saved = True

    def _write(self, path: Path) -> None:
        content = {
            "version": _VERSION,
            "tokens": self._tokens,
            "deleted": [
                [user, place, *value]
                for user, places in self._deleted.items()
                for place, value in places.items()
            ],
        }
        write_privately(path, json.dumps(content).encode())


def _bound(places: dict[str, tuple[float, int]]) -> None:
    """Put one deletion of everything in place of the oldest ones of devices, where there are too many."""
    if len(places) <= DEVICES_KEPT:
        return
    devices = sorted(places.keys() - {_ALL}, key=places.__getitem__)
    for place in devices[:-DEVICES_KEPT]:
        (at, until), (known, ends) = places.pop(place), places.get(_ALL, (0.0, 0))
        places[_ALL] = (max(at, known), max(until, ends))


def _hash(name: str | None) -> str:
    return _ALL if name is None else hashlib.sha256(name.encode()).hexdigest()
