"""One MQTT connection, over TCP, TLS or WebSocket, by aiomqtt.

Thin: it knows MQTT, and nothing of the contract. What it adds to aiomqtt is that every
acknowledgement has a deadline, that a connection can be cut without DISCONNECT (so that the
will is sent), and that nothing is left behind when connecting is cancelled.

Deadlines are `asyncio.timeout`, never aiomqtt's own: those are `asyncio.wait_for`, which
before Python 3.12 loses a cancellation that comes together with the result.
"""

import asyncio
import contextlib
import logging
import math
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Final, NoReturn

import aiomqtt
from paho.mqtt.client import Client, MQTTMessage, MQTTMessageInfo
from paho.mqtt.client import error_string as mqtt_error_string
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode

from soul_connect.address import Address, parse_url, trust
from soul_connect.entrance import Entrance, cut
from soul_connect.link import ACK_WITHIN, GOODBYE_WITHIN, Dial, Incoming, Link, LinkLost
from soul_connect.stream import Outflow
from soul_protocol.limits import KEEPALIVE_SECONDS

__all__ = ["Address", "MqttLink", "open_link", "parse_url", "trust"]

INCOMING: Final = 1_000
"""How many messages may wait for somebody to listen."""

_KEEPALIVE_TIMEOUT: Final = 141  # paho's "Keep alive timeout", in words of MQTT 5

_paho_log = logging.getLogger("soul_connect.paho")
_paho_log.setLevel(logging.CRITICAL)  # all that it has to say is raised as `LinkLost`


class _Arrivals:
    """What has come: kept until somebody listens, and then handed over at once."""

    def __init__(self) -> None:
        self.kept: asyncio.Queue[Incoming | None] = asyncio.Queue(INCOMING)
        self.hear: Callable[[Incoming], None] | None = None
        self.bug: Exception | None = None
        """What a listener raised."""

    def on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        """As paho calls it."""
        incoming = Incoming(message.topic, bytes(message.payload), message.retain)
        if self.hear is None:
            with contextlib.suppress(asyncio.QueueFull):
                self.kept.put_nowait(incoming)
            return
        try:
            self.hear(incoming)
        except Exception as bug:  # `listen` raises it where it is seen; paho must not go on
            self.bug = bug
            raise


class MqttLink:
    """A `Link` over aiomqtt."""

    def __init__(
        self, client: aiomqtt.Client, filters: tuple[str, ...], arrived: _Arrivals, outflow: Outflow
    ) -> None:
        self._client = client
        self._outflow = outflow
        self._arrived = arrived
        self._filters = filters

    async def messages(self) -> AsyncIterator[Incoming]:
        """The messages, as they come; ends with `LinkLost` only.

        (aiomqtt's own iterator makes a task for each message, and waits for two things at once.)
        """
        queue = self._arrived.kept
        disconnected = self._client._disconnected  # noqa: SLF001

        def wake(_: object) -> None:
            with contextlib.suppress(asyncio.QueueFull):  # then it is not waited for
                queue.put_nowait(None)

        disconnected.add_done_callback(wake)
        try:
            while not (disconnected.done() and queue.empty()):
                message = await queue.get()
                if message is not None:
                    yield message
        finally:
            disconnected.remove_done_callback(wake)
        self._lost()

    async def listen(self, hear: Callable[[Incoming], None]) -> None:
        """The messages, each in the turn of the loop in which it came; ends with an exception only."""
        arrived = self._arrived
        while not arrived.kept.empty():
            if (message := arrived.kept.get_nowait()) is not None:
                hear(message)
        arrived.hear = hear
        try:
            await asyncio.wait({self._client._disconnected})  # noqa: SLF001
        finally:
            arrived.hear = None
        if arrived.bug is not None:
            raise arrived.bug
        self._lost()

    def _lost(self) -> NoReturn:
        cause = self._client._disconnected.exception()  # noqa: SLF001
        raise LinkLost("the connection was closed" if cause is None else str(cause), by_peer=_by_peer(cause))

    def publish(
        self, topic: str, payload: bytes, qos: int, *, within: float = ACK_WITHIN
    ) -> Coroutine[Any, Any, None]:
        """Publish; paho takes the packet during the call, so that the order is that of the calls.

        (Of QoS 1 it has 20 on the way at a time; later ones may be overtaken by QoS 0.)
        """
        # What aiomqtt does when its own `publish` is awaited, and no earlier.
        info = self._client._client.publish(topic, payload, qos)  # noqa: SLF001
        confirmation = asyncio.Event()
        if info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS and not info.is_published():
            self._client._pending_publishes[info.mid] = confirmation  # noqa: SLF001
            self._outflow.hurry()
        return self._acknowledged(info, confirmation, within)

    async def _acknowledged(self, info: MQTTMessageInfo, confirmation: asyncio.Event, within: float) -> None:
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise LinkLost(f"it could not be sent: {mqtt_error_string(info.rc)}")
        if info.is_published():
            return
        try:
            async with asyncio.timeout(within):
                await confirmation.wait()
        except TimeoutError:
            raise LinkLost("the server did not acknowledge in time") from None
        finally:
            self._client._pending_publishes.pop(info.mid, None)  # noqa: SLF001

    async def probe(self, within: float) -> None:
        """Subscribe again, which changes nothing.

        The broker itself answers that, whatever the rest of the world does (MQTT 3.1.1, 3.8.4).
        """
        try:
            async with asyncio.timeout(within):
                await self._client.subscribe(self._filters[-1], qos=1, timeout=math.inf)
        except (TimeoutError, aiomqtt.MqttError):
            raise LinkLost("the server does not answer any more") from None


@contextlib.asynccontextmanager
async def open_link(dial: Dial) -> AsyncIterator[Link]:
    """Connect, subscribe, and give the connection.

    When the block ends well, DISCONNECT is sent; when it is left by an exception, the
    connection is cut, and the broker sends the will.

    Raises:
        LinkRefused: the token was refused.
        LinkUntrusted: the certificate is not trusted.
        LinkLost: anything else that kept the connection from being made.
    """
    client = _client(dial)
    arrived = _Arrivals()
    client._client.on_message = arrived.on_message  # noqa: SLF001
    try:
        entrance = Entrance(client)
        await entrance.enter()
        codes = await _subscribe(client, dial)
        if any(code >= 0x80 for code in codes):
            raise LinkLost("the server refused a subscription")
        yield MqttLink(client, dial.filters, arrived, entrance.outflow)
        with contextlib.suppress(aiomqtt.MqttError, TimeoutError):
            async with asyncio.timeout(GOODBYE_WITHIN):
                await client.__aexit__(None, None, None)
    finally:
        cut(client)


def _client(dial: Dial) -> aiomqtt.Client:
    where = dial.address
    client = aiomqtt.Client(
        where.host,
        where.port,
        identifier=dial.client_id,
        username=dial.user,
        password=dial.token,
        will=None if dial.will is None else aiomqtt.Will(*dial.will, qos=1, retain=False),
        clean_session=True,
        transport=where.transport,
        websocket_path=where.path if where.transport == "websockets" else None,
        tls_context=dial.tls if where.tls else None,
        keepalive=KEEPALIVE_SECONDS,
        timeout=dial.patience,
        logger=_paho_log,
    )
    client.pending_calls_threshold = INCOMING
    client._client.disable_logger()  # noqa: SLF001 (all that it has to say is raised as `LinkLost`)
    client._client.connect_timeout = dial.patience  # noqa: SLF001 (aiomqtt does not pass it on)
    return client


async def _subscribe(client: aiomqtt.Client, dial: Dial) -> tuple[int, ...]:
    try:
        async with asyncio.timeout(dial.patience):
            codes = await client.subscribe([(topic, 1) for topic in dial.filters], timeout=math.inf)
    except TimeoutError:
        raise LinkLost("the server did not answer a subscription") from None
    except aiomqtt.MqttError as error:
        raise LinkLost(str(error), by_peer=_by_peer(error.__cause__)) from None
    return tuple(code.value if isinstance(code, ReasonCode) else code for code in codes)


def _by_peer(cause: BaseException | None) -> bool:
    """Whether the other side closed the connection, as against a silence that we noticed."""
    code = cause.rc if isinstance(cause, aiomqtt.MqttCodeError) else None
    value = code.value if isinstance(code, ReasonCode) else code
    return value != _KEEPALIVE_TIMEOUT
