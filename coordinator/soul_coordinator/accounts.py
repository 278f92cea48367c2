"""Accounts: who may have music here, their passwords, and the tokens they get.

The command line and the HTTP API use this, with or without a coordinator running beside
them; what the coordinator must know, it finds in `account_events`. Every call opens a
connection of its own, so any thread may call; argon2 takes some 50 ms of it.
"""

import base64
import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from soul_coordinator import accounts_invitations, accounts_lines
from soul_coordinator import accounts_tokens as rows
from soul_coordinator.accounts_errors import BadRequest, NoSuchUser, Refused, UserExists
from soul_coordinator.accounts_invitations import Invitation
from soul_coordinator.adapters.sqlite import wall_clock
from soul_coordinator.adapters.sqlite_changes import TokenRevoked, UserAdded, UserGone, record_change
from soul_coordinator.adapters.sqlite_connection import (
    DATABASE,
    connect,
    mark_for_scrub,
    reading,
    scrub,
    transaction,
)
from soul_coordinator.adapters.sqlite_migrations import migrate
from soul_coordinator.adapters.sqlite_save import user_hash
from soul_coordinator.core.values import Instant
from soul_coordinator.tokens import IssuedToken, TokenSigner
from soul_protocol.roles import Role, Scope
from soul_protocol.tokens import TokenClaims
from soul_protocol.topics import is_user

LOGIN_TTL: Final = 30 * 24 * 3600
"""How long a token from a login lives, in seconds."""

PASSWORD_BYTES: Final = 1_024

_NOT_A_USER: Final = frozenset({"revoke"})
"""`soul-connect token revoke ...` could not be told from a token for this user."""


@dataclass(frozen=True, slots=True)
class AccountSummary:
    """An account as `user list` shows it; `tokens` are those that work at the moment."""

    name: str
    created_at: Instant
    has_password: bool
    devices: int
    tokens: int


class Accounts:
    """Accounts and tokens in a database.

    Args:
        database: the file; made, with its tables, if it is missing.
        signer: signs the tokens.
        hasher: argon2's cost; the library's recommendation if None.
        clock: the present, in ms since the Unix epoch.

    Raises:
        StoreError: every method, when the database fails.
    """

    def __init__(
        self,
        database: Path,
        signer: TokenSigner,
        *,
        hasher: PasswordHasher | None = None,
        clock: Callable[[], Instant] = wall_clock,
    ) -> None:
        self._database = database
        self._signer = signer
        self._hasher = hasher or PasswordHasher()
        self._nobody = _hash_of_nobody(self._hasher)
        self._clock = clock
        with self._connection() as connection:
            migrate(connection)

    @classmethod
    def of_data_dir(cls, data_dir: Path) -> "Accounts":
        """Of a data directory; it, its key and its database are made if they are missing.

        Raises:
            DataDirectoryError: they cannot be made or read.
            StoreError: the database cannot be opened.
        """
        signer = TokenSigner.of_data_dir(data_dir)
        return cls(data_dir / DATABASE, signer)

    # Users

    def add(self, name: str, password: str | None = None) -> None:
        """Make an account; without a password it has tokens, but cannot log in to the page.

        Raises:
            BadRequest: the name or the password cannot be.
            UserExists: the name is taken.
        """
        if not is_user(name) or name in _NOT_A_USER:
            raise BadRequest(
                "A user's name is 1 to 64 of the letters A-Z and a-z, digits, _ and -,"
                " and not broker, coordinator or revoke."
            )
        hashed = None if password is None else self._hash(password)
        now = self._clock()
        with self._writing() as connection:
            cursor = connection.execute(
                "INSERT INTO users (id, password_hash, created_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                (name, hashed, now),
            )
            if cursor.rowcount != 1:
                raise UserExists(f"There is a user {name!r} already.")
            record_change(connection, UserAdded(name), now)

    def set_password(self, name: str, password: str) -> None:
        """Replace an account's password. Tokens stay as they are.

        Raises:
            BadRequest: the password cannot be.
            NoSuchUser: there is no such account.
        """
        hashed = self._hash(password)
        with self._writing() as connection:
            cursor = connection.execute("UPDATE users SET password_hash = ? WHERE id = ?", (hashed, name))
            if cursor.rowcount != 1:
                raise NoSuchUser(name)

    def remove(self, name: str) -> None:
        """Remove an account and every byte that was kept of it; its tokens are refused from now on.

        Raises:
            NoSuchUser: there is no such account.
        """
        now = self._clock()
        with self._connection() as connection:
            with transaction(connection):
                accounts_lines.revoke_all(connection, name, now=now)
                # What belongs to the user goes along (ON DELETE CASCADE).
                if connection.execute("DELETE FROM users WHERE id = ?", (name,)).rowcount != 1:
                    raise NoSuchUser(name)
                connection.execute("DELETE FROM account_events WHERE user_id = ?", (name,))
                connection.execute(
                    "INSERT OR REPLACE INTO removed_users (hash, at) VALUES (?, ?)", (user_hash(name), now)
                )
                record_change(connection, UserGone(name, (), now), now)
                mark_for_scrub(connection)
            # Where a reader is in the way, a running coordinator does it a moment later.
            scrub(connection)

    def users(self) -> tuple[AccountSummary, ...]:
        """Every account, by name."""
        with self._connection() as connection, reading(connection):
            found = connection.execute(
                "SELECT id, created_at, password_hash IS NOT NULL,"
                " (SELECT count(*) FROM user_devices WHERE user_id = users.id AND node = 'device'),"
                " (SELECT count(*) FROM tokens"
                "  WHERE user_id = users.id AND revoked_at IS NULL AND expires_at > ?)"
                " FROM users ORDER BY id",
                (self._clock(),),
            ).fetchall()
        return tuple(
            AccountSummary(name, created_at, bool(has_password), devices, tokens)
            for name, created_at, has_password, devices, tokens in found
        )

    def verify(self, name: str, password: str) -> bool:
        """Whether this is the account's password; as slow where there is no such account."""
        hashed: str | None = None
        if is_user(name):
            with self._connection() as connection, reading(connection):
                row = connection.execute("SELECT password_hash FROM users WHERE id = ?", (name,)).fetchone()
            hashed = row[0] if row else None
        try:
            given = password.encode()
        except UnicodeEncodeError:
            return False
        if len(given) > PASSWORD_BYTES:
            return False
        try:
            self._hasher.verify(hashed or self._nobody, given)
        except (VerificationError, InvalidHashError):
            return False
        return hashed is not None

    # Tokens

    def login(
        self, name: str, password: str, device: str | None = None, *, ttl: int = LOGIN_TTL
    ) -> IssuedToken:
        """A device's token for a password; `ttl` in seconds.

        Raises:
            Refused: user and password do not belong together.
            BadRequest: the device id is none.
        """
        if not self.verify(name, password):
            raise Refused("User and password do not belong together.")
        now = self._clock()
        with self._writing() as connection:
            rows.require_room(connection, name, now)
            return rows.issue(
                connection, self._signer, name, Role.DEVICE, now=now, exp=now // 1000 + ttl, device=device
            )

    def issue(
        self,
        name: str,
        role: Role = Role.DEVICE,
        *,
        device: str | None = None,
        scope: frozenset[Scope] = frozenset(),
        ttl: int = LOGIN_TTL,
    ) -> IssuedToken:
        """A token, as the operator wishes; `ttl` in seconds. A service's name is `coordinator`.

        What a guest or an observer gets ends after `ttl`, however often it is refreshed.

        Raises:
            NoSuchUser: there is no such account.
            BadRequest: these do not go together.
        """
        now = self._clock()
        exp = now // 1000 + ttl
        until = exp * 1000 if role in {Role.GUEST, Role.OBSERVER} else None
        with self._writing() as connection:
            return rows.issue(
                *(connection, self._signer, name, role),
                now=now,
                exp=exp,
                device=device,
                scope=scope,
                until=until,
            )

    def refresh(self, token: str) -> IssuedToken:
        """A new token in place of an old one (`accounts_tokens.refresh`).

        Raises:
            Refused: the old one does not count.
        """
        with self._writing() as connection:
            return rows.refresh(connection, self._signer, token, now=self._clock())

    def authenticate(self, token: str) -> TokenClaims:
        """What a token claims that counts at this moment.

        Raises:
            Refused: it does not.
        """
        with self._connection() as connection, reading(connection):
            return rows.authenticate(connection, self._signer, token, now=self._clock())

    def stands(self, name: str, jti: str) -> bool:
        """Whether this token of a user's was not taken back, however long ago it expired."""
        with self._connection() as connection, reading(connection):
            return rows.stands(connection, name, jti)

    def revoke(self, given: str) -> TokenRevoked:
        """Take back a token, named by its `jti` or given itself, with all that came of it.

        That is its line (`accounts_lines`), its open invitations, and the guests who came by them.

        Raises:
            NoSuchToken: it is neither.
        """
        now = self._clock()
        with self._writing() as connection:
            change = accounts_lines.revoke(connection, self._signer, given, now=now)
            accounts_lines.revoke_guests(connection, change.jti, now=now)
        return change

    def log_out(self, token: str) -> TokenRevoked:
        """End a token's line, of one that could be refreshed too. The guests of its holder stay.

        Raises:
            Refused: it is none of ours, or was taken back already.
        """
        with self._writing() as connection:
            claims = rows.known(connection, self._signer, token)
            return accounts_lines.revoke(connection, self._signer, claims.jti, now=self._clock())

    def invite(
        self,
        name: str,
        scope: frozenset[Scope],
        *,
        ttl: int,
        most: int | None = None,
        by: str | None = None,
    ) -> Invitation:
        """A one-time code for a guest; it and the guest's token end after `ttl` seconds.

        `by` is the `jti` of whose holder invites; None: the operator.

        Raises:
            NoSuchUser: there is no such account.
            Refused: `by` was taken back.
            TooManyInvitations: the user has `most` open ones.
        """
        with self._writing() as connection:
            if by is not None and not rows.stands(connection, name, by):
                raise Refused("This token was taken back.")  # while its holder took its time
            inviter = None if by is None else accounts_lines.family_of(connection, by)
            return accounts_invitations.invite(
                connection, name, scope, now=self._clock(), ttl=ttl, most=most, inviter=inviter
            )

    def redeem(self, code: str, device: str) -> IssuedToken:
        """A guest's token for a code.

        Raises:
            Refused: the code is unknown, used or over.
            BadRequest: the device id is none, or another's.
        """
        with self._writing() as connection:
            return accounts_invitations.redeem(connection, self._signer, code, device, now=self._clock())

    @contextlib.contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(connect(self._database)) as connection:
            yield connection

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._connection() as connection, transaction(connection):
            yield connection

    def _hash(self, password: str) -> str:
        try:
            given = password.encode()
        except UnicodeEncodeError:
            given = b""
        if not 0 < len(given) <= PASSWORD_BYTES:
            raise BadRequest(f"A password has 1 to {PASSWORD_BYTES} bytes.")
        return self._hasher.hash(given)


def _hash_of_nobody(hasher: PasswordHasher) -> str:
    """A hash that no password has, and that takes as long to compare with."""
    salt, digest = (
        base64.b64encode(bytes(length)).decode().rstrip("=") for length in (hasher.salt_len, hasher.hash_len)
    )
    cost = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2{hasher.type.name.lower()}$v=19${cost}${salt}${digest}"
