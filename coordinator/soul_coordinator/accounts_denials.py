"""Which tokens are refused although they are signed and have not expired."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field

from soul_coordinator.adapters.sqlite_save import device_hash, user_hash
from soul_coordinator.core.values import Instant


@dataclass(frozen=True, slots=True)
class Denials:
    """A snapshot of what was taken back.

    Attributes:
        tokens: each revoked `jti`, of removed users and deleted devices too.
        devices: by the SHA-256 of user and device, when it was deleted (ms).
        users: by the SHA-256 of the name, when the user was removed (ms).
    """

    tokens: frozenset[str] = frozenset()
    devices: Mapping[bytes, Instant] = field(default_factory=dict)
    users: Mapping[bytes, Instant] = field(default_factory=dict)

    def refuses(self, user: str, device: str | None, jti: str, iat: int) -> bool:
        """Whether a connection of `user` as client `device` with this token is to be refused.

        `iat` is the token's, in seconds. A token of the very second of a deletion is judged
        by its `jti`: one of our own that is older is among `tokens`.
        """
        if jti in self.tokens:
            return True
        if self.users and self.users.get(user_hash(user), 0) // 1000 > iat:
            return True
        if not self.devices or device is None:
            return False
        return self.devices.get(device_hash(user, device), 0) // 1000 > iat


def load_denials(connection: sqlite3.Connection, now: Instant) -> Denials:
    """What is taken back at `now` (ms), in one view of the database."""
    tokens = connection.execute("SELECT jti FROM revoked_tokens WHERE expires_at > ?", (now,)).fetchall()
    return Denials(
        tokens=frozenset(jti for (jti,) in tokens),
        devices=dict(connection.execute("SELECT hash, at FROM deleted_devices").fetchall()),
        users=dict(connection.execute("SELECT hash, at FROM removed_users").fetchall()),
    )
