"""Tokens as rows: issuing, refreshing and taking back, invitations for guests.

Every function runs inside its caller's write transaction. Rows hold a token's `jti`, never
the token; an invitation's code is kept as its SHA-256.
"""

import hashlib
import secrets
import sqlite3
from dataclasses import dataclass, field

from soul_coordinator.accounts_errors import (
    BadRequest,
    NoSuchToken,
    NoSuchUser,
    Refused,
    TooManyInvitations,
)
from soul_coordinator.adapters.sqlite_changes import GuestInvited, TokenRevoked, record_change
from soul_coordinator.adapters.sqlite_save import device_hash, user_hash
from soul_coordinator.adapters.sqlite_upkeep import REFRESH_WITHIN
from soul_coordinator.core.records import GuestPass
from soul_coordinator.core.values import Instant
from soul_coordinator.tokens import BadToken, IssuedToken, TokenSigner, new_claims
from soul_protocol.roles import Role, Scope
from soul_protocol.tokens import SERVICE_USER, TokenClaims
from soul_protocol.topics import is_device

_REFRESHED_TTL = 3600
"""The shortest life of a refreshed token, in seconds: a refresh that ends at once helps nobody."""

_TOKENS_PER_USER = 10_000
"""How many token rows one user's clients may make through login and refresh; as many more its guests."""

_TOKENS_PER_GUEST = 100
"""How many of them one guest's device may have."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """A guest's one-time code, and when it and the token made from it end (ms)."""

    user: str
    code: str = field(repr=False)
    scope: frozenset[Scope]
    expires_at: Instant


def issue(
    connection: sqlite3.Connection,
    signer: TokenSigner,
    user: str,
    role: Role,
    *,
    now: Instant,
    exp: int,
    device: str | None = None,
    scope: frozenset[Scope] = frozenset(),
    until: Instant | None = None,
    auth_time: float | None = None,
    family: str | None = None,
) -> IssuedToken:
    """Make and record a token that ends at `exp` (s), of an invitation that ends at `until` (ms).

    `auth_time` (s) is that of the token which it replaces, `family` the `jti` with which its line began.

    Raises:
        NoSuchUser: there is no such account.
        BadRequest: these claims do not go together.
    """
    if device is not None and not is_device(device):
        raise BadRequest("A device is a UUID in lower case.")
    if scope and role is not Role.GUEST:
        raise BadRequest("Only guests have a scope.")
    if (role is Role.SERVICE) != (user == SERVICE_USER):
        raise BadRequest(f"The role service is {SERVICE_USER}'s, and {SERVICE_USER} has no other.")
    if role is not Role.SERVICE:
        _require_user(connection, user)
    if role is Role.GUEST:
        if device is None:
            raise BadRequest("A guest's token names its device.")
        _require_free(connection, user, device)
    claims = new_claims(user, role, now=now / 1000, exp=exp, device=device, scope=scope, auth_time=auth_time)
    issued = signer.sign(claims)
    _insert(connection, issued.claims, until, family)
    if role is Role.GUEST and device is not None:
        guest = GuestPass(device, frozenset(scope), exp * 1000)
        record_change(connection, GuestInvited(user, guest), now)
    return issued


def authenticate(
    connection: sqlite3.Connection, signer: TokenSigner, token: str, *, now: Instant
) -> TokenClaims:
    """What a token claims that counts at this moment.

    Raises:
        Refused: it is none of ours, has expired or was taken back, or its device was deleted.
    """
    claims = _known(connection, signer, token)
    if now >= claims.exp * 1000:
        raise Refused("This token has expired.")
    return claims


def stands(connection: sqlite3.Connection, user: str, jti: str) -> bool:
    """Whether a user's token was not taken back; its row goes with its device, and with the user."""
    found = connection.execute(
        "SELECT 1 FROM tokens WHERE jti = ? AND user_id = ? AND revoked_at IS NULL", (jti, user)
    )
    return found.fetchone() is not None


def refresh(connection: sqlite3.Connection, signer: TokenSigner, token: str, *, now: Instant) -> IssuedToken:
    """A new token in place of one that is unrevoked and expired less than 30 days ago.

    It lives as long as the old one did, but an hour at least, and never past the end of the
    invitation that the old one came from. The old one stays good: its answer may get lost.

    Raises:
        Refused: the token does not count, or its device was deleted.
    """
    old = _known(connection, signer, token)
    until: Instant | None
    until, family = connection.execute(
        "SELECT until, ifnull(family, jti) FROM tokens WHERE jti = ?", (old.jti,)
    ).fetchone()
    if now >= old.exp * 1000 + REFRESH_WITHIN:
        raise Refused("This token expired too long ago.")
    if until is not None and now >= until:
        raise Refused("The invitation has ended.")
    require_room(connection, old.sub, now, guest=old.device if old.role is Role.GUEST else None)
    exp = now // 1000 + max(old.exp - int(old.iat), _REFRESHED_TTL)
    if until is not None:
        exp = min(exp, until // 1000)
    return issue(
        connection,
        signer,
        old.sub,
        old.role,
        now=now,
        exp=exp,
        device=old.device,
        scope=old.scope,
        until=until,
        auth_time=old.proved_at,
        family=family,
    )


def revoke(connection: sqlite3.Connection, signer: TokenSigner, given: str, *, now: Instant) -> TokenRevoked:
    """Take back a token, named by its `jti` or given itself; doing it twice does no harm.

    The whole line ends with it: what it was refreshed from, and what was refreshed from that
    (RFC 9700, 4.14.2). Otherwise whoever stole it would have refreshed it in time.

    Raises:
        NoSuchToken: it is neither.
    """
    row = connection.execute(
        "SELECT user_id, role, device_id, jti, expires_at / 1000 FROM tokens WHERE jti = ?", (given,)
    ).fetchone()
    if row is None:
        try:
            claims = signer.read(given)
        except BadToken:
            raise NoSuchToken("No token with this id was issued here.") from None
        row = (claims.sub, claims.role.value, claims.device, claims.jti, claims.exp)
    change = _revoked(row)
    line = connection.execute(
        "SELECT user_id, role, device_id, jti, expires_at / 1000 FROM tokens"
        " WHERE ifnull(family, jti) = (SELECT ifnull(family, jti) FROM tokens WHERE jti = :jti)"
        " AND jti != :jti AND revoked_at IS NULL ORDER BY issued_at, rowid",
        {"jti": change.jti},
    ).fetchall()
    for one in (change, *map(_revoked, line)):
        connection.execute(
            "UPDATE tokens SET revoked_at = ? WHERE jti = ? AND revoked_at IS NULL", (now, one.jti)
        )
        if one is change or one.exp * 1000 > now:
            _tombstone(connection, one)
            record_change(connection, one, now)
    return change


def invite(
    connection: sqlite3.Connection,
    user: str,
    scope: frozenset[Scope],
    *,
    now: Instant,
    ttl: int,
    most: int | None = None,
) -> Invitation:
    """A one-time code for a guest; it, and the guest's token, end after `ttl` seconds.

    Raises:
        NoSuchUser: there is no such account.
        TooManyInvitations: the user has `most` open ones.
    """
    _require_user(connection, user)
    if most is not None:
        (count,) = connection.execute(
            "SELECT count(*) FROM invitations WHERE user_id = ? AND used_at IS NULL AND expires_at > ?",
            (user, now),
        ).fetchone()
        if count >= most:
            raise TooManyInvitations(f"There are {count} open invitations; use one of them, or wait.")
    invitation = Invitation(user, secrets.token_urlsafe(16), scope, (now // 1000 + ttl) * 1000)
    connection.execute(
        "INSERT INTO invitations (code_hash, user_id, scope, created_at, expires_at) VALUES (?, ?, ?, ?, ?)",
        (_code_hash(invitation.code), user, _words(scope), now, invitation.expires_at),
    )
    return invitation


def redeem(
    connection: sqlite3.Connection, signer: TokenSigner, code: str, device: str, *, now: Instant
) -> IssuedToken:
    """A guest's token for a code that nobody used before.

    Raises:
        Refused: the code is unknown, used or over, or there are too many tokens of guests.
        BadRequest: the device id cannot be this guest's.
    """
    row = connection.execute(
        "UPDATE invitations SET used_at = ? WHERE code_hash = ? AND used_at IS NULL AND expires_at > ?"
        " RETURNING user_id, scope, expires_at",
        (now, _code_hash(code), now),
    ).fetchone()
    if row is None:
        raise Refused("This invitation was used already, or has ended.")
    user, scope, until = row
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
    )


def revoke_all(connection: sqlite3.Connection, user: str, *, now: Instant) -> None:
    """Refuse every token of a user who is being removed, for as long as each would have lived."""
    connection.execute(
        "INSERT OR IGNORE INTO revoked_tokens (jti, user_hash, expires_at)"
        " SELECT jti, ?, expires_at FROM tokens WHERE user_id = ? AND expires_at > ?",
        (user_hash(user), user, now),
    )


def require_room(
    connection: sqlite3.Connection, user: str, now: Instant, *, guest: str | None = None
) -> None:
    """Whether one more token may be recorded for what a client asks; old ones make room.

    `guest`: the device of the guest whom it is for. What guests make leaves the user's own room as it is.

    Raises:
        Refused: too many that have not expired.
    """
    if _is_full(connection, user, guest):
        connection.execute("DELETE FROM tokens WHERE user_id = ? AND expires_at <= ?", (user, now))
        if _is_full(connection, user, guest):
            raise Refused("Too many tokens were made for this user.")


def _is_full(connection: sqlite3.Connection, user: str, guest: str | None) -> bool:
    (all_of_them, of_this_guest) = connection.execute(
        "SELECT count(*), count(*) FILTER (WHERE device_id = ?) FROM tokens"
        " WHERE user_id = ? AND (role = 'guest') = ?",
        (guest, user, guest is not None),
    ).fetchone()
    return all_of_them >= _TOKENS_PER_USER or (guest is not None and of_this_guest >= _TOKENS_PER_GUEST)


def _known(connection: sqlite3.Connection, signer: TokenSigner, token: str) -> TokenClaims:
    """The claims of a token that was made here and not taken back, whether or not it has expired."""
    try:
        claims = signer.read(token)
    except BadToken as error:
        raise Refused(f"No: {error}.") from None
    row = connection.execute(
        "SELECT revoked_at FROM tokens WHERE jti = ? AND user_id = ?", (claims.jti, claims.sub)
    ).fetchone()
    if row is None or row[0] is not None:
        raise Refused("This token was taken back.")
    if claims.device is not None and _deleted_since(connection, claims.sub, claims.device, claims.proved_at):
        raise Refused("This device was deleted.")
    return claims


def _revoked(row: tuple[str | None, str, str | None, str, int]) -> TokenRevoked:
    user, role, device, jti, exp = row
    return TokenRevoked(user or SERVICE_USER, role, device, jti, exp)


def _insert(
    connection: sqlite3.Connection, claims: TokenClaims, until: Instant | None, family: str | None
) -> None:
    connection.execute(
        "INSERT INTO tokens (jti, user_id, role, device_id, scope, issued_at, expires_at, until, family)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(claims.jti, None if claims.role is Role.SERVICE else claims.sub, claims.role.value),
            *(claims.device, _words(claims.scope), round(claims.iat * 1000), claims.exp * 1000),
            *(until, family),
        ),
    )


def _tombstone(connection: sqlite3.Connection, change: TokenRevoked) -> None:
    connection.execute(
        "INSERT OR IGNORE INTO revoked_tokens (jti, user_hash, expires_at) VALUES (?, ?, ?)",
        (change.jti, user_hash(change.user), change.exp * 1000),
    )


def _require_user(connection: sqlite3.Connection, user: str) -> None:
    if connection.execute("SELECT 1 FROM users WHERE id = ?", (user,)).fetchone() is None:
        raise NoSuchUser(user)


def _require_free(connection: sqlite3.Connection, user: str, device: str) -> None:
    # A guest that borrowed the id of one of the user's own devices could pass for it in lists.
    row = connection.execute(
        "SELECT 1 FROM user_devices WHERE user_id = ? AND device_id = ? AND node = 'device'", (user, device)
    ).fetchone()
    if row is not None:
        raise BadRequest("This device id belongs to one of the user's own devices.")


def _deleted_since(connection: sqlite3.Connection, user: str, device: str, proved_at: float) -> bool:
    row = connection.execute(
        "SELECT at FROM deleted_devices WHERE hash = ?", (device_hash(user, device),)
    ).fetchone()
    return row is not None and row[0] >= round(proved_at * 1000)


def _words(scope: frozenset[Scope]) -> str:
    return " ".join(sorted(scope))


def _code_hash(code: str) -> bytes:
    # 128 random bits need no salt; what cannot be encoded cannot be a code.
    return hashlib.sha256(code.encode("utf-8", "replace")).digest()
