"""The coordinator's link to the broker: an ordinary MQTT client of the `service` role.

Messages arrive by a callback, not through a task each. Publishes are started in order and
not awaited one by one; `drain` waits where too many are unacknowledged, which is what holds
the coordinator back when the broker cannot keep up.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

import aiomqtt

from soul_coordinator.adapters.outbound import Outgoing
from soul_coordinator.runner import Connect, LinkError
from soul_protocol.tokens import SERVICE_USER
from soul_protocol.topics import PREFIX

UP_FILTER: Final = f"{PREFIX}/+/+/+/up/+"
"""All that devices and guests say."""

UNACKNOWLEDGED_MAX: Final = 1_000
"""Publishes under way beyond which the coordinator waits for the broker."""

_KEEPALIVE: Final = 15
_TIMEOUT: Final = 10.0
_CONNECT: Final = 3.0
"""How long (s) a lookup, TCP and TLS may take, each: less than a server may take to stop."""

WayTo = Callable[[str, int, float], Awaitable[Callable[[], socket.socket]]]


class _Delivery(asyncio.Queue[aiomqtt.Message]):
    """aiomqtt hands every message to a queue; this one hands it on at once."""

    deliver: Callable[[str, bytes], None]
    retained: set[str]

    def put_nowait(self, item: aiomqtt.Message) -> None:
        # A message of a device is never retained (the broker refuses it); one that is, is no news.
        if item.retain:
            self.retained.add(item.topic.value)
        else:
            self.deliver(item.topic.value, bytes(item.payload or b""))


class MqttLink:
    """One connection to the broker, for use in `async with`.

    Args:
        url: `mqtt://HOST:PORT`, or `mqtts://` with `ca`, a PEM file (None: the system's).
        token: a `service` token.
        client_id: free for services; unique for each start.
        will: published by the broker should this connection break.
        deliver: called on the event loop with the topic and payload of everything devices say.
        way_to: finds a host, whose port it is also given, in so many seconds, and gives what
            connects to it. None: the system's way, in a thread that the program's end waits for.

    Raises:
        LinkError: on entering, when the broker cannot be reached or refuses.
    """

    def __init__(
        self,
        url: str,
        *,
        user: str,
        token: str,
        client_id: str,
        will: Outgoing,
        deliver: Callable[[str, bytes], None],
        ca: str | None = None,
        way_to: WayTo | None = None,
    ) -> None:
        parts = urlsplit(url)
        secure = parts.scheme in {"mqtts", "wss"}
        web = parts.scheme in {"ws", "wss"}
        defaults = {"mqtt": 1883, "mqtts": 8883, "ws": 80, "wss": 443}
        self._retained: set[str] = set()
        bound = {"deliver": staticmethod(deliver), "retained": self._retained}
        queue_type = type("_BoundDelivery", (_Delivery,), bound)
        logger = logging.getLogger("soul_coordinator.mqtt")
        logger.setLevel(logging.ERROR)
        self._client = aiomqtt.Client(
            hostname=parts.hostname or "127.0.0.1",
            port=parts.port or defaults[parts.scheme],
            username=user,
            password=token,
            identifier=client_id,
            logger=logger,
            queue_type=queue_type,
            will=aiomqtt.Will(will.topic, will.payload, will.qos, will.retain),
            clean_session=True,
            keepalive=_KEEPALIVE,
            timeout=_TIMEOUT,
            max_inflight_messages=0,
            # Small messages, one after the other: Nagle's algorithm would hold each for 40 ms.
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
            transport="websockets" if web else "tcp",
            websocket_path=(parts.path or "/mqtt") if web else None,
            tls_context=ssl.create_default_context(cafile=ca) if secure else None,
        )
        # More than ten publishes under way are our normal case.
        self._client.pending_calls_threshold = 10 * UNACKNOWLEDGED_MAX
        self._client._client.connect_timeout = _CONNECT  # noqa: SLF001 (aiomqtt does not pass it on)
        self._way_to = way_to
        self._pending: set[asyncio.Task[None]] = set()
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def __aenter__(self) -> Self:
        client = self._client
        try:
            if self._way_to is not None:
                # On private names, for which there are no public ones.
                way = await self._way_to(client._hostname, client._port, _CONNECT)  # noqa: SLF001
                client._client._create_socket_connection = way  # type: ignore[method-assign] # noqa: SLF001
            await client.__aenter__()
            try:
                await self._subscribe()
            except BaseException:  # cancelled, too: nobody leaves what was not entered
                await self._leave()
                raise
        except (aiomqtt.MqttError, OSError) as error:
            raise LinkError(str(error)) from error
        self._watcher = asyncio.create_task(self._watch(), name="mqtt link watcher")
        return self

    async def _subscribe(self) -> None:
        granted = await self._client.subscribe(UP_FILTER, qos=1)
        if any((code if isinstance(code, int) else code.value) >= 0x80 for code in granted):
            raise LinkError("the broker refused the coordinator's subscription")

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._watcher.cancel()
        for task in tuple(self._pending):
            task.cancel()
        await self._leave()

    async def _leave(self) -> None:
        """Disconnect, whatever comes of it: the will is not published where DISCONNECT still arrives."""
        with suppress(aiomqtt.MqttError):
            await self._client.__aexit__(None, None, None)

    async def _watch(self) -> None:
        """`lost` tells when the connection ends; nothing ever comes out of the queue itself."""
        try:
            async for _ in self._client.messages:
                pass
        except aiomqtt.MqttError as error:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if not self.lost.done():
            self.lost.set_exception(LinkError(str(error)))
            self.lost.exception()  # looked at here, so that a link left unwatched does not warn

    def publish(self, out: Outgoing) -> None:
        """Start a PUBLISH; those of one link go out in the order of these calls."""
        task = asyncio.create_task(self._publish(out))
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)

    async def _publish(self, out: Outgoing) -> None:
        try:
            await self._client.publish(out.topic, out.payload, qos=out.qos, retain=out.retain)
        except aiomqtt.MqttError as error:
            self._fail(error)

    async def retained(self, pattern: str) -> frozenset[str]:
        """The topics that hold a retained message: a broker sends them before it answers what follows."""
        self._retained.clear()
        try:
            await self._client.subscribe(pattern, qos=0)
            await self._client.unsubscribe(pattern)
        except aiomqtt.MqttError as error:
            raise LinkError(str(error)) from error
        return frozenset(self._retained)

    async def drain(self) -> None:
        """Wait until few enough publishes are under way."""
        while len(self._pending) > UNACKNOWLEDGED_MAX:
            await asyncio.wait(tuple(self._pending), return_when=asyncio.FIRST_COMPLETED)

    async def flush(self) -> None:
        """Wait until the broker has acknowledged every publish."""
        while self._pending:
            await asyncio.wait(tuple(self._pending))


def mqtt_links(
    url: str, *, token: Callable[[], str], ca: str | None = None, way_to: WayTo | None = None
) -> Connect:
    """Links to the broker at `url`; `token` makes a `service` token for each, `way_to` as in `MqttLink`."""

    def connect(*, client_id: str, will: Outgoing, deliver: Callable[[str, bytes], None]) -> MqttLink:
        return MqttLink(
            url,
            user=SERVICE_USER,
            token=token(),
            client_id=client_id,
            will=will,
            deliver=deliver,
            ca=ca,
            way_to=way_to,
        )

    return connect
