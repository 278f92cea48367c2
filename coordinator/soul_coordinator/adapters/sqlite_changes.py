"""What the accounts' side changed while the coordinator runs, in another process or thread.

Each change is a row of `account_events`; the coordinator asks for those after the last one
that it has seen. Rows live for a day. A removed user's row holds the name's hash only.
"""

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, assert_never

from sqlite_utils import Database

from soul_coordinator.adapters.sqlite_load import guest_pass
from soul_coordinator.adapters.sqlite_save import user_hash
from soul_coordinator.core.records import GuestPass
from soul_coordinator.core.values import Instant


@dataclass(frozen=True, slots=True)
class UserAdded:
    """An account was made."""

    user: str


@dataclass(frozen=True, slots=True)
class UserGone:
    """An account was removed, with all that was saved of it.

    `tokens` are the user's tokens that have not expired: `jti` and `exp` (s) of each. `at` (ms)
    is when: a token of a later moment is another user's of the same name.
    """

    user: str
    tokens: tuple[tuple[str, int], ...]
    at: Instant


@dataclass(frozen=True, slots=True)
class TokenRevoked:
    """A token was taken back; `exp` (s) is when it would have ended by itself."""

    user: str
    role: str
    device: str | None
    jti: str
    exp: int


@dataclass(frozen=True, slots=True)
class GuestInvited:
    """A guest got a token: its pass replaces an earlier one of the same device."""

    user: str
    guest: GuestPass


AccountChange = UserAdded | UserGone | TokenRevoked | GuestInvited


def record_change(connection: sqlite3.Connection, change: AccountChange, now: Instant) -> None:
    """Tell the coordinator; in the transaction that makes the change."""
    match change:
        case UserAdded(user):
            row: dict[str, Any] = {"kind": "user_added", "user_id": user}
        case UserGone(user):
            row = {"kind": "user_removed", "user_hash": user_hash(user)}
        case TokenRevoked(user, role, device, jti, exp):
            row = {"kind": "token_revoked", "user_id": user, "role": role, "device_id": device}
            row |= {"jti": jti, "ends_at": exp * 1000}
        case GuestInvited(user, guest):
            row = {"kind": "guest_pass", "user_id": user, "device_id": guest.device}
            row |= {"scope": " ".join(sorted(guest.scope)), "ends_at": guest.ends_at}
        case _:
            assert_never(change)
    row["at"] = now
    columns = ", ".join(row)
    marks = ", ".join(f":{column}" for column in row)
    connection.execute(
        f"INSERT INTO account_events ({columns}) VALUES ({marks})",  # noqa: S608 (the words above)
        row,
    )


def last_change(connection: sqlite3.Connection) -> int:
    """The number of the newest change ever made; 0 before the first."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'account_events'").fetchone()
    return int(row[0]) if row else 0


def changes_after(
    connection: sqlite3.Connection, number: int, name_of: Callable[[bytes], str | None]
) -> tuple[AccountChange, ...]:
    """The changes after `number`, in order. `name_of` tells a removed user's name from its hash.

    A user whom it does not know was never seen by the caller: that change is left out.
    """
    db = Database(connection, execute_plugins=False)
    found = (
        _change(connection, row, name_of)
        for row in db.query("SELECT * FROM account_events WHERE id > ? ORDER BY id", [number])
    )
    return tuple(change for change in found if change is not None)


def _change(
    connection: sqlite3.Connection, row: Mapping[str, Any], name_of: Callable[[bytes], str | None]
) -> AccountChange | None:
    match row["kind"]:
        case "user_added":
            return UserAdded(row["user_id"])
        case "user_removed":
            user = name_of(row["user_hash"])
            if user is None:
                return None
            tokens = connection.execute(
                "SELECT jti, expires_at / 1000 FROM revoked_tokens WHERE user_hash = ? ORDER BY jti",
                (row["user_hash"],),
            )
            return UserGone(user, tuple((jti, exp) for jti, exp in tokens.fetchall()), row["at"])
        case "token_revoked":
            return TokenRevoked(
                row["user_id"], row["role"], row["device_id"], row["jti"], row["ends_at"] // 1000
            )
        case "guest_pass":
            return GuestInvited(row["user_id"], guest_pass(row, "ends_at"))
        case _:
            return None  # of a newer program; what it means is not known here
