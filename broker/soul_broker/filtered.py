"""The ways of the hub where plugins have to be awaited: slower, and as ordered as the fast ones.

Each runs while its connection is suspended, so that what the same client sent later
waits. What was decided before an await is looked at again after it.
"""

from typing import TYPE_CHECKING

from soul_broker import packets as mqtt
from soul_broker.admission import Admission, Refusal
from soul_broker.conduct import note_refusal, refuse
from soul_broker.connection import AUTHENTICATING
from soul_broker.gateway import Gateway
from soul_broker.packets import Connect, Publish, Subscribe

if TYPE_CHECKING:
    from soul_broker.connection import Connection
    from soul_broker.hub import Hub
    from soul_broker.session import Session


async def admit(
    hub: "Hub", gateway: Gateway, connection: "Connection", connect: Connect, admission: Admission
) -> None:
    """CONNECT. With a verifier and auth plugins, both have to admit."""
    view = gateway.view(connection, connect, admission.key)
    allowed = hub.verifier is not None
    if gateway.authenticates or not allowed:
        allowed = await gateway.authenticate(view, connection.gate.name)
    if allowed and connect.will is not None and gateway.filters:
        allowed = await gateway.permitted(view, connect.will.topic, "publish")
    if connection.state != AUTHENTICATING:
        return
    if allowed:
        hub.accept(connection, connect, admission, view)
    else:
        refuse(connection, connect, Refusal(mqtt.NOT_AUTHORIZED, "a plugin refused"))


async def publish(
    hub: "Hub", gateway: Gateway, connection: "Connection", session: "Session", message: Publish
) -> None:
    """PUBLISH, which our own rules have allowed."""
    if await gateway.permitted(session.view, message.topic, "publish"):
        gateway.broadcast(session, message)
        hub.obey(connection, message)
        await route(hub, gateway, hub.retain(message) if message.retain else message)
    else:
        hub.statistics.publish_refused += 1
        note_refusal(connection, "publish", message.topic)
    hub.acknowledge(connection, message)


async def route(hub: "Hub", gateway: Gateway, message: Publish) -> None:
    """Send a message to those subscribers who may receive it."""
    for session, granted in hub.router.receivers(message.topic).items():
        if await gateway.permitted(session.view, message.topic, "receive"):
            hub.deliver(session, message, min(granted, message.qos))


async def subscribe(  # noqa: PLR0917
    hub: "Hub",
    gateway: Gateway,
    connection: "Connection",
    session: "Session",
    packet: Subscribe,
    codes: list[int],
) -> None:
    """SUBSCRIBE. `codes` is what our own rules have said."""
    for place, (pattern, _) in enumerate(packet.filters):
        if not await gateway.permitted(session.view, pattern, "subscribe"):
            codes[place] = mqtt.REFUSED
    if session.connection is not connection:
        return
    for message, qos in hub.complete_subscribe(connection, session, packet, codes, deliver=False):
        if await gateway.permitted(session.view, message.topic, "receive"):
            hub.deliver(session, message, qos)
