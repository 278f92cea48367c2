"""Taking back tokens: a line ends as one, from the token with which it began to the newest.

Otherwise whoever stole a token would have refreshed it in time (RFC 9700, 4.14.2). Every function
runs inside its caller's write transaction.
"""

import sqlite3
from dataclasses import replace

from soul_coordinator.accounts_errors import NoSuchToken
from soul_coordinator.adapters.sqlite_changes import TokenRevoked, record_change
from soul_coordinator.adapters.sqlite_save import user_hash
from soul_coordinator.core.values import Instant
from soul_coordinator.tokens import BadToken, TokenSigner
from soul_protocol.roles import Role
from soul_protocol.tokens import SERVICE_USER


def revoke(connection: sqlite3.Connection, signer: TokenSigner, given: str, *, now: Instant) -> TokenRevoked:
    """Take back a token, named by its `jti` or given itself, with its line; twice does no harm.

    Raises:
        NoSuchToken: it is neither, or ended so long ago that its line is not known any more.
    """
    change = _recorded(connection, given) or _read(connection, signer, given, now)
    _end(connection, family_of(connection, change.jti), now, besides=change)
    return change


def revoke_guests(connection: sqlite3.Connection, jti: str, *, now: Instant) -> None:
    """Withdraw the invitations that a token's line gave, and end the guests who came by them."""
    family = family_of(connection, jti)
    connection.execute("DELETE FROM invitations WHERE inviter = ?", (family,))
    invited = connection.execute(
        "SELECT DISTINCT ifnull(family, jti) FROM tokens WHERE inviter = ? ORDER BY 1", (family,)
    )
    for (guest,) in invited.fetchall():
        _end(connection, guest, now)


def end_guest(connection: sqlite3.Connection, user: str, device: str, *, now: Instant) -> None:
    """End the line by which a guest's device is admitted, if there is one."""
    for (family,) in _guests(connection, user, device, now):
        _end(connection, family, now)


def revoke_all(connection: sqlite3.Connection, user: str, *, now: Instant) -> None:
    """Refuse every token of a user who is being removed, for as long as each would have lived."""
    connection.execute(
        "INSERT OR IGNORE INTO revoked_tokens (jti, user_hash, expires_at)"
        " SELECT jti, ?, expires_at FROM tokens WHERE user_id = ? AND expires_at > ?",
        (user_hash(user), user, now),
    )


def family_of(connection: sqlite3.Connection, jti: str) -> str:
    """The line of a token. The first of a line may be forgotten already, a month after its end."""
    row = connection.execute("SELECT ifnull(family, jti) FROM tokens WHERE jti = ?", (jti,)).fetchone()
    return jti if row is None else str(row[0])


def _guests(connection: sqlite3.Connection, user: str, device: str, now: Instant) -> list[tuple[str]]:
    return connection.execute(
        "SELECT DISTINCT ifnull(family, jti) FROM tokens WHERE user_id = ? AND device_id = ?"
        " AND role = 'guest' AND revoked_at IS NULL AND max(expires_at, ifnull(until, 0)) > ? ORDER BY 1",
        (user, device, now),
    ).fetchall()


def _recorded(connection: sqlite3.Connection, jti: str) -> TokenRevoked | None:
    row = connection.execute(
        "SELECT user_id, role, device_id, jti, expires_at / 1000 FROM tokens"
        " WHERE jti = :jti OR ifnull(family, jti) = :jti ORDER BY jti = :jti DESC, issued_at DESC LIMIT 1",
        {"jti": jti},
    ).fetchone()
    return None if row is None else _revoked(row)


def _read(connection: sqlite3.Connection, signer: TokenSigner, token: str, now: Instant) -> TokenRevoked:
    """Of the token itself. A service's has no row, nor one whose row went with its device or with time."""
    try:
        claims = signer.read(token)
    except BadToken:
        raise NoSuchToken("No token with this id was issued here.") from None
    if recorded := _recorded(connection, claims.jti):
        return recorded
    if claims.exp * 1000 <= now:
        raise NoSuchToken("This token ended long ago; take back one that was refreshed from it.")
    return TokenRevoked(claims.sub, claims.role.value, claims.device, claims.jti, claims.exp)


def _end(
    connection: sqlite3.Connection, family: str, now: Instant, *, besides: TokenRevoked | None = None
) -> None:
    """End a line, and tell of what has not expired; of `besides` in any case."""
    line = connection.execute(
        "SELECT user_id, role, device_id, jti, expires_at / 1000 FROM tokens"
        " WHERE ifnull(family, jti) = ? AND revoked_at IS NULL ORDER BY issued_at, rowid",
        (family,),
    ).fetchall()
    connection.execute(
        "UPDATE tokens SET revoked_at = ? WHERE ifnull(family, jti) = ? AND revoked_at IS NULL", (now, family)
    )
    ended = [change for change in map(_revoked, line) if change.exp * 1000 > now and change != besides]
    for change in ended if besides is None else [besides, *ended]:
        _tell(connection, change, now)


def _tell(connection: sqlite3.Connection, change: TokenRevoked, now: Instant) -> None:
    connection.execute(
        "INSERT OR IGNORE INTO revoked_tokens (jti, user_hash, expires_at) VALUES (?, ?, ?)",
        (change.jti, user_hash(change.user), change.exp * 1000),
    )
    guest = change.device if change.role == Role.GUEST else None
    # A guest is gone with its token, unless another admits it by now.
    if guest is not None and _guests(connection, change.user, guest, now):
        change = replace(change, device=None)
    record_change(connection, change, now)


def _revoked(row: tuple[str | None, str, str | None, str, int]) -> TokenRevoked:
    user, role, device, jti, exp = row
    return TokenRevoked(user or SERVICE_USER, role, device, jti, exp)
