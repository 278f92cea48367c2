"""What is counted against a client, and what the log says of it: never a token."""

from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from soul_broker.connection import Connection

_LOG_REFUSALS_EVERY: Final = 60.0

log = structlog.get_logger("soul_broker")


def floods(connection: "Connection") -> bool:
    """Count a packet that costs us work; True where it was one too many and the connection is closed.

    A flood is more than `flood_messages` within `flood_seconds`. Services are exempt.
    """
    connection.flood_count += 1
    hub = connection.hub
    if connection.flood_count <= hub.settings.flood_messages:
        return False
    now = hub.now()
    if connection.service or now - connection.flood_since >= hub.settings.flood_seconds:
        connection.flood_since = now
        connection.flood_count = 1
        return False
    hub.statistics.flooders_closed += 1
    connection.end("flood", abort=True)
    return True


def note_refusal(connection: "Connection", action: str, topic: str) -> None:
    """Count a refusal; log it at most once a minute for each connection."""
    connection.refusals += 1
    now = connection.hub.now()
    logged = connection.refusals_logged
    if logged is None or now - logged >= _LOG_REFUSALS_EVERY:
        connection.refusals_logged = now
        key = connection.session.key if connection.session else None
        log.warning(
            "refused",
            action=action,
            topic=topic,
            user=key.user if key else None,
            client_id=key.client_id if key else None,
            refusals=connection.refusals,
        )


def log_end(connection: "Connection", reason: str) -> None:
    """The one line of a connection: who, from where, why it ended, for how long, how much."""
    key = connection.session.key if connection.session else None
    log.info(
        "connection ended",
        reason=reason,
        user=key.user if key else None,
        role=key.role if key else None,
        client_id=key.client_id if key else None,
        peer=connection.peer,
        listener=connection.gate.name,
        seconds=round(connection.hub.now() - connection.since, 3),
        received=connection.received,
        sent=connection.sent,
        refused=connection.refusals,
    )
