"""What stands at our end of an accepted socket, whatever it is to become."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(slots=True)
class Gate:
    """A listener as its connections know it. `limit` is how many it lets in, 0 for no limit."""

    name: str
    limit: int = 0
    count: int = 0


class Endpoint(Protocol):
    """An MQTT connection, a socket in its TLS handshake, or one of the HTTP port."""

    slot: int
    """The timer wheel's."""

    peer: str
    """`address:port`."""

    @property
    def origin(self) -> str | None:
        """What limits on addresses count it for; None where they do not, or its client was admitted."""

    @property
    def gate(self) -> Gate:
        """The listener that it came through."""

    def deadline(self) -> float:
        """When to wake it next, in seconds of the monotonic clock."""

    def wake(self, now: float) -> None:
        """Its deadline has passed."""

    def end(self, reason: str, *, abort: bool = False) -> None:
        """Close it."""

    def abort(self) -> None:
        """Let go of its socket at once."""

    def __hash__(self) -> int: ...


class Link(Protocol):
    """What carries a connection's bytes: TCP, TLS or WebSocket."""

    def write(self, packets: list[bytes]) -> None:
        """Send packets, in order. Nothing happens on a link that is gone."""

    def gone(self) -> bool:
        """Whether nothing is left of it."""

    def close(self) -> None:
        """Close after what was written has gone."""

    def abort(self) -> None:
        """Close at once."""

    def pause_reading(self) -> None:
        """Read nothing until `resume_reading`."""

    def resume_reading(self) -> None:
        """Read again."""
