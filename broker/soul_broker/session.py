"""What outlives a connection: subscriptions, and deliveries at QoS 1 and 2 (section 4.1).

Sans I/O: a message or an acknowledgement comes in, packets go to `connection.send`. Most
sessions are idle, so that every collection is made when it is first needed and dropped
when it is empty again.

    deliver -> [queue] -> in flight -PUBACK-> done                      QoS 1
                          in flight -PUBREC-> released -PUBCOMP-> done  QoS 2
"""

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from soul_broker import packets as mqtt
from soul_broker.packets import Publish


class SessionKey(NamedTuple):
    """Whose session: nobody reaches a session of another user or role."""

    user: str
    role: str
    client_id: str


@dataclass(frozen=True, slots=True)
class SessionBounds:
    """How much one session may hold; one object serves all sessions of a kind."""

    inflight: int
    """Messages sent and not yet acknowledged."""
    inflight_bytes: int
    """Payload bytes among them; one message may pass it alone."""
    queue: int
    """Messages that wait for the window or for the client to come back."""
    queue_bytes: int
    """Payload bytes among them."""
    received: int
    """Incoming QoS 2 messages between PUBREC and PUBREL."""


class Outlet(Protocol):
    """The session's present connection."""

    addressed: bool
    """Whether a message for nobody else is under way to it in this turn of the loop."""

    def send(self, packet: bytes) -> None:
        """Send one PUBLISH."""

    def pass_on(self, message: Publish) -> None:
        """Send a message at QoS 0."""

    def send_control(self, packet: bytes) -> None:
        """Send one packet of another kind."""


class Session:
    """One client's state at the broker. `connection` is None while it is away."""

    __slots__ = (
        "_bounds",
        "_inflight",
        "_inflight_bytes",
        "_last_id",
        "_queue",
        "_queue_bytes",
        "_received",
        "clean",
        "connection",
        "expires_at",
        "key",
        "subscriptions",
        "view",
    )

    def __init__(self, key: SessionKey, bounds: SessionBounds, *, clean: bool) -> None:
        self.key = key
        self.clean = clean
        self.connection: Outlet | None = None
        self.expires_at = 0.0
        """While away: when it is forgotten, in seconds of the broker's monotonic clock."""
        self.subscriptions: dict[str, int] | None = None
        """QoS by filter."""
        self.view: object | None = None
        """What plugins see of this session; made only where there are plugins."""
        self._bounds = bounds
        self._last_id = 0
        # By packet id, in the order of sending; the message is None once it is released (QoS 2).
        self._inflight: dict[int, tuple[Publish | None, int]] | None = None
        self._inflight_bytes = 0
        self._queue: deque[tuple[Publish, int]] | None = None
        self._queue_bytes = 0
        self._received: set[int] | None = None

    @property
    def inflight_out(self) -> int:
        """How many messages wait for an acknowledgement of the client."""
        return len(self._inflight or ())

    @property
    def inflight_in(self) -> int:
        """How many QoS 2 messages wait for the client's PUBREL."""
        return len(self._received or ())

    @property
    def queued(self) -> int:
        """How many messages wait to be sent."""
        return len(self._queue or ())

    @property
    def held(self) -> int:
        """Payload bytes of all of them."""
        return self._inflight_bytes + self._queue_bytes

    def deliver(self, message: Publish, qos: int) -> int:
        """Send at QoS 1 or 2, or queue; the oldest are dropped where the queue is full.

        Returns:
            How many messages were dropped.
        """
        connection = self.connection
        if connection is not None and self._queue is None and self._window_open():
            connection.send(self._start(message, qos))
            return 0
        if connection is None and self.clean:
            return 1
        if self._queue is None:
            self._queue = deque()
        self._queue.append((message, qos))
        self._queue_bytes += len(message.payload)
        dropped = 0
        while len(self._queue) > self._bounds.queue or self._queue_bytes > self._bounds.queue_bytes:
            oldest, _ = self._queue.popleft()
            self._queue_bytes -= len(oldest.payload)
            dropped += 1
            if not self._queue:
                self._queue = None
                break
        return dropped

    def acknowledge(self, kind: int, packet_id: int) -> bool:
        """Take PUBACK, PUBREC or PUBCOMP, and send what the window now allows.

        Returns:
            Whether it answered something of this session.
        """
        entry = self._inflight.get(packet_id) if self._inflight is not None else None
        if kind == mqtt.PUBREC:
            return self._receive_pubrec(packet_id, entry)
        if entry is None or self._inflight is None:
            return False
        message, qos = entry
        if kind == mqtt.PUBACK:
            if qos != 1 or message is None:
                return False
            self._inflight_bytes -= len(message.payload)
        elif message is not None or qos != 2:
            return False
        del self._inflight[packet_id]
        if not self._inflight:
            self._inflight = None
        if self._queue is not None:
            self._fill()
        return True

    def _receive_pubrec(self, packet_id: int, entry: tuple[Publish | None, int] | None) -> bool:
        if entry is not None and entry[1] != 2:
            return False
        if entry is not None and entry[0] is not None and self._inflight is not None:
            self._inflight_bytes -= len(entry[0].payload)
            self._inflight[packet_id] = (None, 2)
        if self.connection is not None:
            # Unknown ids too: the client is to be able to forget them.
            self.connection.send_control(mqtt.pubrel(packet_id))
        return entry is not None and entry[0] is not None

    def receive(self, packet_id: int) -> bool | None:
        """Note an incoming QoS 2 PUBLISH.

        Returns:
            True where it is new, False where it was received before [MQTT-4.3.3-2],
            None where it passes the bound.
        """
        if self._received is None:
            self._received = set()
        if packet_id in self._received:
            return False
        if len(self._received) >= self._bounds.received:
            return None
        self._received.add(packet_id)
        return True

    def release(self, packet_id: int) -> bool:
        """Take PUBREL; the caller answers PUBCOMP. False where the id was unknown."""
        if self._received is None or packet_id not in self._received:
            return False
        self._received.discard(packet_id)
        if not self._received:
            self._received = None
        return True

    def resume(self) -> None:
        """After CONNACK: send again what was not acknowledged [MQTT-4.4.0-1], then the queue."""
        connection = self.connection
        if connection is None:
            return
        for packet_id, (message, qos) in (self._inflight or {}).items():
            if message is None:
                connection.send_control(mqtt.pubrel(packet_id))
            else:
                connection.send(message.encode(qos, packet_id, dup=True, retain=message.retain))
        if self._queue is not None:
            self._fill()

    def _window_open(self) -> bool:
        if self._inflight is None:
            return True
        bounds = self._bounds
        return len(self._inflight) < bounds.inflight and self._inflight_bytes < bounds.inflight_bytes

    def _start(self, message: Publish, qos: int) -> bytes:
        if self._inflight is None:
            self._inflight = {}
        packet_id = self._last_id
        while True:
            packet_id = packet_id % 0xFFFF + 1
            if packet_id not in self._inflight:
                break
        self._last_id = packet_id
        self._inflight[packet_id] = (message, qos)
        self._inflight_bytes += len(message.payload)
        # `retain` of what was asked for with a new subscription rides on the message.
        return message.encode(qos, packet_id, retain=message.retain)

    def _fill(self) -> None:
        queue, connection = self._queue, self.connection
        if queue is None or connection is None:
            return
        while queue and self._window_open():
            message, qos = queue.popleft()
            self._queue_bytes -= len(message.payload)
            connection.send(self._start(message, qos))
        if not queue:
            self._queue = None
