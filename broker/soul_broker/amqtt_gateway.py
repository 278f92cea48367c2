"""amqtt's plugins behind `soul_broker.gateway.Gateway`.

Plugins are called through amqtt's own plugin manager and with amqtt's meaning: an auth plugin's
False denies and None abstains, somebody has to say True; every topic plugin has to say
True. Events are fired only where a plugin listens to them.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from amqtt.broker import RetainedApplicationMessage
from amqtt.contexts import Action as AmqttAction
from amqtt.events import BrokerEvents, Events, MQTTEvents
from amqtt.mqtt.packet import MQTTFixedHeader, MQTTPacket
from amqtt.mqtt.publish import PublishPacket
from amqtt.session import IncomingApplicationMessage
from amqtt.session import Session as AmqttSession

from soul_broker.gateway import Action
from soul_broker.packets import Connect, Publish
from soul_broker.session import Session, SessionKey

if TYPE_CHECKING:
    from soul_broker.connection import Connection
    from soul_broker.hub import Hub
    from soul_broker.server import SoulBroker


class ClientState:
    """What plugins read as `session.transitions`: amqtt's names for its states."""

    __slots__ = ("_view",)

    def __init__(self, view: "ClientView") -> None:
        self._view = view

    @property
    def state(self) -> str:
        """`new`, `connected` or `disconnected`."""
        session = self._view.session
        if session is None:
            return "new"
        return "disconnected" if session.connection is None else "connected"

    def is_connected(self) -> bool:
        """Whether the client is here."""
        return self.state == "connected"


class ClientView(AmqttSession):  # type: ignore[misc] # amqtt has no types
    """An amqtt session that shows one of ours.

    Not made by amqtt's constructor: its state machine alone costs more than a whole connection
    of ours. tests/broker/contract holds that nothing is missing.
    """

    def __init__(self, key: SessionKey, session: Session | None) -> None:
        self.session = session
        self.transitions = ClientState(self)
        self.remote_address: str | None = None
        self.remote_port: int | None = None
        self.client_id: str | None = key.client_id
        self.clean_session: bool | None = session.clean if session is not None else None
        self.will_flag = False
        self.will_message: bytes | bytearray | None = None
        self.will_qos: int | None = None
        self.will_retain: bool | None = None
        self.will_topic: str | None = None
        self.keep_alive = 0
        self.publish_retry_delay = 0
        self.broker_uri: str | None = None
        self.username: str | None = key.user or None
        self.password: str | None = None
        self.cafile: str | None = None
        self.capath: str | None = None
        self.cadata: bytes | None = None
        self._packet_id = 0
        self.parent = 0
        self.last_connect_time: int | None = None
        self.last_disconnect_time: int | None = None
        self.ssl_object: Any = None
        self.attributes: dict[str, Any] = {}
        self.retained_messages: asyncio.Queue[Any] = asyncio.Queue()
        self.delivered_message_queue: asyncio.Queue[Any] = asyncio.Queue()
        self.is_anonymous = False

    @property
    def inflight_out(self) -> range:
        """As many as there are messages in flight to the client."""
        return range(self.session.inflight_out if self.session else 0)

    @property
    def inflight_in(self) -> range:
        """As many as there are messages in flight from the client."""
        return range(self.session.inflight_in if self.session else 0)

    @property
    def retained_messages_count(self) -> int:
        """Messages that wait for the client."""
        return self.session.queued if self.session else 0


class AmqttGateway:
    """See `soul_broker.gateway.Gateway`."""

    def __init__(self, broker: "SoulBroker", run: Callable[[Coroutine[Any, Any, Any]], None]) -> None:
        manager = broker.plugins_manager
        self._broker = broker
        self._manager = manager
        self._run = run
        self._heard = {event for event, listeners in manager._event_plugin_callbacks.items() if listeners}  # noqa: SLF001
        self.authenticates = bool(manager._auth_plugins)  # noqa: SLF001
        self.filters = bool(manager._topic_plugins) and manager.is_topic_filtering_enabled()  # noqa: SLF001
        self.packets = bool(self._heard & set(MQTTEvents))

    @classmethod
    def where_needed(
        cls, broker: "SoulBroker", run: Callable[[Coroutine[Any, Any, Any]], None]
    ) -> "AmqttGateway | None":
        """A gateway where there is a plugin to ask or tell; None keeps the fast path."""
        gateway = cls(broker, run)
        return gateway if gateway.authenticates or gateway.filters or gateway._heard else None

    def view(self, connection: "Connection", connect: Connect, key: SessionKey) -> ClientView:
        """What plugins see of a client before it is authenticated."""
        view = ClientView(key, None)
        host, _, port = connection.peer.rpartition(":")
        view.remote_address = host.strip("[]")
        view.remote_port = int(port) if port.isdigit() else None
        view.clean_session = connect.clean_session
        view.keep_alive = connect.keep_alive
        view.username = connect.username
        if connect.password is not None:
            view.password = connect.password.decode(errors="replace")
        if connect.will is not None:
            view.will_flag = True
            view.will_topic = connect.will.topic
            view.will_message = connect.will.payload
            view.will_qos = connect.will.qos
            view.will_retain = connect.will.retain
        return view

    async def authenticate(self, view: object, listener: str) -> bool:
        """Ask the auth plugins, as amqtt does."""
        return bool(await self._broker._authenticate(view, self._broker.listeners_config[listener]))  # noqa: SLF001

    async def permitted(self, view: object, topic: str, action: Action) -> bool:
        """Ask the topic plugins, as amqtt does."""
        return bool(await self._broker._topic_filtering(view, topic, AmqttAction(action)))  # noqa: SLF001

    def connected(self, session: Session) -> None:
        """CLIENT_CONNECTED."""
        view = session.view
        if isinstance(view, ClientView):
            view.session = session
            # It was for the auth plugins only.
            view.password = None
        self._fire(BrokerEvents.CLIENT_CONNECTED, client_id=session.key.client_id, client_session=view)

    def disconnected(self, session: Session) -> None:
        """CLIENT_DISCONNECTED."""
        client_id = session.key.client_id
        self._fire(BrokerEvents.CLIENT_DISCONNECTED, client_id=client_id, client_session=session.view)

    def subscribed(self, session: Session, pattern: str, qos: int) -> None:
        """CLIENT_SUBSCRIBED."""
        self._fire(BrokerEvents.CLIENT_SUBSCRIBED, client_id=session.key.client_id, topic=pattern, qos=qos)

    def unsubscribed(self, session: Session, pattern: str) -> None:
        """CLIENT_UNSUBSCRIBED."""
        self._fire(BrokerEvents.CLIENT_UNSUBSCRIBED, client_id=session.key.client_id, topic=pattern)

    def received(self, session: Session, message: Publish) -> None:
        """MESSAGE_RECEIVED."""
        self._fire_message(BrokerEvents.MESSAGE_RECEIVED, session, message)

    def broadcast(self, session: Session, message: Publish) -> None:
        """MESSAGE_BROADCAST."""
        self._fire_message(BrokerEvents.MESSAGE_BROADCAST, session, message)

    def retained(self, message: Publish) -> None:
        """RETAINED_MESSAGE."""
        if BrokerEvents.RETAINED_MESSAGE in self._heard:
            shown = RetainedApplicationMessage(None, message.topic, message.payload, message.qos)
            self._fire(BrokerEvents.RETAINED_MESSAGE, client_id=None, retained_message=shown)

    def packet(self, session: Session | None, packet: bytes, *, sent: bool) -> None:
        """PACKET_SENT or PACKET_RECEIVED, with the fixed header and the length only."""
        event = MQTTEvents.PACKET_SENT if sent else MQTTEvents.PACKET_RECEIVED
        if event not in self._heard:
            return
        header = MQTTFixedHeader(packet[0] >> 4, packet[0] & 0x0F, len(packet))
        self._fire(event, packet=_Sized(header, len(packet)), session=session.view if session else None)

    def _fire_message(self, event: Events, session: Session, message: Publish) -> None:
        if event not in self._heard:
            return
        shown = IncomingApplicationMessage(
            message.packet_id or None, message.topic, message.qos, message.payload, message.retain
        )
        shown.publish_packet = PublishPacket.build(
            message.topic, message.payload, shown.packet_id, message.dup, message.qos, message.retain
        )
        self._fire(event, client_id=session.key.client_id, message=shown)

    def _fire(self, event: Events, **values: Any) -> None:
        if event in self._heard:
            self._run(self._manager.fire_event(event, **values))


class _Sized(MQTTPacket[Any, Any, Any]):  # type: ignore[misc] # amqtt has no types
    """An amqtt packet of which the header and the length are known."""

    def __init__(self, header: MQTTFixedHeader, length: int) -> None:
        super().__init__(header)
        self._length = length

    @property
    def bytes_length(self) -> int:
        return self._length

    def __repr__(self) -> str:
        return f"packet type {self.fixed_header.packet_type}, {self._length} bytes"


def sessions_view(hub: "Hub") -> dict[str, ClientView]:
    """Every session by client id; by user, role and client id where two users have the same."""
    views: dict[str, ClientView] = {}
    for key, session in hub.registry.sessions.items():
        if not isinstance(session.view, ClientView):
            session.view = ClientView(key, session)
        name = key.client_id if key.client_id not in views else "/".join(key)
        views[name] = session.view
    return views


def retained_view(hub: "Hub") -> dict[str, RetainedApplicationMessage]:
    """Every retained message by topic."""
    return {
        message.topic: RetainedApplicationMessage(None, message.topic, message.payload, message.qos)
        for message in hub.retained.all()
    }
