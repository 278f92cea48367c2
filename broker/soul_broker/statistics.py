"""What the broker counts: for `$SYS/broker/#` (`soul_broker.sys_topics`) and for Prometheus."""

from collections.abc import Iterator

PREFIX = "soul_broker_"


class Statistics:
    """Counters since the start, and a few present numbers. Bytes are of MQTT packets."""

    __slots__ = (
        "bytes_received",
        "bytes_sent",
        "clients_connected",
        "clients_maximum",
        "clients_total",
        "connections",
        "connections_refused",
        "connects_refused",
        "flooders_closed",
        "malformed_closed",
        "messages_received",
        "messages_sent",
        "publish_bytes_received",
        "publish_bytes_sent",
        "publish_dropped",
        "publish_received",
        "publish_refused",
        "publish_sent",
        "refusals_held",
        "retained_bytes",
        "retained_count",
        "sessions",
        "sessions_expired",
        "slow_closed",
        "sockets",
        "subscribe_refused",
        "subscriptions_count",
        "tls_failed",
        "wills_published",
    )

    def __init__(self) -> None:
        for name in self.__slots__:
            setattr(self, name, 0)

    connections: int
    """Open now, authenticated or not."""
    clients_connected: int
    """Authenticated now."""
    clients_maximum: int
    clients_total: int
    """Authenticated since the start."""
    sessions: int
    """Kept now, connected or not."""
    subscriptions_count: int
    retained_count: int
    retained_bytes: int
    bytes_received: int
    bytes_sent: int
    messages_received: int
    """Packets of every kind."""
    messages_sent: int
    publish_received: int
    publish_sent: int
    """Given to a link: what was dropped before it counts there only."""
    publish_bytes_received: int
    publish_bytes_sent: int
    publish_dropped: int
    """For slow readers and full queues."""
    publish_refused: int
    """By the ACL or a bound."""
    subscribe_refused: int
    sockets: int
    """Connections since the start, authenticated or not."""
    connections_refused: int
    """Sockets closed at once, because there were too many."""
    connects_refused: int
    """CONNECT packets that were not admitted."""
    refusals_held: int
    """Of them, those told later than at once."""
    sessions_expired: int
    tls_failed: int
    """Handshakes."""
    malformed_closed: int
    slow_closed: int
    flooders_closed: int
    wills_published: int

    def written(self, packets: list[bytes], controls: int, control_bytes: int) -> int:
        """Count packets that are given to a link; so many of them, with so many bytes, are no PUBLISH.

        Returns:
            How many are a PUBLISH.
        """
        count = len(packets)
        size = len(packets[0]) if count == 1 else sum(map(len, packets))
        self.messages_sent += count
        self.bytes_sent += size
        self.publish_sent += count - controls
        self.publish_bytes_sent += size - control_bytes
        return count - controls

    def handed(self, size: int) -> None:
        """Count a message that a client in this process got, with so many bytes of topic and payload."""
        self.messages_sent += 1
        self.bytes_sent += size
        self.publish_sent += 1
        self.publish_bytes_sent += size

    def items(self) -> Iterator[tuple[str, int]]:
        """Name and value of every number."""
        for name in self.__slots__:
            yield name, getattr(self, name)


_PRESENT = frozenset(
    {
        "connections",
        "clients_connected",
        "clients_maximum",
        "sessions",
        "subscriptions_count",
        "retained_count",
        "retained_bytes",
    }
)


def prometheus_text(statistics: Statistics) -> str:
    """The numbers in the Prometheus text format, version 0.0.4."""
    lines: list[str] = []
    for name, value in statistics.items():
        kind, suffix = ("gauge", "") if name in _PRESENT else ("counter", "_total")
        metric = f"{PREFIX}{name.removesuffix('_total')}{suffix}"
        lines += [f"# TYPE {metric} {kind}", f"{metric} {value}"]
    return "\n".join(lines) + "\n"
