"""An honest client, as the contract describes one, and what people do to it.

It hears wire messages and says events (the codec has its own tests). A renderer's music is
`epoch`, `playing` and a position that runs with the time.
"""

from collections import deque
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from simulator.links import Link, Time
from simulator.music import Music
from simulator.temper import EXACT, HONEST, Clock
from soul_coordinator.core import events
from soul_coordinator.core.values import Address, Capabilities, Description, LastKnown, Message, Report
from soul_protocol import limits

Say = Callable[[events.Event], None]


class Device:
    """A client on one device id. `up` and `down` are its connection, while `linked`."""

    def __init__(
        self, time: Time, place: Address, links: tuple[Link, Link], say: Say, *, ephemeral: bool, **able: Any
    ) -> None:
        self.time, self.place, self._say = time, place, say
        self.up, self.down = links
        self.ephemeral = ephemeral
        self.able = Capabilities(
            can_render=able.get("can_render", True),
            can_control=able.get("can_control", True),
            can_host_jam=False,
            supported_formats=("flac",),
            max_sample_rate=48_000,
            max_payload_bytes=able.get("max_payload_bytes"),
        )
        self.temper = HONEST
        self.scope: frozenset[str] = frozenset()
        self.volume = 0.5
        self.seq = self.ids = self.life = self.heard = self.said = 0
        self.conn = ""
        self.linked = self.registered = self.limited = self.contested = False
        self.coordinator: str | None = None
        self.music = Music()
        self.arrived: deque[str] = deque(maxlen=32)
        """Connections whose `register` came through."""
        self._ticking = 0
        self.executed: deque[str] = deque(maxlen=64)
        self.open: dict[str, int] = {}
        self.known: dict[str, Any] = {}
        self.prepared: str | None = None
        self.set_clock(EXACT)

    # Time, as this device sees it

    def set_clock(self, clock: Clock) -> None:
        self._clock = clock
        self.rate = self.music.rate = 1 + clock.drift_ppm / 1_000_000
        self._origin = self.time.now + clock.off, self.time.now
        self.estimate: int | None = None

    def clock(self) -> int:
        there, here = self._origin
        return there + round((self.time.now - here) * self.rate)

    def after(self, ms: int, what: Callable[[], None]) -> None:
        """In `ms` of this device's own time."""
        self.time.after(round(ms / self.rate), what)

    def guess(self) -> int | None:
        """What it takes for the coordinator's time."""
        if self._clock.asks:
            return None if self.estimate is None else self.clock() - self.estimate
        return self.clock() if self._clock.believes else None

    # The connection

    def connect(self) -> None:
        self.life += 1
        self.conn = f"{int(self.place.device[:8], 16):08x}{self.life:08x}"
        self.linked, self.registered, self.limited, self.seq = True, False, False, 0
        self.register(self.life, limits.REGISTER_REPEAT)
        self.ping(self.life)

    def register(self, life: int, wait: int) -> None:
        if life != self.life or not self.linked or self.registered or self.limited:
            return
        if wait == limits.REGISTER_REPEAT_MAX:
            # Four times without an answer: another connection is in the way, or this one is dead.
            self.connect()
            return
        known = None
        if self.music.epoch is not None and self.temper.tells_known:
            known = LastKnown(self.report(), self.music.epoch)
        self.say(
            events.Registered(
                self.place,
                self.conn,
                Description(self.place.device[:3], "desktop", self.able, self.volume),
                resume=self.temper.resumes,
                last_known=known,
                ephemeral=self.ephemeral,
            )
        )
        self.after(wait, lambda: self.register(life, min(2 * wait, limits.REGISTER_REPEAT_MAX)))

    def _device_offline(self, message: Message) -> None:
        """The coordinator says that this device is offline, and it is not: silence was loss."""
        if message["device_id"] == self.place.device and self.registered:
            self.registered = False
            self.register(self.life, limits.REGISTER_REPEAT)

    def ping(self, life: int) -> None:
        if life == self.life and self.linked:
            self.say(events.Pinged(self.place, self.clock()))
            self.after(limits.PING_EVERY, lambda: self.ping(life))

    def wind(self) -> None:
        """A renderer that plays reports each second, and goes on to its next track."""
        plays = self.music.playing and self.music.epoch is not None
        if plays and self.linked and self._ticking != self.life:
            life = self._ticking = self.life
            self.after(limits.TICK_EVERY, lambda: self._tick(life))

    def _tick(self, life: int) -> None:
        if life == self._ticking:
            self._ticking = 0
        if life != self.life or not self.music.playing or self.music.epoch is None:
            return
        ended = self.music.ends(self.time.now)
        self.say_state(tick=not ended)
        self.wind()

    def cut(self) -> None:
        """The connection is gone, and this side knows. What was said may still be under way."""
        self.linked = self.registered = False
        self.life += 1

    def kill(self) -> None:
        """The process is gone, and all that it knew with it."""
        self.cut()
        self.music = Music()
        self.music.rate = self.rate
        self.executed.clear()
        self.open.clear()
        self.known = {}
        self.prepared, self.coordinator = None, None

    def leave(self) -> None:
        self.say(events.SaidGoodbye(self.place, self.conn, "quit"))
        self.music.halt(self.time.now)
        self.cut()

    def say(self, event: events.Event) -> bool:
        """Say it to the coordinator. Returns whether it may arrive."""
        conn = self.conn
        return self.linked and self.up.carry(lambda: self._arrives(event, conn))

    def _arrives(self, event: events.Event, conn: str) -> None:
        # The broker closed that connection for the next one: it reads nothing more from it. Of reports
        # that is not relied on, and commands are somebody's wish still; but who is gone does not play.
        closed = conn != self.conn and self.conn in self.arrived
        if isinstance(event, events.PlaybackClaimed) and closed:
            return
        if isinstance(event, events.Registered):
            if closed and conn not in self.arrived:
                return
            self.arrived.append(conn)
        self._say(event)

    # Asking

    def ask(self, make: Callable[[str], events.Event]) -> str:
        """Say a request, and again while it has no final answer. Returns its id."""
        self.ids += 1
        request = f"{self.place.device[:8]}-0000-4000-8000-{self.ids:012x}"
        self.open[request] = self.time.now + 30_000
        event = make(request)
        self._repeat(request, event)
        return request

    def _repeat(self, request: str, event: events.Event) -> None:
        if self.open.get(request, 0) <= self.time.now:
            self.open.pop(request, None)
            return
        self.say(event)
        self.after(5_000, lambda: self._repeat(request, event))

    def may(self, what: str) -> bool:
        """Whether the broker would let it say this now: guests by their scope."""
        return self.registered and (self.place.node == "device" or what in self.scope)

    def command(self, command: Mapping[str, Any], target: str | None, lasts: int | None) -> None:
        issued = self.guess()
        expires = None if issued is None or lasts is None else issued + lasts
        self.ask(
            lambda request: events.CommandRequested(
                self.place, request, target, command, issued, expires, Random(request).getrandbits(128)
            )
        )

    def transfer(self, to: str, play: str, position_ms: int | None) -> None:
        self.ask(lambda request: events.TransferRequested(self.place, request, to, play, position_ms))

    def claim(self, queue: tuple[str, ...]) -> None:
        """Someone pressed play on the device itself: it plays when the answer names its epoch."""
        report = Report(
            queue[0], 0, None, True, queue, 0, self.volume, False, "off", self.music.length, None
        )  # fmt: skip
        issued = self.guess()
        claim = self.ask(lambda request: events.PlaybackClaimed(self.place, request, report, issued))
        if self.music.claimed is not None:
            # The earlier claim may still arrive after this one; the state shows which came last.
            self.open.pop(self.music.claimed[0], None)
            self.contested = True
        self.music.claimed = claim, queue

    # Hearing

    def hear(self, message: Message, life: int) -> None:
        """A message on the connection of this `life`."""
        if not self.linked or life != self.life:
            return
        getattr(self, "_" + message["type"], lambda _: None)(message)

    def _registered(self, message: Message) -> None:
        if message["conn"] != self.conn:
            return
        state, coordinator = message["current_state"], message["coordinator"]
        self._learn(state)
        if self.registered and coordinator == self.coordinator:
            # The answer to a repetition: it has loaded what it was to load, and may play by now.
            return
        self.registered, self.coordinator = True, coordinator
        self.prepared = None
        if message["should_resume"]:
            self.music.load(state, self.time.now, playing=False)
            self.music.epoch = state["epoch"]
            # What it did since that state is undone, and may be asked for again.
            self.executed.clear()
        if self.music.epoch is not None:
            self.say_state(queue=not self.able.max_payload_bytes)

    def _error(self, message: Message) -> None:
        if message["code"] == "not_registered" and self.registered:
            self.registered = False
            self.register(self.life, limits.REGISTER_REPEAT)
        elif message["code"] == "device_limit_reached":
            self.limited = True
        elif "id" in message:
            self.open.pop(message["id"], None)

    def _pong(self, message: Message) -> None:
        if self._clock.asks:
            self.estimate = message["t0"] - message["t1"]

    def _command_result(self, message: Message) -> None:
        if message["status"] == "accepted":
            return
        asked = self.open.pop(message["id"], None)
        claimed = self.music.claimed
        if asked and claimed is not None and claimed[0] == message["id"]:
            self.music.claimed = None
            if message["status"] == "applied":
                self._claimed(message["epoch"], claimed[1])

    def _claimed(self, epoch: int, queue: tuple[str, ...]) -> None:
        """The claim's epoch is this device's, unless it learned of a higher one meanwhile."""
        if epoch == self.music.epoch:
            # Commands of that epoch came before the answer: what they left is what plays.
            self.music.untold = True
        elif epoch >= max(self.known.get("epoch", 0), self.music.epoch or 0):
            self.music.start(epoch, queue, self.time.now)
            self.music.untold, self.contested = self.contested, False

    def _playback_state(self, message: Message) -> None:
        state, claimed = message["state"], self.music.claimed
        if claimed is not None and claimed[0] in state["applied"]:
            # The answer may be lost: this says it too.
            self.music.claimed = None
            self.open.pop(claimed[0], None)
            if state["device_id"] == self.place.device:
                self._claimed(state["epoch"], claimed[1])
        self._learn(state)

    def _learn(self, state: Message) -> None:
        """A renderer that learns of a higher epoch stops at once."""
        if state["epoch"] >= self.known.get("epoch", 0):
            self.known = state
        if self.music.epoch is not None and state["epoch"] > self.music.epoch:
            self.music.stop(self.time.now)

    def _execute_command(self, message: Message) -> None:
        command, request = message["command"], message["id"]
        if request in self.executed:
            self.say_state(applied=(request,))
            return
        if command["type"] == "set_volume":
            self.volume = command["volume"]
        elif self.music.epoch is None or message["epoch"] > self.music.epoch:
            if message["epoch"] < self.known.get("epoch", 0):
                return
            self._take(message["epoch"])
        elif message["epoch"] < self.music.epoch:
            return
        self.heard += 1
        if self.temper.refuses and self.heard % self.temper.refuses == 0:
            self.say_state(refused=((request, "unsupported"),))
            return
        self.music.execute(command, self.time.now)
        self.executed.append(request)
        self._say_applied(request, message["expires_at"])

    def _take(self, epoch: int) -> None:
        """It is the renderer, and nobody told it what to play: the state says that, if it was heard."""
        if self.known.get("epoch") == epoch and not self.able.max_payload_bytes:
            self.music.load(self.known, self.time.now, playing=False)
        else:
            self.music.forget()
        self.music.epoch = epoch

    def _say_applied(self, request: str, expires_at: int) -> None:
        life, wait = self.life, self.temper.answers_after
        # Of what is answered too late the coordinator remembers a little, and nothing after a restart.
        self.music.untold = self.music.untold or self.time.now + round(wait / self.rate) >= expires_at - 5
        if not wait:
            self.say_state(applied=(request,))
            return
        self.after(wait, lambda: self._say_done(request, life))

    def _say_done(self, request: str, life: int) -> None:
        # What `should_resume` undid meanwhile is not done.
        if life == self.life and request in self.executed:
            self.say_state(applied=(request,))

    def _prepare_playback(self, message: Message) -> None:
        self.prepared = transfer = message["transfer_id"]
        answer, life = self.temper.prepares, self.life
        if answer:
            self.after(self.temper.prepared_after, lambda: self._answer(life, transfer, answer))

    def _answer(self, life: int, transfer: str, answer: str) -> None:
        if life == self.life:
            self.say(events.TransferAnswered(self.place, transfer, answer, None))

    def _start_playback(self, message: Message) -> None:
        if message["epoch"] < max(self.known.get("epoch", 0), self.music.epoch or 0):
            return
        self.prepared = None
        if self.temper.starts != "started":
            if self.temper.starts:
                self._answer(self.life, message["transfer_id"], self.temper.starts)
            return
        if self.music.epoch != message["epoch"]:
            state = message["state"]
            self.music.epoch = message["epoch"]
            self.music.load(state, self.time.now, playing=state["is_playing"])
            self.volume = state["volume"]
        self._answer(self.life, message["transfer_id"], "started")
        self.say_state()

    def _stop_playback(self, message: Message) -> None:
        if message["reason"] == "aborted":
            self.prepared = None
        elif self.music.epoch is not None and message["epoch"] >= self.music.epoch:
            self.music.stop(self.time.now)

    # Reporting

    def report(self, *, queue: bool = False) -> Report:
        return self.music.report(self.time.now, self.guess(), self.volume, queue=queue)

    def say_state(
        self,
        applied: tuple[str, ...] = (),
        refused: tuple[tuple[str, str], ...] = (),
        *,
        queue: bool = False,
        tick: bool = False,
    ) -> None:
        if not self.registered:
            return
        self.seq += 1
        self.said += 1
        every = self.temper.repeats_queue
        queue = queue or bool(every and self.said % every == 0)
        report = self.report(queue=queue) if self.music.epoch is not None else None
        volume = self.volume if report is None else None
        arrives = self.say(
            events.StateReported(
                self.place, self.conn, self.seq, self.music.epoch, report, volume, applied, refused
            )
        )
        if not arrives:
            # On a connection that goes on, MQTT loses only what it is told to care less for: ticks.
            self.music.untold = self.music.untold or not tick
