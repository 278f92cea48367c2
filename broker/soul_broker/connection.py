"""One client's connection, without I/O: bytes in, packets handled, bytes out to a `Link`.

    NEW --CONNECT--> AUTHENTICATING --admitted--> OPEN --end--> CLOSED
     |                    |                                       ^
     +--deadline, error---+--refused: CONNACK, then---------------+

A refusal may be held back for a moment (`soul_broker.strangers`); nothing is read then.

Until a client is admitted nothing but this object knows of it: no session is looked up,
made or changed. An idle connection has no task, timer, queue or lock of its own. Where
something has to be awaited (a plugin), the connection is suspended: it reads no further,
what was read already waits in the decoder, and goes on afterwards in order.
"""

import asyncio
import math
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Final

import structlog

from soul_broker import packets as mqtt
from soul_broker.addresses import LOCAL, host_of, origin_of
from soul_broker.backlog import Backlog, controls, pieces
from soul_broker.conduct import dismiss, floods_bytes
from soul_broker.decoder import Decoder
from soul_broker.errors import MalformedPacketError, UnacceptableProtocolError
from soul_broker.packets import Connect, Packet, Publish, Will
from soul_broker.requests import take

if TYPE_CHECKING:
    from soul_broker.acl import Rules
    from soul_broker.admission import Admission, Refusal
    from soul_broker.endpoint import Gate, Link
    from soul_broker.hub import Hub
    from soul_broker.session import Session
    from soul_broker.tokens import Token

NEW: Final = 0
AUTHENTICATING: Final = 1
OPEN: Final = 2
CLOSED: Final = 3

_NOTHING_DUE: Final = 3_600.0
"""Seconds after which to look at a connection that has neither a keep-alive nor an end."""
_SUSPENDED_BYTES: Final = 64 * 1024
"""What may arrive while suspended, beside a packet that is under way: reading is paused
then, and only what the transport had read already comes."""

log = structlog.get_logger("soul_broker")


class Connection:
    """See the module. `peer` is `address:port`, `gate` the listener it came through."""

    __slots__ = (
        "_backlog",
        "_control_bytes",
        "_controls",
        "_gone",
        "_out",
        "_suspended",
        "_task",
        "addressed",
        "claimed",
        "decoder",
        "flood_bytes",
        "flood_count",
        "flood_since",
        "gate",
        "held",
        "hub",
        "keep_alive",
        "last_seen",
        "link",
        "origin",
        "peer",
        "permitted_topic",
        "received",
        "refusals",
        "refusals_logged",
        "rules",
        "sent",
        "service",
        "session",
        "since",
        "slot",
        "state",
        "token",
        "will",
    )

    def __init__(self, hub: "Hub", link: "Link", gate: "Gate", peer: str, origin: str | None = None) -> None:
        now = hub.now()
        self.hub = hub
        self.link = link
        self.gate = gate
        self.peer = peer
        self.origin = origin or (None if peer == LOCAL else origin_of(host_of(peer)))
        """What limits on addresses count it for, until it is authenticated."""
        self.state = NEW
        self.decoder = Decoder(hub.settings.packet_bytes_before_authentication, hub.topics)
        self.since = now
        self.last_seen = now
        self.slot = -1
        self.claimed: str | None = None
        """Who a refused client said it was, for the log."""
        # Set when the client is admitted.
        self.session: Session | None = None
        self.rules: Rules | None = None
        self.service = False
        self.will: Will | None = None
        self.token: Token | None = None
        self.keep_alive = 0.0
        """Seconds without a packet after which it is closed; 0 for none."""
        # Counts for its one line in the log, and for the limits.
        self.received = 0
        self.sent = 0
        self.refusals = 0
        self.refusals_logged: float | None = None
        self.flood_count = 0
        self.flood_bytes = 0
        self.flood_since = now
        self.permitted_topic: str | None = None
        self.held: tuple[Refusal, float] | None = None
        """A refusal that waits, and when it is told."""
        self._out: list[bytes] | None = None
        self.addressed = False
        """Whether a message for nobody else is among what was gathered."""
        self._controls = 0
        self._control_bytes = 0
        self._backlog: Backlog | None = None
        self._suspended = False
        self._task: asyncio.Task[None] | None = None
        self._gone = False

    # What the link calls.

    def receive(self, data: bytes) -> None:
        """Take bytes of the peer."""
        if self.state == CLOSED or self.held is not None:
            return
        hub, size = self.hub, len(data)
        self.last_seen = hub.now()
        hub.statistics.bytes_received += size
        self.flood_bytes += size
        if self.flood_bytes > hub.settings.flood_bytes and floods_bytes(self):
            return
        if self.state == NEW and data[0] >> 4 != mqtt.CONNECT and not self.decoder.pending():
            # Whatever it is, HTTP for instance, its length is not to be waited for.
            self._malformed("the first packet is no CONNECT [MQTT-3.1.0-1]")
            return
        self.decoder.feed(data)
        if not self._suspended:
            self._read()
        elif self.decoder.pending() > self.decoder.limit + _SUSPENDED_BYTES:
            self.end("sends faster than it is authenticated")

    def lost(self, reason: str) -> None:
        """The link is gone. What the peer sent before is still handled, in its turn."""
        if self.state == CLOSED:
            self.hub.closed(self)
        elif self._suspended:
            self._gone = True
        else:
            self.end(reason if self.held is None else f"refused: {self.held[0].reason}")

    def pause_writing(self) -> None:
        """The link takes no more for now."""
        if self._backlog is None and self.state != CLOSED:
            self._backlog = Backlog(*self.hub.settings.write_bounds(service=self.service))

    def resume_writing(self) -> None:
        """The link takes more."""
        backlog, self._backlog = self._backlog, None
        if backlog is not None and self.state != CLOSED:
            packets = backlog.take()
            if packets:
                self.sent += self.hub.statistics.written(packets, *controls(packets))
                self.link.write(packets)

    # What the hub and the session call.

    def hold(self, refusal: "Refusal", until: float) -> None:
        """Tell a refusal later, at `until` in seconds of the monotonic clock; read nothing more."""
        self.held = (refusal, until)
        self.decoder.stop()
        self.link.pause_reading()
        self.hub.wheel.schedule(self, until)

    def admitted(self, session: "Session", connect: Connect, admission: "Admission") -> None:
        """The client is who it says: its rights, lifetime and larger packets begin."""
        hub = self.hub
        self.state = OPEN
        self.session = session
        self.rules = admission.rules
        self.service = admission.service
        self.will = connect.will
        self.token = admission.token
        # One and a half times what the client promised [MQTT-3.1.2-24].
        self.keep_alive = connect.keep_alive * 1.5
        self.decoder.limit = hub.settings.packet_bytes

    def send(self, packet: bytes) -> None:
        """Send one PUBLISH, with whatever else is sent in this turn of the loop."""
        out = self._out
        if out is not None:
            out.append(packet)
        else:
            self._out = [packet]
            self.hub.outbox.mark(self)

    def pass_on(self, message: Publish) -> None:
        """Send a message at QoS 0, with whatever else is sent in this turn of the loop."""
        self.send(message.encode(0, 0, retain=message.retain))

    def send_control(self, packet: bytes) -> None:
        """Send one packet of another kind."""
        self._controls += 1
        self._control_bytes += len(packet)
        if self._out is None:
            self._out = [packet]
            self.hub.outbox.mark(self, answered=True)
        else:
            self.send(packet)

    def flush(self) -> None:
        """Write what was gathered."""
        out = self._out
        if out is None:
            return
        self._out = None
        hub, others, other_bytes = self.hub, self._controls, self._control_bytes
        self._controls = self._control_bytes = 0
        self.addressed = False
        if hub.tap is not None:
            for packet in out:
                hub.tap(self.session, packet, sent=True)
        at_once = hub.settings.write_at_once
        if self._backlog is None and (len(out) == 1 or sum(map(len, out)) <= at_once(service=self.service)):
            self.sent += hub.statistics.written(out, others, other_bytes)
            self.link.write(out)
            return
        for piece in pieces(out, at_once(service=self.service)):
            if not self._write(piece):
                return

    def _write(self, packets: list[bytes]) -> bool:
        """Give packets to the link, or let them wait for it; False where the connection ended by that."""
        statistics = self.hub.statistics
        if self._backlog is None:
            self.sent += statistics.written(packets, *controls(packets))
            self.link.write(packets)
            return self.state != CLOSED
        dropped = self._backlog.add(packets)
        if dropped is None:
            statistics.slow_closed += 1
            self.end("reads too slowly", abort=True)
            return False
        statistics.publish_dropped += dropped
        return True

    def suspend(self, work: Coroutine[object, object, None]) -> None:
        """Handle nothing more until `work` is done."""
        self._suspended = True
        self.link.pause_reading()
        self._task = asyncio.get_running_loop().create_task(self._await(work))

    def end(self, reason: str, *, abort: bool = False) -> None:
        """Close the connection; its will is published unless DISCONNECT cleared it."""
        if self.state == CLOSED:
            return
        if not abort:
            self.hub.outbox.save()
            self.flush()
        if self.state == CLOSED:  # the flush found it too slow
            return
        authenticated = self.state == OPEN
        self.state = CLOSED
        self._out = None
        self.decoder.stop()
        task, self._task = self._task, None
        if task is not None and asyncio.current_task() is not task:
            task.cancel()
        # A peer that does not read what waits for it gets no more time than the deadline.
        stuck = self._backlog is not None
        self._backlog = None
        if abort or stuck:
            self.link.abort()
        else:
            self.link.close()
        self.hub.ended(self, reason, authenticated=authenticated)

    def abort(self) -> None:
        """Let go of the socket at once; what was to be sent is lost."""
        self.link.abort()

    def wake(self, now: float) -> None:
        """A deadline has passed, or seems to have."""
        if self.state == CLOSED:
            self.link.abort()
        elif self.state != OPEN:
            if now < self.deadline():
                self.hub.wheel.schedule(self, self.deadline())
            elif self.held is not None:
                dismiss(self, self.held[0])
            else:
                self.end("no CONNECT in time", abort=True)
        elif self.keep_alive and now >= self.last_seen + self.keep_alive and not self._suspended:
            self.end("silent for longer than its keep-alive", abort=True)
        elif self._token_lives() <= 0:
            self.end("token expired")
        else:
            self.hub.wheel.schedule(self, self.deadline())

    def deadline(self) -> float:
        """When to look at this connection next, in seconds of the monotonic clock."""
        if self.state != OPEN:
            return self.held[1] if self.held else self.since + self.hub.settings.connect_deadline
        now = self.hub.now()
        # Suspended: it is not the client who is silent.
        seen = now if self._suspended else self.last_seen
        return min(seen + (self.keep_alive or _NOTHING_DUE), now + self._token_lives())

    def _token_lives(self) -> float:
        """For how many seconds more its token admits, by the calendar.

        Asked anew each time: of a machine that slept, or whose clock was set, the monotonic clock
        does not know how much later it is.
        """
        token, verifier = self.token, self.hub.verifier
        return math.inf if token is None or verifier is None else token.exp - verifier.clock()

    # Reading.

    def _read(self) -> None:
        decoder = self.decoder
        tap = self.hub.tap
        count = 0
        try:
            while (packet := decoder.next_packet()) is not None:
                count += 1
                if tap is not None:
                    tap(self.session, decoder.last_packet(), sent=False)
                if self.state == OPEN and type(packet) is Publish:
                    self.hub.publish(self, packet)
                else:
                    self._handle(packet)
                if self._suspended or decoder.done():
                    break
        except UnacceptableProtocolError:
            if self.state == NEW:
                # Flushed by `end`, and nothing after it [MQTT-3.1.2-2].
                self.send_control(mqtt.UNACCEPTABLE_PROTOCOL_BYTES)
                self.end("unacceptable protocol level")
            else:
                self._malformed("a second CONNECT [MQTT-3.1.0-2]")
        except MalformedPacketError as error:
            self._malformed(str(error))
        except Exception:
            # Our own bug costs this connection only, and not the server.
            log.exception("internal error", peer=self.peer)
            self.end("internal error", abort=True)
        self.hub.statistics.messages_received += count

    def _malformed(self, reason: str) -> None:
        self.hub.statistics.malformed_closed += 1
        self.end(f"malformed: {reason}", abort=self.state == OPEN)

    def _handle(self, packet: Packet) -> None:
        if self.state == NEW:
            if not isinstance(packet, Connect):
                raise MalformedPacketError("the first packet is no CONNECT [MQTT-3.1.0-1]")
            self.state = AUTHENTICATING
            self.hub.connect(self, packet)
            return
        session = self.session
        if session is None:
            return
        take(self, session, packet)

    async def _await(self, work: Coroutine[object, object, None]) -> None:
        try:
            await work
        except Exception:
            # Our own bug costs this connection only, and not the server.
            log.exception("internal error", peer=self.peer)
            self.end("internal error", abort=True)
        self._task = None
        self._suspended = False
        if self.state != CLOSED:
            self._read()
        if self._gone:
            if not self._suspended:
                self.end("connection lost")
        elif self.state != CLOSED and not self._suspended and self.held is None:
            self.link.resume_reading()
