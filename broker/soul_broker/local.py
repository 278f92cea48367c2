"""A client in the broker's own process: an ordinary session after an ordinary CONNECT, without a socket.

It authenticates and subscribes in MQTT's own bytes through the same `Connection` as everybody
else, and publishes under the same rules; only the way between is a function call, and what it
publishes is no bytes at all on the way. On a small machine that halves what a message costs.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from soul_broker import packets as mqtt
from soul_broker.addresses import LOCAL
from soul_broker.connection import OPEN, Connection
from soul_broker.endpoint import Gate, Link
from soul_broker.errors import SoulBrokerError
from soul_broker.hub import Hub
from soul_broker.packets import Publish, Will, remaining_length
from soul_broker.topics import is_topic

log = structlog.get_logger("soul_broker")

_ANSWER_WITHIN: Final = 5.0
_LAST_ID: Final = 0xFFFF


def _text(value: bytes) -> bytes:
    return len(value).to_bytes(2, "big") + value


def _packet(first: int, body: bytes) -> bytes:
    return bytes([first]) + remaining_length(len(body)) + body


def _connect(client_id: str, user: str, token: str, will: Will | None) -> bytes:
    """CONNECT with a clean session and no keep-alive: there is no link that could go silent."""
    flags = 0xC2
    payload = _text(client_id.encode())
    if will is not None:
        flags |= 0x04 | will.qos << 3 | will.retain << 5
        payload += _text(will.topic.encode()) + _text(will.payload)
    payload += _text(user.encode()) + _text(token.encode())
    return _packet(0x10, _text(b"MQTT") + bytes([4, flags]) + b"\0\0" + payload)


class NearConnection(Connection):
    """The connection of a client in this process: nothing is gathered, no system call is to be saved.

    `hand` takes a message at QoS 0 as it is, and not as bytes.
    """

    __slots__ = ("_hand",)

    def __init__(self, hub: Hub, link: Link, hand: Callable[[Publish], None] | None = None) -> None:
        super().__init__(hub, link, Gate("local"), LOCAL)
        self._hand = hand

    def send(self, packet: bytes) -> None:
        """Send one PUBLISH, now."""
        if self._out is not None:
            self._out.append(packet)
            return
        self._out = [packet]
        self.hub.outbox.heard()
        self.flush()

    def pass_on(self, message: Publish) -> None:
        """Send a message at QoS 0, now."""
        hub = self.hub
        if self._hand is None or hub.tap is not None:
            super().pass_on(message)
            return
        self.sent += 1
        hub.statistics.handed(len(message.topic) + len(message.payload))
        hub.outbox.heard()
        self._hand(message)

    def send_control(self, packet: bytes) -> None:
        """Send one packet of another kind, now."""
        self._controls += 1
        self._control_bytes += len(packet)
        self.send(packet)


class LocalClient:
    """One client; `SoulBroker.attach` makes it.

    Args:
        deliver: called with topic, payload and the retain flag of each message, while the broker
            is at it: what it has to say to that, it says in a later turn of the loop.
        ended: called once when the connection has ended, by whichever side.
    """

    def __init__(
        self,
        hub: Hub,
        *,
        deliver: Callable[[str, bytes, bool], None],
        ended: Callable[[], None],
    ) -> None:
        self._deliver = deliver
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._answer: asyncio.Future[int] | None = None
        self._acks: list[bytes] = []
        self._id = 0
        self._closed = False
        self._connection = NearConnection(hub, self, self._heard)
        if not hub.opened(self._connection):
            raise SoulBrokerError("the broker has too many connections")

    async def connect(self, *, client_id: str, user: str, token: str, will: Will | None = None) -> None:
        """Be admitted.

        Raises:
            SoulBrokerError: the broker refused, or did not answer.
        """
        code = await self._ask(_connect(client_id, user, token, will))
        if code:
            raise SoulBrokerError(f"the broker refused the connection (CONNACK {code})")

    async def subscribe(self, pattern: str) -> None:
        """Subscribe with QoS 0: nothing is lost on the way.

        Raises:
            SoulBrokerError: the broker refused, or did not answer.
        """
        body = b"\0\1" + _text(pattern.encode()) + b"\0"
        if await self._ask(_packet(0x82, body)) == mqtt.REFUSED:
            raise SoulBrokerError(f"the broker refused the subscription to {pattern}")

    async def unsubscribe(self, pattern: str) -> None:
        """End a subscription; what it brought, retained messages included, was delivered before.

        Raises:
            SoulBrokerError: the broker did not answer.
        """
        await self._ask(_packet(0xA2, b"\0\1" + _text(pattern.encode())))

    def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> None:
        """Publish; when this returns the broker has it. Does nothing once the connection has ended."""
        if self._closed:
            return
        message = Publish(topic, payload, qos, retain=retain)
        if not self._hand_over(message):
            self._id = self._id % _LAST_ID + 1
            self._connection.receive(message.encode(qos, self._id, retain=retain))

    def flush(self) -> None:
        """All is said for now: write what was gathered for everybody, in this turn of the loop."""
        self._connection.hub.outbox.flush()

    def _hand_over(self, message: Publish) -> bool:
        """Give the broker a PUBLISH as it is, without an acknowledgement.

        Returns:
            False where its bytes are wanted: for plugins, or to be refused as malformed.
        """
        connection, hub = self._connection, self._connection.hub
        if connection.state != OPEN or hub.gateway is not None or hub.tap is not None:
            return False
        if not is_topic(message.topic):
            return False
        connection.last_seen = hub.now()
        hub.statistics.messages_received += 1
        try:
            hub.publish(connection, message)
        except Exception:
            # As it would cost a connection from outside: the coordinator connects again.
            log.exception("internal error", peer=LOCAL)
            connection.end("internal error", abort=True)
        return True

    def disconnect(self) -> None:
        """Say goodbye: the will is not published."""
        if not self._closed:
            self._connection.receive(b"\xe0\0")

    async def _ask(self, packet: bytes) -> int:
        self._answer = self._loop.create_future()
        self._connection.receive(packet)
        try:
            async with asyncio.timeout(_ANSWER_WITHIN):
                return await self._answer
        except TimeoutError:
            raise SoulBrokerError("the broker did not answer") from None

    # soul_broker.endpoint.Link: what the connection sends to this client

    def write(self, packets: list[bytes]) -> None:
        """Take the broker's packets, each whole."""
        for packet in packets:
            kind = packet[0] >> 4
            if kind == mqtt.PUBLISH:
                self._take(packet)
            elif kind in {mqtt.CONNACK, mqtt.SUBACK, mqtt.UNSUBACK}:
                self._answered(packet[-1])

    def _answered(self, code: int) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(code)

    def _heard(self, message: Publish) -> None:
        self._deliver(message.topic, message.payload, message.retain)

    def _take(self, packet: bytes) -> None:
        start = 2
        while packet[start - 1] & 0x80:
            start += 1
        end = start + 2 + int.from_bytes(packet[start : start + 2], "big")
        topic = packet[start + 2 : end].decode()
        if packet[0] & 0x06:
            # Not asked for, but a session's plugin may subscribe with another QoS.
            self._acks.append(mqtt.puback(int.from_bytes(packet[end : end + 2], "big")))
            end += 2
            if len(self._acks) == 1:
                self._loop.call_soon(self._acknowledge)
        self._deliver(topic, packet[end:], bool(packet[0] & 1))

    def _acknowledge(self) -> None:
        acks, self._acks = self._acks, []
        if not self._closed:
            self._connection.receive(b"".join(acks))

    def gone(self) -> bool:
        """Whether the connection has ended."""
        return self._closed

    def close(self) -> None:
        """The broker ends the connection."""
        if not self._closed:
            self._closed = True
            if self._answer is not None and not self._answer.done():
                self._answer.set_exception(SoulBrokerError("the broker closed the connection"))
            self._loop.call_soon(self._connection.lost, "closed")
            self._ended()

    def abort(self) -> None:
        """Likewise."""
        self.close()

    def pause_reading(self) -> None:
        """Nothing is read: the broker is called."""

    def resume_reading(self) -> None:
        """Likewise."""
