"""Invitations for guests, as rows: a code that is used once. Runs inside its caller's write transaction.

The code is kept as its SHA-256.
"""

import hashlib
import secrets
import sqlite3
from dataclasses import dataclass, field

from soul_coordinator.accounts_errors import Refused, TooManyInvitations
from soul_coordinator.accounts_tokens import issue, require_room, require_user, words
from soul_coordinator.core.values import Instant
from soul_coordinator.tokens import IssuedToken, TokenSigner
from soul_protocol.roles import Role, Scope


@dataclass(frozen=True, slots=True)
class Invitation:
    """A guest's one-time code, and when it and the token made from it end (ms)."""

    user: str
    code: str = field(repr=False)
    scope: frozenset[Scope]
    expires_at: Instant


def invite(
    connection: sqlite3.Connection,
    user: str,
    scope: frozenset[Scope],
    *,
    now: Instant,
    ttl: int,
    most: int | None = None,
    inviter: str | None = None,
) -> Invitation:
    """A one-time code for a guest; it, and the guest's token, end after `ttl` seconds.

    Raises:
        NoSuchUser: there is no such account.
        TooManyInvitations: the user has `most` open ones.
    """
    require_user(connection, user)
    if most is not None:
        (count,) = connection.execute(
            "SELECT count(*) FROM invitations WHERE user_id = ? AND used_at IS NULL AND expires_at > ?",
            (user, now),
        ).fetchone()
        if count >= most:
            raise TooManyInvitations(f"There are {count} open invitations; use one of them, or wait.")
    invitation = Invitation(user, secrets.token_urlsafe(16), scope, (now // 1000 + ttl) * 1000)
    connection.execute(
        "INSERT INTO invitations (code_hash, user_id, scope, created_at, expires_at, inviter)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (_code_hash(invitation.code), user, words(scope), now, invitation.expires_at, inviter),
    )
    return invitation


def redeem(
    connection: sqlite3.Connection, signer: TokenSigner, code: str, device: str, *, now: Instant
) -> IssuedToken:
    """A guest's token for a code that nobody used before. It ends what admitted this device until now.

    Raises:
        Refused: the code is unknown, used or over, or there are too many tokens of guests.
        BadRequest: the device id cannot be this guest's.
    """
    row = connection.execute(
        "UPDATE invitations SET used_at = ? WHERE code_hash = ? AND used_at IS NULL AND expires_at > ?"
        " RETURNING user_id, scope, expires_at, inviter",
        (now, _code_hash(code), now),
    ).fetchone()
    if row is None:
        raise Refused("This invitation was used already, or has ended.")
    user, scope, until, inviter = row
    require_room(connection, user, now, guest=device)
    return issue(
        connection,
        signer,
        user,
        Role.GUEST,
        now=now,
        exp=until // 1000,
        device=device,
        scope=frozenset(Scope(word) for word in scope.split()),
        until=until,
        inviter=inviter,
    )


def _code_hash(code: str) -> bytes:
    # 128 random bits need no salt; what cannot be encoded cannot be a code.
    return hashlib.sha256(code.encode("utf-8", "replace")).digest()
