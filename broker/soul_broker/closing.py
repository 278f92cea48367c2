"""`soul/v1/broker/close`: the coordinator ends connections and withdraws tokens."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import structlog

from soul_protocol.codec import decode_close
from soul_protocol.down import Close, Refuse
from soul_protocol.errors import ContractError

if TYPE_CHECKING:
    from soul_broker.connection import Connection
    from soul_broker.hub import Hub

DELETED: Final = "deleted"
WHOEVER: Final = "-"
"""Who holds a token of a user who was removed while nobody looked: the name is not kept."""

log = structlog.get_logger("soul_broker")


def close_matching(hub: "Hub", payload: bytes) -> None:
    """Close every connection that the message names, and remember what it withdraws.

    A `jti` is refused until its `exp`: the message's, else that of a live connection with this
    token, else as long as a token may live. Without `jti`, the reason `deleted` refuses
    what was issued to the user, or to the named device, up to the message's `at`, else to now.
    Wills of the closed connections are published, so that the coordinator learns of it.
    """
    if not payload:
        return
    try:
        close = decode_close(payload)
    except ContractError as error:
        log.warning("broker/close not understood", error=str(error))
        return
    if isinstance(close, Refuse):
        _refuse(hub, close)
        return
    matching = [
        connection
        for connection in _connections(hub, close)
        if (close.jti is None or (connection.token is not None and connection.token.jti == close.jti))
        and (close.device is None or _device(connection) == close.device)
    ]
    revocations = hub.verifier.revocations if hub.verifier is not None else None
    if revocations is not None:
        if close.jti is not None:
            known = [connection.token.exp for connection in matching if connection.token is not None]
            revocations.revoke(close.jti, close.exp or max(known, default=None))
        elif close.reason == DELETED:
            hub.admissions.forget(close.user, close.device)
            revocations.delete(close.user, close.device, close.at)
        if not revocations.saved:
            hub.outbox.save_first(revocations.save)
    for connection in matching:
        connection.end(f"closed: {close.reason}")
    log.info("broker/close", user=close.user, device=close.device, reason=close.reason, closed=len(matching))


def _refuse(hub: "Hub", refuse: Refuse) -> None:
    """A device was deleted: it may be back with a newer token, whose connection stays."""
    if hub.verifier is None:
        return
    revocations = hub.verifier.revocations
    revocations.delete_hashed(refuse.user, refuse.device_hash, refuse.at)
    if revocations.saved:
        return
    hub.outbox.save_first(revocations.save)
    for connection in tuple(hub.registry.users.get(refuse.user, ())):
        session, token = connection.session, connection.token
        if session and token and revocations.refuses(token, session.key.client_id):
            connection.end("closed: deleted")


def _device(connection: "Connection") -> str | None:
    """The device that a connection is bound to."""
    session, token = connection.session, connection.token
    return token.identity(session.key.client_id).device if session and token else None


def _connections(hub: "Hub", close: Close) -> Iterable["Connection"]:
    users = hub.registry.users
    if close.jti is None or close.user != WHOEVER:
        return users.get(close.user, ())
    return (connection for held in tuple(users.values()) for connection in held)
