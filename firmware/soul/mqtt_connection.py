"""One connection to the broker, from CONNECT to its end.

Three tasks serve it: one receives, one sends, one keeps the time and ends it where the other side is silent,
takes nothing or does not acknowledge.

Nothing grows: `_OUTBOX` messages wait to be sent and `_UNDER_WAY` for their acknowledgement; who publishes
more waits. While the other side takes no acknowledgements, nothing more is read from it.
"""

import asyncio
import time

from micropython import const

from soul.mqtt_packets import CONNACK, PACKET_DISCONNECT, PUBACK, PUBLISH, SUBACK, Malformed, to_bytes

_OUTBOX = const(16)
_UNDER_WAY = const(8)
_TICK_MS = const(100)
_OWED = const(512)  # bytes of acknowledgements


class LinkDown(OSError):
    """There is no connection, or it ended before the message was acknowledged."""


class Refused(Exception):
    """The broker does not want us. `code` is CONNACK's (MQTT 3.1.1, table 3.1); 0x80: a subscription."""

    def __init__(self, code):
        super().__init__("a subscription" if code == 0x80 else f"CONNACK {code}")
        self.code = code


class _Outgoing:
    def __init__(self, topic, payload, pid):
        self.topic = topic
        self.payload = payload
        self.pid = pid
        self.first = None  # when it was sent
        self.last = 0
        self.done = asyncio.Event()
        self.good = False

    def end(self, good):
        self.good = good
        self.done.set()


class Connection:
    """A connection on an open stream.

    Args:
        stream: with `readinto` (which may return None), `write`, `drain`.
        packets: of `mqtt_packets`; used by one connection at a time.
        timing: of `mqtt_link`.
        owner: has `playing`, and `beat` which is set to `time.ticks_ms()` as long as all goes on.
    """

    def __init__(self, stream, packets, timing, owner):
        packets.reset()
        self._stream = stream
        self._packets = packets
        self._timing = timing
        self._owner = owner
        self._receiver = None
        self._why = ""
        self.by_peer = True
        """Whether the other side ended it: that it is silent we notice ourselves."""
        self._outbox = []
        self._under_way = {}
        self._wake = asyncio.Event()  # there is something to send
        self._room = asyncio.Event()  # there may be room for one more
        self._paid = asyncio.Event()  # acknowledgements were sent
        self._ping = False
        self._heard = self._spoke = time.ticks_ms()
        self._pinged = self._sending = self._begun = None
        self.online = False

    async def introduce(self, will):
        """CONNECT. Raises Refused, OSError, or ValueError for a certificate; has no deadline of its own."""
        await self._write(self._packets.connect_packet(will))
        kind = 0
        while not kind:
            await self._read()
            kind = self._packets.next_packet()
        if kind != CONNACK:
            raise Malformed("no CONNACK")
        if self._packets.answer:
            raise Refused(self._packets.answer)

    async def serve(self, topics, on_up):
        """Subscribe, call `on_up`, and go on until the end of the connection, which raises."""
        pid = self._packets.take_id()
        subscribe = self._packets.subscribe_packet(pid, topics)
        await asyncio.wait_for(self._write(subscribe), self._timing.sent / 1000)
        self._receiver = receiver = asyncio.create_task(self._receive(pid, on_up))
        tasks = [receiver, asyncio.create_task(self._send()), asyncio.create_task(self._keep())]
        try:
            await receiver
        except asyncio.CancelledError:
            if not self._why:
                raise  # we are cancelled ourselves
            raise OSError(self._why)
        finally:
            for task in tasks:
                task.cancel()
            self._over()

    async def publish(self, topic, payload, qos):
        """As of the link."""
        while len(self._outbox) >= _OUTBOX or (qos and len(self._under_way) >= _UNDER_WAY):
            self._room.clear()
            await self._room.wait()
            if not self.online:
                raise LinkDown("offline")
        outgoing = _Outgoing(to_bytes(topic), to_bytes(payload), self._packets.take_id() if qos else 0)
        if qos:
            self._under_way[outgoing.pid] = outgoing
        await self._sent(outgoing)

    async def take_leave(self):
        """Send what waits to be sent, and DISCONNECT, so that the will is not published."""
        await self._sent(_Outgoing(None, PACKET_DISCONNECT, 0))

    async def _sent(self, outgoing):
        self._outbox.append(outgoing)
        self._wake.set()
        await outgoing.done.wait()
        if not outgoing.good:
            raise LinkDown(self._why or "offline")

    def end(self, why, by_peer=False):
        """End it; `serve` raises OSError(why)."""
        if self._receiver and not self._why:
            self._why = why or "lost"
            self.by_peer = by_peer
            self._receiver.cancel()

    def _over(self):
        self.online = False
        self._receiver = None
        for one in self._outbox + list(self._under_way.values()):
            one.end(False)
        self._packets.taken.clear()
        self._room.set()

    # ---- in ----------------------------------------------------------------------------------------

    async def _receive(self, subscribing, on_up):
        while True:
            kind = self._packets.next_packet()
            if not kind:
                self._begun = (self._begun or time.ticks_ms()) if self._packets.partial() else None
                await self._read()
            elif kind == PUBLISH:
                self._wake.set()
                while self._packets.owed() > _OWED:
                    self._paid.clear()
                    await self._paid.wait()
            elif kind == PUBACK:
                self._acknowledged(self._packets.acknowledged)
            elif kind == SUBACK and self._packets.acknowledged == subscribing and not self.online:
                self._packets.taken.discard(subscribing)
                if self._packets.answer > 2:
                    raise Refused(0x80)
                self.online = True
                on_up()
            elif kind in (CONNACK, SUBACK):
                raise Malformed("an answer to no question")

    async def _read(self):
        count = await self._stream.readinto(self._packets.space())
        if count == 0:
            raise OSError("the broker closed the connection")
        if count:  # None: the rest of a record of TLS is on its way
            self._packets.got(count)
            self._heard = time.ticks_ms()
            self._pinged = None

    def _acknowledged(self, pid):
        outgoing = self._under_way.pop(pid, None)
        if outgoing:  # else it was sent twice and acknowledged twice
            self._packets.taken.discard(pid)
            outgoing.end(True)
            self._room.set()

    # ---- out ---------------------------------------------------------------------------------------

    async def _send(self):
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while await self._send_one():
                    pass
        except Exception as error:
            self.end(str(error) or repr(error), True)

    async def _send_one(self):
        if self._packets.owed():
            await self._write(self._packets.acknowledgements())
            self._paid.set()
        elif self._ping:
            self._ping = False
            await self._write(self._packets.ping_packet())
            self._pinged = time.ticks_ms()
        elif self._outbox:
            await self._send_message(self._outbox.pop(0))
        else:
            return False
        return True

    async def _send_message(self, one):
        self._room.set()
        try:
            if one.topic is None:
                await self._write([one.payload])
            elif not one.pid or one.pid in self._under_way:
                again = one.first is not None
                await self._write(self._packets.publish_packet(one.topic, one.payload, one.pid, again))
        except BaseException:
            one.end(False)
            raise
        one.last = time.ticks_ms()
        if one.first is None:
            one.first = one.last
        if not one.pid:
            one.end(True)

    async def _write(self, parts):
        # One at a time and each to its end: TLS wants what it could not send to be offered again as it was.
        for part in parts:
            self._sending = time.ticks_ms()
            self._stream.write(part)
            await self._stream.drain()
        self._sending = None
        self._spoke = time.ticks_ms()

    # ---- time --------------------------------------------------------------------------------------

    async def _keep(self):
        try:
            await self._watch()
        except Exception as error:  # without it no wait would have an end
            self.end(repr(error))

    async def _watch(self):
        began = last = time.ticks_ms()
        while True:
            await asyncio.sleep_ms(_TICK_MS)
            now = self._owner.beat = time.ticks_ms()
            late = time.ticks_diff(now, last) > 5 * _TICK_MS
            last = now
            if late:
                continue  # something held the loop: what has arrived meanwhile is read first
            if not self.online and time.ticks_diff(now, began) > self._timing.answer:
                self.end("no answer to SUBSCRIBE")
            if self._sending is not None and time.ticks_diff(now, self._sending) > self._timing.sent:
                self.end("the network takes nothing")
            if self._begun is not None and time.ticks_diff(now, self._begun) > self._timing.whole:
                self.end("half a packet")
            self._keep_alive(now)
            self._send_again(now)

    def _keep_alive(self, now):
        after, within = self._timing.playing if self._owner.playing else self._timing.idle
        if self._pinged is not None:
            if time.ticks_diff(now, self._pinged) > within:
                self.end("no answer to a ping")
        # Silence of the broker may be its death; our own would be taken for ours.
        elif (
            time.ticks_diff(now, self._heard) > after
            or time.ticks_diff(now, self._spoke) > self._timing.idle[0]
        ):
            self._ping = True
            self._wake.set()

    def _send_again(self, now):
        for one in self._under_way.values():
            if one.first is None:
                continue
            if time.ticks_diff(now, one.first) > self._timing.give_up:
                self.end("no acknowledgement")
            elif time.ticks_diff(now, one.last) > self._timing.resend:
                one.last = now
                self._outbox.append(one)
                self._wake.set()
