"""What the hub asks and tells plugins; `amqtt_gateway` puts amqtt's behind it.

Plugins see a client as a *view*, an object of their framework, that the hub keeps with
the session and otherwise knows nothing of.
"""

from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from soul_broker.connection import Connection
    from soul_broker.packets import Connect, Publish
    from soul_broker.session import Session, SessionKey

Action = Literal["publish", "subscribe", "receive"]


class Tap(Protocol):
    """Who is told of every packet, received and sent."""

    def __call__(self, session: "Session | None", packet: bytes, *, sent: bool) -> None:
        """One packet's bytes. `session` is None before the client is admitted."""


class Gateway(Protocol):
    """Plugins, asked for one connection after the other's answer."""

    authenticates: bool
    """Whether there is one to ask at CONNECT."""
    filters: bool
    """Whether there is one to ask about topics."""

    def view(self, connection: "Connection", connect: "Connect", key: "SessionKey") -> object:
        """What plugins will see of a client; made before it is authenticated."""

    async def authenticate(self, view: object, listener: str) -> bool:
        """Whether a client is admitted."""

    async def permitted(self, view: object, topic: str, action: Action) -> bool:
        """Whether a client may do this."""

    def connected(self, session: "Session") -> None:
        """A client was admitted."""

    def disconnected(self, session: "Session") -> None:
        """A client's connection has ended."""

    def subscribed(self, session: "Session", pattern: str, qos: int) -> None:
        """A subscription was granted."""

    def unsubscribed(self, session: "Session", pattern: str) -> None:
        """A subscription was taken away."""

    def received(self, session: "Session", message: "Publish") -> None:
        """A message arrived, allowed or not."""

    def broadcast(self, session: "Session", message: "Publish") -> None:
        """A message goes out to its subscribers."""

    def retained(self, message: "Publish") -> None:
        """A message was retained, or deleted where its payload is empty."""
