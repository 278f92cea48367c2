"""Tokens as rows: issuing and refreshing. Every function runs inside its caller's transaction.

Rows hold a token's `jti`, never the token. A token and all that were refreshed from it are a
line, named by the `jti` with which it began; it ends as one (`accounts_lines`).
"""

import sqlite3

from soul_coordinator.accounts_errors import BadRequest, NoSuchUser, Refused
from soul_coordinator.accounts_lines import end_guest
from soul_coordinator.adapters.sqlite_changes import GuestInvited, record_change
from soul_coordinator.adapters.sqlite_save import device_hash
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
    inviter: str | None = None,
) -> IssuedToken:
    """Make and record a token that ends at `exp` (s), and none refreshed from it lives past `until` (ms).

    `auth_time` (s) is that of the token which it replaces, `family` the `jti` with which its line
    began, `inviter` that of the line which invited this guest. A guest's device has one line: what
    begins another ends the one before.

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
        require_user(connection, user)
    if role is Role.GUEST:
        if device is None:
            raise BadRequest("A guest's token names its device.")
        _require_free(connection, user, device)
        if family is None:
            end_guest(connection, user, device, now=now)
    claims = new_claims(user, role, now=now / 1000, exp=exp, device=device, scope=scope, auth_time=auth_time)
    issued = signer.sign(claims)
    _insert(connection, issued.claims, until, family, inviter)
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
    claims = known(connection, signer, token)
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

    It lives as long as the old one did, but an hour at least, and never past `until`: the end of an
    invitation, or of what an operator gave a guest or an observer. The old one stays good: its
    answer may get lost.

    Raises:
        Refused: the token does not count, or its device was deleted.
    """
    old = known(connection, signer, token)
    until: Instant | None
    until, family, inviter = connection.execute(
        "SELECT until, ifnull(family, jti), inviter FROM tokens WHERE jti = ?", (old.jti,)
    ).fetchone()
    if now >= old.exp * 1000 + REFRESH_WITHIN:
        raise Refused("This token expired too long ago.")
    if until is not None and now >= until:
        raise Refused("What this token was given for has ended.")
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
        inviter=inviter,
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


def known(connection: sqlite3.Connection, signer: TokenSigner, token: str) -> TokenClaims:
    """The claims of a token that was made here and not taken back, whether or not it has expired.

    Raises:
        Refused: it is none, or its device was deleted.
    """
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


def _insert(
    connection: sqlite3.Connection,
    claims: TokenClaims,
    until: Instant | None,
    family: str | None,
    inviter: str | None,
) -> None:
    connection.execute(
        "INSERT INTO tokens"
        " (jti, user_id, role, device_id, scope, issued_at, expires_at, until, family, inviter)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(claims.jti, None if claims.role is Role.SERVICE else claims.sub, claims.role.value),
            *(claims.device, words(claims.scope), round(claims.iat * 1000), claims.exp * 1000),
            *(until, family, inviter),
        ),
    )


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


def require_user(connection: sqlite3.Connection, user: str) -> None:
    """Raises `NoSuchUser` where there is no such account."""
    if connection.execute("SELECT 1 FROM users WHERE id = ?", (user,)).fetchone() is None:
        raise NoSuchUser(user)


def words(scope: frozenset[Scope]) -> str:
    """A scope as rows have it."""
    return " ".join(sorted(scope))
