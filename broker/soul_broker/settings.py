"""The broker's settings: limits, lifetimes and where it keeps its files."""

from dataclasses import dataclass
from pathlib import Path

from soul_broker.session import SessionBounds
from soul_protocol.limits import (
    FLOOD_MESSAGES_PER_SECOND,
    FLOOD_SECONDS,
    PACKET_BYTES,
    PACKET_BYTES_BEFORE_AUTHENTICATION,
)

_MEBIBYTE = 1024 * 1024

_SESSION = SessionBounds(
    inflight=64, inflight_bytes=_MEBIBYTE, queue=1_000, queue_bytes=4 * _MEBIBYTE, received=1_024
)
_SERVICE_SESSION = SessionBounds(
    inflight=1_024,
    inflight_bytes=16 * _MEBIBYTE,
    queue=100_000,
    queue_bytes=64 * _MEBIBYTE,
    received=16_384,
)


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """How much of everything there may be. Sizes in bytes, times in seconds.

    Nothing - queue, cache, buffer - grows without bound with what one client sends or
    fails to read; these are the bounds. Service connections (the coordinator) have
    their own, and are exempt from the flood and subscription limits.
    """

    data_dir: Path | None = None
    """Where `revocations.json` is kept; None keeps revocations in memory only."""

    allowed_origins: frozenset[str] = frozenset()
    """Origins of web pages that may open a WebSocket beside the same host's,
    as `https://host[:port]`."""
    trusted_proxies: frozenset[str] = frozenset()
    """Addresses and networks whose X-Forwarded-Host and X-Forwarded-For are believed."""

    client_certificates_required: bool = False
    """Whether a TLS listener with authorities for client certificates (`cafile`) refuses who has none."""

    packet_bytes: int = PACKET_BYTES
    packet_bytes_before_authentication: int = PACKET_BYTES_BEFORE_AUTHENTICATION
    connect_deadline: float = 10.0
    """From the first byte's possibility to a whole CONNECT, TLS and HTTP included."""
    closing_deadline: float = 2.0
    """How long a closed connection may take to read its last bytes."""

    connections: int = 20_000
    """Open connections in all; and for how many clients a verified token is remembered, 1 KB each."""
    connections_per_address: int = 2_000
    """Of one IPv4 address or IPv6 /64, while they are not authenticated; 0 for no limit. Services and
    everybody else who is authenticated count no longer."""
    refusal_delay: float = 0.5
    """How long a refused CONNECT waits for its answer at most, where the same user name has been refused
    to the same address often within a minute; 0 for no delay. Who is admitted never waits."""
    connections_per_user: int = 64
    """In each role; a service has no such limit."""
    sessions_per_user: int = 128
    """Sessions kept for clients that are away; past it the oldest is forgotten."""
    sessions_bytes_of_user: int = 64 * _MEBIBYTE
    """What waits in them all together: each could hold its bounds of something else."""
    session_expiry: float = 24 * 3_600.0
    """How long the session of a client that is away is kept. amqtt's
    `session_expiry_interval`, where configured, goes before it."""
    subscriptions: int = 100
    """For each connection."""

    flood_messages: int = FLOOD_MESSAGES_PER_SECOND * FLOOD_SECONDS
    flood_bytes: int = 128 * _MEBIBYTE
    """The contract's own limits allow 51 MB at once: 100 commands of 512 KiB."""
    flood_seconds: float = FLOOD_SECONDS
    """Who sends more than `flood_messages` or `flood_bytes` within these is cut off."""

    retained_messages: int = 100_000
    retained_bytes: int = 256 * _MEBIBYTE

    write_soft: int = 256 * 1024
    """What waits for a slow reader before QoS 0 messages are dropped, the oldest first."""
    write_hard: int = 4 * _MEBIBYTE
    """Past this a slow reader is disconnected."""
    service_write_soft: int = 32 * _MEBIBYTE
    service_write_hard: int = 64 * _MEBIBYTE

    session: SessionBounds = _SESSION
    service_session: SessionBounds = _SERVICE_SESSION

    sys_interval: float = 10.0
    """Between two publications of `$SYS/broker/#`; 0 for none."""

    def write_bounds(self, *, service: bool) -> tuple[int, int]:
        """The soft and the hard bound of what waits for a client to read it."""
        if service:
            return self.service_write_soft, self.service_write_hard
        return self.write_soft, self.write_hard

    def write_at_once(self, *, service: bool) -> int:
        """How much is given to a link before it is seen whether it takes more."""
        return self.service_write_soft if service else self.write_soft
