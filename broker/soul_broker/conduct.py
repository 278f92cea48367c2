"""What is counted against a client, and what the log says of it: never a token."""

import re
from typing import TYPE_CHECKING, Final

import structlog

from soul_broker.admission import Refusal
from soul_broker.packets import NOT_AUTHORIZED, Connect, connack

if TYPE_CHECKING:
    from soul_broker.connection import Connection
    from soul_broker.endpoint import Endpoint
    from soul_broker.hub import Hub

_LOG_REFUSALS_EVERY: Final = 60.0
_USER: Final = re.compile("[A-Za-z0-9_-]{1,64}")

log = structlog.get_logger("soul_broker")


def floods(connection: "Connection", work: int = 1) -> bool:
    """Count a packet that costs us work; True where it was one too many and the connection is closed.

    `work`: for how many it counts, as many filters in one packet do.

    A flood is more than `flood_messages` or `flood_bytes` within `flood_seconds`. Services are exempt.
    """
    connection.flood_count += work
    if connection.flood_count <= connection.hub.settings.flood_messages:
        return False
    return _over(connection, "flood of messages")


def floods_bytes(connection: "Connection") -> bool:
    """Likewise where there were more than `flood_bytes`, which are counted as they arrive."""
    return _over(connection, "flood of bytes")


def _over(connection: "Connection", reason: str) -> bool:
    hub = connection.hub
    now = hub.now()
    if connection.service or now - connection.flood_since >= hub.settings.flood_seconds:
        connection.flood_since = now
        connection.flood_count = connection.flood_bytes = 0
        return False
    hub.statistics.flooders_closed += 1
    connection.end(reason, abort=True)
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


def turn_away(hub: "Hub", endpoint: "Endpoint") -> None:
    """Count a socket that is one too many; log it at most once a minute."""
    hub.statistics.connections_refused += 1
    now = hub.now()
    if hub.turned_away_logged is None or now - hub.turned_away_logged >= _LOG_REFUSALS_EVERY:
        hub.turned_away_logged = now
        log.warning(
            "too many connections",
            peer=endpoint.peer,
            listener=endpoint.gate.name,
            open=hub.statistics.connections,
            refused=hub.statistics.connections_refused,
        )


def refuse(connection: "Connection", connect: Connect, refusal: Refusal) -> None:
    """A CONNECT is not admitted: say so, at once or after a moment where that happens often."""
    hub, name = connection.hub, connect.username or ""
    hub.statistics.connects_refused += 1
    # Only what can be a user name: a token may have been put in its place.
    connection.claimed = name if _USER.fullmatch(name) else None
    wait = 0.0
    if refusal.code == NOT_AUTHORIZED and connection.origin is not None:
        wait = hub.strangers.fail(connection.origin, name, hub.now())
    if wait:
        hub.statistics.refusals_held += 1
        connection.hold(refusal, hub.now() + wait)
    else:
        dismiss(connection, refusal)


def dismiss(connection: "Connection", refusal: Refusal) -> None:
    """Answer a CONNECT that is not admitted, and close."""
    connection.send_control(connack(refusal.code))
    connection.end(f"refused: {refusal.reason}")


def log_socket_end(endpoint: "Endpoint", reason: str) -> None:
    """The one line of a socket that never came to be an MQTT connection."""
    log.info("connection ended", reason=reason, peer=endpoint.peer, listener=endpoint.gate.name)


def log_end(connection: "Connection", reason: str) -> None:
    """The one line of a connection: who, from where, why it ended, for how long, how much.

    Of who was refused, `claimed` is the user name that it gave.
    """
    key = connection.session.key if connection.session else None
    claimed = {} if connection.claimed is None else {"claimed": connection.claimed}
    log.info(
        "connection ended",
        reason=reason,
        **claimed,
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
