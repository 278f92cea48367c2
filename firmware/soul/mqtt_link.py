"""The device's link to the broker: it connects, and connects again whenever that ends, for ever.

A session is clean and ends with its connection: what was not acknowledged raises LinkDown, and whoever
published it decides whether it still matters.
"""

import asyncio
import random
import time

from soul.mqtt_connection import Connection, LinkDown, Refused
from soul.mqtt_dial import CERTIFICATE, EXPIRED, HOST, NOT_YET, Dialer, refusal
from soul.mqtt_packets import MAX_PAYLOAD, Packets

__all__ = ("MAX_PAYLOAD", "Link", "LinkDown", "Timing")

WIFI = "wifi"
CLOCK = "clock"
CONNECTING = "connecting"
ONLINE = "online"
OFFLINE = "offline"
REFUSED_TOKEN = "refused: token"  # noqa: S105 (a status)
REFUSED_TOPIC = "refused: topic"
REFUSED = "refused: device"
REFUSALS = (REFUSED_TOKEN, REFUSED_TOPIC, REFUSED, CERTIFICATE, HOST, EXPIRED, NOT_YET)
"""What waiting alone does not mend. A display shows it until something else is so."""

_CODES = {1: REFUSED, 2: REFUSED, 4: REFUSED_TOKEN, 5: REFUSED_TOKEN, 0x80: REFUSED_TOPIC}


class Timing:
    """How long (ms) the link waits for what; tests shorten it."""

    dial = 2_500
    """For TCP."""
    answer = 5_000
    """For the handshake of TLS and CONNACK together, and for SUBACK."""
    sent = 5_000
    """For the network to take a packet."""
    whole = 15_000
    """For the rest of a packet that has begun to arrive."""
    resend = 5_000
    """For PUBACK, before the message is sent again."""
    give_up = 15_000
    """For PUBACK, before the connection is given up."""
    idle = (10_000, 5_000)
    """Silence before a ping, and then before the connection is given up."""
    playing = (2_000, 2_000)
    """The same while music plays: two machines must not play at once for long."""
    first = 250
    """The first wait after a loss, at most; it doubles with each failure."""
    most = 1_500
    """The longest wait: with `dial` a device is back within 5 s of its network."""
    steady = 5_000
    """A connection that held so long makes the next wait a first one."""
    refused = 10_000
    """The first wait after a refusal; it doubles with each."""
    refused_most = 60_000


class Link:
    """The link of one device.

    Attributes:
        online: whether messages can be published.
        status: one of the names above, for a display.
        error: what ended the last connection or attempt, in words.
        playing: set it while music plays; a dead peer is then found within about 4 s.
        beat: when (`time.ticks_ms`) the link last did something: a supervisor restarts a device by it.
        connects: how many connections were online.
        failures: how many callbacks raised.
        oversize: how many messages were too large, and dropped.
    """

    def __init__(
        self,
        config,
        on_message,
        topics,
        on_up,
        *,
        on_down=None,
        will=None,
        before=None,
        new_token=None,
        on_status=None,
        timing=None,
        log=None,
        dialer=None,
    ):
        """Prepare; `run` connects.

        Args:
            config: a dict: host, port, user, device (the client id), token, ca (PEM; None: no TLS), and if
                wanted keepalive (s), server_hostname, max_payload_bytes (what it takes at most).
            on_message: called with (topic: str, payload: memoryview), which is valid during the call only.
                It must not wait. QoS 1 is acknowledged afterwards, even if it raised.
            topics: a list of (filter, qos) to subscribe to.
            on_up: called when they are acknowledged.
            on_down: called once for each end of what `on_up` told of, with whether the other side ended it.
            will: called before each CONNECT; returns (topic, payload, qos).
            before: awaited with the link before each attempt: network up, clock set. OSError: not yet, and
                the status that it told stays.
            new_token: awaited after the broker refused the token; returns another, or None.
            on_status: called with each new status.
            timing: how long to wait for what.
            log: called with a line of text.
            dialer: where connections come from, for tests.
        """
        self._on_message = on_message
        self._topics = topics
        self._on_up = on_up
        self._on_down = on_down
        self._will = will
        self._before = before
        self._new_token = new_token
        self._on_status = on_status
        self._timing = timing or Timing
        self._log = log
        self._dialer = dialer or Dialer(
            config["host"], config["port"], config.get("ca"), config.get("server_hostname")
        )
        keepalive = config.get("keepalive", 30)
        self._packets = Packets(
            config["device"],
            config["user"],
            config["token"],
            keepalive,
            self._message,
            self._too_large,
            config.get("max_payload_bytes", MAX_PAYLOAD),
        )
        self._connection = None
        self._closing = self._asked = False
        self._waiting = asyncio.Event()  # set: wait no longer
        self._tries = self._refusals = 0
        self.status = OFFLINE
        self.error = ""
        self.playing = False
        self.beat = time.ticks_ms()
        self.connects = self.failures = self.oversize = 0

    @property
    def online(self):
        """Whether messages can be published."""
        return self._connection is not None and self._connection.online

    @property
    def retained(self):
        """Whether the message that `on_message` is being called with is a retained one."""
        return self._packets.retained

    async def run(self):
        """Connect, and again, until `close`."""
        while not self._closing:
            wait = await self._attempt()
            if self._asked:
                self._asked = False
                wait = 0
            await self._pause(wait)
            if self.status == REFUSED_TOKEN and self._new_token and not self._closing:
                await self._ask_token(self._new_token)
        self.tell(OFFLINE)

    async def publish(self, topic, payload, qos=0):
        """Send a message (str or bytes). At QoS 1 it returns when the broker has acknowledged it.

        Raises:
            LinkDown: there is no connection, or it ended before that.
        """
        connection = self._connection
        if connection is None or not connection.online:
            raise LinkDown("offline")
        await connection.publish(topic, payload, qos)

    async def close(self):
        """Send what waits to be sent, take leave of the broker, and end `run`."""
        self._closing = True
        self._waiting.set()
        connection = self._connection
        if connection and connection.online:
            try:
                await connection.take_leave()
            except LinkDown:
                pass  # it is gone without
        if connection:
            connection.end("closed")

    def reconnect(self):
        """Give the connection up, and connect again at once; wait no longer."""
        self._asked = True
        self._waiting.set()
        if self._connection:
            self._connection.end("asked to connect again")

    def tell(self, status):
        """Show a status; for `before` too, while it waits for the network or the time."""
        self.beat = time.ticks_ms()
        if status != self.status:
            self.status = status
            self._call(self._on_status, status)

    async def _attempt(self):
        """One connection from beginning to end; returns how long (ms) to wait before the next."""
        self.beat = began = time.ticks_ms()
        self._waiting.clear()
        refused = None
        ready = False
        try:
            if self._before:
                await self._before(self)
            ready = True
            if self.status not in REFUSALS:
                self.tell(CONNECTING)
            stream = await self._dialer.open(self._timing.dial / 1000)
            self.beat = time.ticks_ms()
            self._connection = Connection(stream, self._packets, self._timing, self)
            introducing = self._connection.introduce(self._last_will())
            await asyncio.wait_for(introducing, self._timing.answer / 1000)
            await self._connection.serve(self._topics, self._up)
        except Refused as error:
            refused = _CODES.get(error.code)
            self.error = str(error)
        except asyncio.TimeoutError:
            self.error = "no answer"
        except Exception as error:  # of the network, of TLS, or nonsense from the other side: go on
            refused = refusal(error)
            self.error = str(error) or repr(error)
        finally:
            by_peer = self._connection is not None and self._connection.by_peer
            self._connection = None
            self._dialer.close()
        self.beat = now = time.ticks_ms()
        if self.status == ONLINE:
            self._call(self._on_down, by_peer)
            if time.ticks_diff(now, began) > self._timing.steady:
                self._tries = 0
        if self._log:
            self._log("link: " + self.error)
        if refused:
            return self._refused(refused)
        if ready or self.status not in (WIFI, CLOCK):
            self.tell(OFFLINE)
        return self._lost()

    def _refused(self, status):
        self.tell(status)
        wait = min(self._timing.refused << min(self._refusals, 8), self._timing.refused_most)
        self._refusals += 1
        return wait

    def _lost(self):
        most = min(self._timing.first << min(self._tries, 8), self._timing.most)
        self._tries += 1
        # Not all at once after a broker's restart.
        return random.randint(most // 2 if self._tries > 1 else 0, most)

    async def _pause(self, ms):
        until = time.ticks_add(time.ticks_ms(), ms)
        while not self._closing and not self._waiting.is_set():
            self.beat = time.ticks_ms()
            left = time.ticks_diff(until, self.beat)
            if left <= 0:
                return
            try:
                await asyncio.wait_for(self._waiting.wait(), min(left, 1_000) / 1000)
            except asyncio.TimeoutError:
                pass  # as long as nobody asked

    async def _ask_token(self, new_token):
        try:
            token = await new_token()
        except Exception as error:
            self._failed(error)
            return
        if token:
            self._packets.pswd = token

    def _up(self):
        self.connects += 1
        self._refusals = 0
        self.error = ""
        self.tell(ONLINE)
        self._call(self._on_up)

    def _message(self, topic, payload):
        self._call(self._on_message, topic, payload)

    def _too_large(self, topic, size):
        self.oversize += 1
        if self._log:
            self._log(f"link: {size} bytes on {topic} are too many")

    def _last_will(self):
        try:
            return self._will() if self._will else None
        except Exception as error:
            self._failed(error)
            return None

    def _call(self, callback, *args):
        """Whatever is wrong with one message or the display, the link goes on."""
        if callback is None:
            return
        try:
            callback(*args)
        except Exception as error:
            self._failed(error)

    def _failed(self, error):
        self.failures += 1
        if self._log:
            self._log(f"link: {error!r} in a callback")
