"""What an admitted client asks for, packet by packet; a PUBLISH on the fast path goes to the hub at once."""

from typing import TYPE_CHECKING

from soul_broker import packets as mqtt
from soul_broker.conduct import floods
from soul_broker.errors import MalformedPacketError
from soul_broker.packets import (
    Acknowledgement,
    Connect,
    Disconnect,
    Packet,
    PingRequest,
    Publish,
    Subscribe,
    Unsubscribe,
)

if TYPE_CHECKING:
    from soul_broker.connection import Connection
    from soul_broker.session import Session


def take(connection: "Connection", session: "Session", packet: Packet) -> None:
    """Do what a packet asks for, and answer it.

    Raises:
        MalformedPacketError: it may not come now.
    """
    if type(packet) is Subscribe:
        # First, and without a pattern: a crowd that comes back has nothing else.
        if not floods(connection, len(packet.filters)):
            connection.hub.subscribe(connection, packet)
        return
    if type(packet) is Acknowledgement and packet.kind == mqtt.PUBACK:
        # Likewise: half of what devices send.
        if not session.acknowledge(mqtt.PUBACK, packet.packet_id):
            floods(connection)
        return
    match packet:
        case Acknowledgement(kind=mqtt.PUBREL):
            if session.release(packet.packet_id) or not floods(connection):
                connection.send_control(mqtt.pubcomp(packet.packet_id))
        case Acknowledgement():
            if not session.acknowledge(packet.kind, packet.packet_id):
                floods(connection)
        case PingRequest() if floods(connection):
            pass
        case Unsubscribe() if floods(connection, len(packet.filters)):
            pass
        case PingRequest():
            connection.send_control(mqtt.PINGRESP_BYTES)
        case Unsubscribe():
            connection.hub.unsubscribe(connection, packet)
        case Disconnect():
            connection.will = None
            connection.end("disconnected")
        case Connect():
            raise MalformedPacketError("a second CONNECT [MQTT-3.1.0-2]")
        case Publish():
            connection.hub.publish(connection, packet)
