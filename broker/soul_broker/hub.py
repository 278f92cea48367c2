"""Where connections meet: admission, subscriptions, routing, wills, sessions.

The path of a message: `publish` (may its sender?) -> `route` (who receives it?) ->
`Session.deliver` or `Connection.send` -> `Connection.flush`, once in each turn of the loop.
Nothing here does I/O; the loop's clock and `call_soon` are passed in.
"""

from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from soul_broker import filtered
from soul_broker import packets as mqtt
from soul_broker.addresses import LOCAL, TrustedProxies
from soul_broker.admission import Admission, Admissions, Refusal, may_leave
from soul_broker.closing import close_matching
from soul_broker.conduct import floods, log_end, note_refusal, refuse, turn_away
from soul_broker.connection import Connection
from soul_broker.decoder import TopicMemory
from soul_broker.endpoint import Endpoint
from soul_broker.gateway import Gateway, Tap
from soul_broker.outbox import Outbox
from soul_broker.packets import Connect, Publish, Subscribe, Unsubscribe
from soul_broker.registry import Registry
from soul_broker.retained import RetainedMessages
from soul_broker.router import Router
from soul_broker.session import Session
from soul_broker.settings import BrokerSettings
from soul_broker.statistics import Statistics
from soul_broker.strangers import Strangers
from soul_broker.timers import TimerWheel
from soul_broker.tokens import TokenVerifier
from soul_broker.topics import SHARE, within_bounds
from soul_protocol.topics import BROKER_CLOSE

log = structlog.get_logger("soul_broker")


class Hub:
    """The broker's state. `now` is a monotonic clock in seconds."""

    def __init__(
        self,
        settings: BrokerSettings,
        verifier: TokenVerifier | None,
        *,
        now: Callable[[], float],
        call_soon: Callable[[Callable[[], None]], object],
        session_expiry: float | None = None,
    ) -> None:
        self.settings = settings
        self.session_expiry = settings.session_expiry if session_expiry is None else session_expiry
        self.verifier = verifier
        self.admissions = Admissions(verifier, settings.connections)
        self.now = now
        self.outbox = Outbox(call_soon)
        self.gateway: Gateway | None = None
        self.statistics = Statistics()
        self.topics = TopicMemory()
        self.router: Router[Session] = Router()
        self.retained = RetainedMessages(settings.retained_messages, settings.retained_bytes)
        self.wheel: TimerWheel[Endpoint] = TimerWheel()
        self.registry = Registry(self)
        self.strangers = Strangers(settings.connections_per_address, settings.refusal_delay)
        self.proxies = TrustedProxies(settings.trusted_proxies)
        self.run: Callable[[Coroutine[Any, Any, None]], None] | None = None
        self.tap: Tap | None = None
        """Told of every packet, where somebody wants to know."""
        self.turned_away_logged: float | None = None

    # Connections come and go.

    def opened(self, endpoint: Endpoint) -> bool:
        """A link is there. False: there are too many, of it or in all; abort it."""
        statistics, gate = self.statistics, endpoint.gate
        origin = endpoint.origin
        full = statistics.connections >= self.settings.connections or 0 < gate.limit <= gate.count
        if (full and endpoint.peer != LOCAL) or (origin is not None and not self.strangers.enter(origin)):
            turn_away(self, endpoint)
            return False
        statistics.connections += 1
        statistics.sockets += 1
        gate.count += 1
        self.registry.open.add(endpoint)
        self.wheel.schedule(endpoint, endpoint.deadline())
        return True

    def closed(self, endpoint: Endpoint) -> None:
        """A link is gone."""
        self.wheel.cancel(endpoint)
        if endpoint in self.registry.open:
            self.registry.open.discard(endpoint)
            self.statistics.connections -= 1
            endpoint.gate.count -= 1
            if endpoint.origin is not None:
                self.strangers.leave(endpoint.origin)

    def handed_over(self, endpoint: Endpoint) -> None:
        """Its socket is to be another endpoint's, which counts for itself: one socket, opened once."""
        self.closed(endpoint)
        self.statistics.sockets -= 1

    def connect(self, connection: Connection, connect: Connect) -> None:
        """Take the CONNECT of a connection; nothing is changed before it is admitted."""
        verdict = self.admissions.admit(connect)
        if isinstance(verdict, Refusal):
            refuse(connection, connect, verdict)
        elif self.gateway is not None:
            connection.suspend(filtered.admit(self, self.gateway, connection, connect, verdict))
        elif self.verifier is None:
            refuse(connection, connect, Refusal(mqtt.NOT_AUTHORIZED, "nothing authenticates"))
        else:
            self.accept(connection, connect, verdict, None)

    def accept(
        self, connection: Connection, connect: Connect, admission: Admission, view: object | None
    ) -> None:
        """Admit a client: from here on there is a session."""
        if not self.registry.has_room(admission):
            too_many = Refusal(mqtt.SERVER_UNAVAILABLE, "too many connections of this user")
            refuse(connection, connect, too_many)
            return
        session, present = self.registry.attach(connection, connect, admission)
        session.view = view
        origin, connection.origin = connection.origin, None
        if origin is not None:
            self.strangers.leave(origin)
            self.strangers.succeed(origin, admission.key.user)
        connection.admitted(session, connect, admission)
        self.wheel.schedule(connection, connection.deadline())
        connection.send_control(mqtt.connack(mqtt.ACCEPTED, session_present=present))
        if self.gateway is not None:
            self.gateway.connected(session)
        session.resume()

    def ended(self, connection: Connection, reason: str, *, authenticated: bool) -> None:
        """A connection is closed: let go of its session, publish its will."""
        if connection.link.gone():
            self.closed(connection)
        else:
            self.wheel.schedule(connection, self.now() + self.settings.closing_deadline)
        session = connection.session
        log_end(connection, reason)
        if not authenticated or session is None:
            return
        self.registry.detach(connection, session)
        will, connection.will = connection.will, None
        if will is not None and connection.rules is not None and may_leave(connection.rules, will):
            self.statistics.wills_published += 1
            self.distribute(Publish(will.topic, will.payload, will.qos, will.retain))
        if self.gateway is not None:
            self.gateway.disconnected(session)

    # Messages.

    def publish(self, connection: Connection, message: Publish) -> None:
        """Take a PUBLISH of a client."""
        connection.received += 1
        statistics = self.statistics
        statistics.publish_received += 1
        statistics.publish_bytes_received += len(message.payload)
        if floods(connection):
            return
        session = connection.session
        if session is None:
            return
        qos = message.qos
        if qos == 2:
            new = session.receive(message.packet_id)
            if new is None:
                connection.end("too many QoS 2 messages without PUBREL", abort=True)
                return
            if not new:
                connection.send_control(mqtt.pubrec(message.packet_id))
                return
        topic = message.topic
        gateway = self.gateway
        if gateway is not None:
            gateway.received(session, message)
        # The decoder gives the same object for a topic in use.
        if topic is not connection.permitted_topic or message.retain:
            if not self._may_publish(connection, message):
                statistics.publish_refused += 1
                note_refusal(connection, "publish", topic)
                self.acknowledge(connection, message)
                return
            connection.permitted_topic = topic
        if gateway is not None and gateway.filters:
            connection.suspend(filtered.publish(self, gateway, connection, session, message))
            return
        if gateway is not None:
            gateway.broadcast(session, message)
        self.obey(connection, message)
        self.distribute(message)
        if qos:
            self.acknowledge(connection, message)

    def obey(self, connection: Connection, message: Publish) -> None:
        """Do what a service's message tells the broker itself."""
        if connection.service and message.topic == BROKER_CLOSE:
            close_matching(self, message.payload)

    def distribute(self, message: Publish) -> None:
        """Retain a message that asks for it, and send it to its subscribers."""
        if message.retain:
            message = self.retain(message)
        gateway = self.gateway
        if gateway is not None and gateway.filters and self.run is not None:
            self.run(filtered.route(self, gateway, message))
        else:
            self.route(message)

    def route(self, message: Publish) -> None:
        """Send a message to its subscribers, once to each."""
        found = self.router.match(message.topic)
        if not found:
            return
        receivers = found[0] if len(found) == 1 else self.router.receivers(message.topic)
        if message.qos == 0:
            wire = message.wire()
            for session in receivers:
                outlet = session.connection
                if outlet is not None:
                    outlet.send(wire)
        else:
            qos, dropped, outlet = message.qos, 0, None
            for session, granted in receivers.items():
                outlet = session.connection
                if granted:
                    dropped += session.deliver(message, min(granted, qos))
                elif outlet is not None:
                    outlet.pass_on(message)
            if dropped:
                self.statistics.publish_dropped += dropped
            if outlet is not None and len(receivers) == 1:
                outlet.addressed = True

    def deliver(self, session: Session, message: Publish, qos: int) -> None:
        """Send one message to one subscriber."""
        if qos:
            self.statistics.publish_dropped += session.deliver(message, qos)
        elif session.connection is not None:
            session.connection.pass_on(message)

    def retain(self, message: Publish) -> Publish:
        """Retain a message; the same one as those get it who are subscribed already."""
        self.keep(message)
        # To those already subscribed it is an ordinary message [MQTT-3.3.1-9].
        return Publish(message.topic, message.payload, message.qos, packet_id=message.packet_id)

    def keep(self, message: Publish) -> None:
        """Retain a message, or with an empty payload delete it."""
        if not self.retained.keep(message):
            self.statistics.publish_refused += 1
            log.warning("not retained: too many retained messages", topic=message.topic)
        if self.gateway is not None:
            self.gateway.retained(message)

    def _may_publish(self, connection: Connection, message: Publish) -> bool:
        rules = connection.rules
        return (
            rules is not None
            and rules.may_publish(message.topic)
            and (rules.retain or not message.retain)
            and within_bounds(message.topic)
        )

    def acknowledge(self, connection: Connection, message: Publish) -> None:
        """PUBACK or PUBREC, as its QoS wants; none without a packet id (`LocalClient`)."""
        if message.qos == 1 and message.packet_id:
            connection.send_control(mqtt.puback(message.packet_id))
        elif message.qos == 2:
            connection.send_control(mqtt.pubrec(message.packet_id))

    # Subscriptions.

    def subscribe(self, connection: Connection, packet: Subscribe) -> None:
        """Take a SUBSCRIBE of a client."""
        session = connection.session
        if session is None:
            return
        codes = [
            qos if self._may_subscribe(connection, pattern) else mqtt.REFUSED
            for pattern, qos in packet.filters
        ]
        if self.gateway is not None and self.gateway.filters:
            connection.suspend(filtered.subscribe(self, self.gateway, connection, session, packet, codes))
        else:
            self.complete_subscribe(connection, session, packet, codes)

    def complete_subscribe(
        self,
        connection: Connection,
        session: Session,
        packet: Subscribe,
        codes: list[int],
        *,
        deliver: bool = True,
    ) -> list[tuple[Publish, int]]:
        """Subscribe what `codes` allows, acknowledge it, and send what is retained.

        Returns:
            The retained messages with their QoS; sent already unless `deliver` is False.
        """
        bound, messages = self.settings.subscriptions, list[tuple[Publish, int]]()
        for place, (pattern, qos) in enumerate(packet.filters):
            held = session.subscriptions or ()
            if len(held) >= bound and not connection.service and pattern not in held:
                codes[place] = mqtt.REFUSED
            if codes[place] == mqtt.REFUSED:
                self.statistics.subscribe_refused += 1
                note_refusal(connection, "subscribe", pattern)
                continue
            if connection.rules is not None:
                pattern = connection.rules.own(pattern)  # noqa: PLW2901 (equal, and 120 bytes less)
            self.registry.subscribe(session, pattern, qos)
            if self.gateway is not None:
                self.gateway.subscribed(session, pattern, qos)
            messages += [(each, min(qos, each.qos)) for each in self.retained.matching(pattern)]
        connection.send_control(mqtt.suback(packet.packet_id, codes))
        if deliver:
            self._deliver_retained(connection, session, messages)
        return messages

    def _deliver_retained(
        self, connection: Connection, session: Session, messages: list[tuple[Publish, int]]
    ) -> None:
        """Send what is retained. Each is bytes of its own: no more of them are made than are written."""
        size, bound = 0, self.settings.write_at_once(service=connection.service)
        for message, qos in messages:
            if session.connection is not connection:
                return
            size += len(message.payload)
            if size > bound:
                self.outbox.save()
                connection.flush()
                size = len(message.payload)
            self.deliver(session, message, qos)

    def _may_subscribe(self, connection: Connection, pattern: str) -> bool:
        rules = connection.rules
        # Shared subscriptions belong to MQTT 5; the embedded broker serves none.
        shared = pattern.startswith(SHARE)
        return rules is not None and within_bounds(pattern) and not shared and rules.may_subscribe(pattern)

    def unsubscribe(self, connection: Connection, packet: Unsubscribe) -> None:
        """Take an UNSUBSCRIBE of a client; it is always acknowledged [MQTT-3.10.4-5]."""
        session = connection.session
        if session is None:
            return
        for pattern in packet.filters:
            if self.registry.unsubscribe(session, pattern) and self.gateway is not None:
                self.gateway.unsubscribed(session, pattern)
        connection.send_control(mqtt.unsuback(packet.packet_id))

    # The clock.

    def tick(self) -> None:
        """Look at the deadlines that have passed."""
        now = self.now()
        for endpoint in self.wheel.due(now):
            try:
                endpoint.wake(now)
            except Exception:
                # The others are off the wheel, and would never be looked at again.
                log.exception("internal error", peer=endpoint.peer)
                endpoint.abort()
        self.registry.expire(now)
        self.strangers.expire(now)

    def measure(self) -> None:
        """Bring the present numbers among the statistics up to date."""
        statistics = self.statistics
        statistics.sessions = len(self.registry.sessions)
        statistics.subscriptions_count = self.router.count
        statistics.retained_count = self.retained.count
        statistics.retained_bytes = self.retained.bytes

    # The end.

    def end_all(self, reason: str) -> None:
        """Close every connection, without wills: nobody is left to read them."""
        for endpoint in list(self.registry.open):
            if isinstance(endpoint, Connection):
                endpoint.will = None
            endpoint.end(reason)
        self.outbox.flush()

    def abort_all(self) -> None:
        """Give up on the connections that have not closed."""
        for endpoint in list(self.registry.open):
            endpoint.abort()

    def clear(self) -> None:
        """Forget every session and retained message."""
        for session in list(self.registry.sessions.values()):
            self.registry.forget(session)
        self.retained.clear()
