"""`SoulBroker`: amqtt's configuration, listeners, lifecycle and plugins over our own core.

What is amqtt's (0.12.1): the configuration and its validation, `start` and `shutdown` with
their state machine, the plugin manager, its events and `BrokerContext`. What is ours:
everything between the socket and the plugin. The private seams that this rests on are
named and held by tests/broker/contract.
"""

import asyncio
import ssl
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import structlog
from amqtt.broker import DEFAULT_PORTS, Broker
from amqtt.contexts import BrokerConfig, ListenerConfig, ListenerType
from amqtt.session import Session as AmqttSession

from soul_broker import packets as mqtt
from soul_broker.admission import ANYBODY
from soul_broker.allocator import give_back, keep_large_buffers_apart
from soul_broker.amqtt_gateway import AmqttGateway, ClientView, retained_view, sessions_view
from soul_broker.certificates import Certificates
from soul_broker.endpoint import Gate
from soul_broker.errors import SoulBrokerError
from soul_broker.http_port import http_ports
from soul_broker.hub import Hub
from soul_broker.links import stream_links
from soul_broker.listeners import BoundListener, ServerGroup, bind_listener, broker_config
from soul_broker.local import LocalClient
from soul_broker.packets import Publish
from soul_broker.revocations import Revocations
from soul_broker.secure import TlsListener
from soul_broker.session import Session, SessionKey
from soul_broker.settings import BrokerSettings
from soul_broker.statistics import Statistics
from soul_broker.sys_topics import SysTopics
from soul_broker.timers import RESOLUTION
from soul_broker.tls_context import expires, server_context
from soul_broker.tokens import TokenVerifier
from soul_broker.topics import is_filter, within_bounds

__all__ = ["BrokerSettings", "SoulBroker"]

_TRIM_EVERY = 5.0
"""Seconds; and only where a connection has gone since."""
_CLOSING_STEPS = 40
_CLOSING_STEP = 0.0125
"""Half a second for clients to take their last bytes when the broker stops."""

log = structlog.get_logger("soul_broker")


class SoulBroker(Broker):  # type: ignore[misc] # amqtt has no types
    """An MQTT 3.1.1 broker.

    Args:
        config: amqtt's configuration, a dictionary (see `listener_config`) or built.
        settings: limits and lifetimes.
        verifier: of tokens; without it, amqtt's auth plugins decide alone, and
            without either nobody is admitted. With both, both have to admit.
        http_factory: makes the protocol that serves what is no MQTT on the HTTP port.
        clock: seconds since the Unix epoch.

    Raises:
        SoulBrokerError: the revocations on disk cannot be read.
        amqtt.errors.PluginError: a plugin cannot be loaded.
    """

    def __init__(
        self,
        config: BrokerConfig | dict[str, Any] | None = None,
        *,
        settings: BrokerSettings | None = None,
        verifier: TokenVerifier | None = None,
        http_factory: Callable[[], asyncio.BaseProtocol] | None = None,
        clock: Callable[[], float] = time.time,
        loop: asyncio.AbstractEventLoop | None = None,
        plugin_namespace: str | None = None,
    ) -> None:
        built = broker_config(config) if isinstance(config, dict) else config
        self._settings = settings or BrokerSettings()
        self._clock = clock
        self._http_factory = http_factory
        self._bound: dict[str, BoundListener] = {}
        self._secure: dict[str, TlsListener] = {}
        self._background: set[asyncio.Task[Any]] = set()
        self._started_at = 0.0
        self._sys = SysTopics()
        super().__init__(built, loop, plugin_namespace)
        if verifier is not None and self._settings.data_dir is not None:
            verifier.revocations = Revocations(self._settings.data_dir / "revocations.json", clock)
        self._hub = Hub(
            self._settings,
            verifier,
            now=self._loop.time,
            call_soon=self._loop.call_soon,
            session_expiry=self.config.session_expiry_interval,
        )
        self._hub.run = self._run
        gateway = AmqttGateway.where_needed(self, self._run)
        self._hub.gateway = gateway
        self._hub.tap = gateway.packet if gateway is not None and gateway.packets else None
        self._own_sys = self.plugins_manager.get_plugin("BrokerSysPlugin") is None

    @property
    def addresses(self) -> dict[str, tuple[str, int]]:
        """The bound address, (host, port), of each listener by name; while started."""
        return {name: bound.address for name, bound in self._bound.items()}

    @property
    def statistics(self) -> Statistics:
        """What the broker counts; live."""
        self._hub.measure()
        return self._hub.statistics

    # amqtt's lifecycle.

    async def start(self) -> None:
        """Listen, and serve.

        Raises:
            AddressInUseError: a listener's address is taken; nothing was started.
            CertificateError: a listener's certificate cannot be used; likewise.
            amqtt.errors.BrokerError: it runs already, or a plugin failed.
        """
        if self.transitions.state in ("new", "stopped"):
            self._bind()
            keep_large_buffers_apart()
        self._started_at = self._loop.time()
        try:
            await super().start()
        except BaseException:  # cancelled, too: no port stays taken
            if self.transitions.state != "started":
                self._unbind()
            raise

    def _bind(self) -> None:
        try:
            for name, listener in self.listeners_config.items():
                if "bind" not in listener or listener.type == ListenerType.EXTERNAL:
                    continue
                if listener.ssl:
                    self._create_ssl_context(listener)
                host, port = self._split_bindaddr_port(listener["bind"], DEFAULT_PORTS[listener["type"]])
                self._bound[name] = bind_listener(name, host, port)
        except BaseException:  # whatever it was, those that were bound are free again
            self._unbind()
            raise

    def _unbind(self) -> None:
        for server in self._servers.values():
            if server.instance is not None:
                server.instance.close()
        self._servers.clear()
        for bound in self._bound.values():
            bound.close()
        self._bound.clear()
        self._secure.clear()

    def _create_ssl_context(self, listener: ListenerConfig) -> ssl.SSLContext:
        if listener.certfile is None or listener.keyfile is None:
            raise SoulBrokerError("a listener with ssl needs certfile and keyfile")
        if listener.capath or listener.cadata:
            raise SoulBrokerError("authorities of clients are read from cafile only")
        return server_context(
            Certificates(Path(listener.certfile), Path(listener.keyfile)),
            client_authority=Path(listener.cafile) if listener.cafile else None,
            client_required=self._settings.client_certificates_required,
        )

    def reload_certificates(self) -> bool:
        """Read every listener's certificate again, for handshakes from now on.

        Returns:
            Whether all could be used; where one cannot, its old one stays and the log says why.
        """
        well = True
        for name, secure in self._secure.items():
            listener = self.listeners_config[name]
            try:
                secure.context = self._create_ssl_context(listener)
                until = expires(Certificates(Path(listener.certfile), Path(listener.keyfile)))
                log.info("certificate reloaded", listener=name, expires=until.isoformat())
            except SoulBrokerError as error:
                well = False
                log.error("certificate not reloaded, the old one stays", listener=name, error=str(error))  # noqa: TRY400
        return well

    async def _create_server_instance(
        self,
        listener_name: str,
        listener_type: ListenerType,
        address: str | None,  # noqa: ARG002 (amqtt's signature; it is bound already)
        port: int,  # noqa: ARG002
        ssl_context: ssl.SSLContext | None,
    ) -> ServerGroup | TlsListener:
        limit = self.listeners_config[listener_name].max_connections
        gate = Gate(listener_name, max(0, limit))
        if listener_type == ListenerType.WS:
            factory = http_ports(self._hub, gate, self._http_factory)
        else:
            factory = stream_links(self._hub, gate)
        bound = self._bound[listener_name]
        if ssl_context is None:
            return await ServerGroup.serve(self._loop, factory, bound)
        secure = self._secure[listener_name] = TlsListener(self._hub, gate, ssl_context, factory, bound)
        return secure

    async def _session_monitor(self) -> None:
        """The broker's one timer: deadlines, session expiry, `$SYS`."""
        self._sys = SysTopics()
        interval = self._settings.sys_interval
        statistics, gone = self._hub.statistics, 0
        next_sys = next_trim = self._loop.time()
        while True:
            try:
                self._hub.tick()
                if self._loop.time() >= next_trim:
                    next_trim = self._loop.time() + _TRIM_EVERY
                    before, gone = gone, statistics.sockets - statistics.connections
                    if gone != before:
                        give_back()
                if self._own_sys and interval and self._loop.time() >= next_sys:
                    next_sys = self._loop.time() + interval
                    self._publish_sys()
            except Exception:
                # Without its timer the broker would notice no silence and no end of a token any more.
                log.exception("internal error in the timer")
            await asyncio.sleep(RESOLUTION)

    async def _shutdown_broadcast_loop(self) -> None:
        # After the state machine said "stopping" and before amqtt waits for its servers.
        for server in self._servers.values():
            if server.instance is not None:
                server.instance.close()
        self._hub.end_all("the broker stops")
        for _ in range(_CLOSING_STEPS):
            if not self._hub.registry.open:
                break
            await asyncio.sleep(_CLOSING_STEP)
        self._hub.abort_all()
        await super()._shutdown_broadcast_loop()

    async def shutdown(self) -> None:
        """Stop: no new connections, every connection closed, plugins told."""
        await super().shutdown()
        self._servers.clear()
        self._bound.clear()
        self._secure.clear()
        self._hub.clear()
        for task in list(self._background):
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)

    # What amqtt's BrokerContext, and so its plugins, use.

    async def internal_message_broadcast(self, topic: str, data: bytes, qos: int | None = None) -> None:
        """Send a message to its subscribers."""
        self._hub.distribute(Publish(topic, bytes(data), qos or 0))

    async def retain_message(
        self,
        source_session: AmqttSession | None,  # noqa: ARG002 (amqtt's signature)
        topic_name: str | None,
        data: bytes | bytearray | None,
        qos: int | None = None,
    ) -> None:
        """Retain a message, or with no data delete it, telling nobody."""
        if topic_name is not None:
            self._hub.keep(Publish(topic_name, bytes(data or b""), qos or 0, retain=True))

    async def add_subscription(self, subscription: tuple[str, int], session: AmqttSession) -> int:
        """Subscribe on behalf of a client.

        Returns:
            The QoS granted, or 0x80 where topic plugins or our bounds refuse it.
        """
        pattern, qos = subscription
        held = session.session if isinstance(session, ClientView) else None
        if held is None or not is_filter(pattern) or not within_bounds(pattern):
            return mqtt.REFUSED
        if not await self._topic_filtering(session, pattern, "subscribe"):
            return mqtt.REFUSED
        self._hub.registry.subscribe(held, pattern, qos)
        return qos

    def create_offline_session(self, client_id: str) -> tuple[Any, AmqttSession]:
        """A session for a client that has not connected yet."""
        key = SessionKey("", ANYBODY, client_id)
        session = Session(key, self._settings.session, clean=False)
        session.view = ClientView(key, session)
        self._hub.registry.keep(session)
        return None, session.view

    @property
    def sessions(self) -> dict[str, tuple[AmqttSession, Any]]:
        """Sessions by client id, made for the asking; the handler that amqtt has is None."""
        return {client_id: (view, None) for client_id, view in sessions_view(self._hub).items()}

    @property
    def retained_messages(self) -> dict[str, Any]:
        """Retained messages by topic, made for the asking."""
        return retained_view(self._hub)

    @property
    def subscriptions(self) -> dict[str, list[tuple[AmqttSession, int]]]:
        """Subscribers and their QoS by filter, made for the asking."""
        views = {id(view.session): view for view in sessions_view(self._hub).values()}
        return {
            pattern: [(views[id(session)], qos) for session, qos in subscribers.items()]
            for pattern, subscribers in self._hub.router.filters()
        }

    # Our own.

    def attach(
        self, *, deliver: Callable[[str, bytes, bool], None], ended: Callable[[], None]
    ) -> LocalClient:
        """A client in this process (`soul_broker.local`), not yet connected; while started.

        Raises:
            SoulBrokerError: there are too many connections.
        """
        return LocalClient(self._hub, deliver=deliver, ended=ended)

    def _publish_sys(self) -> None:
        now = self._loop.time()
        uptime = int(now - self._started_at)
        for topic, value in self._sys.changed(self.statistics, now=now, uptime=uptime).items():
            self._hub.distribute(Publish(topic, value.encode(), retain=True))

    def _run(self, work: Coroutine[Any, Any, Any]) -> None:
        task = self._loop.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("internal error", error=repr(error))
