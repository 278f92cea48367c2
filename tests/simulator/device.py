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
from soul_coordinator.core import events
from soul_coordinator.core.values import Address, Capabilities, Description, LastKnown, Message, Report
from soul_protocol import limits

Say = Callable[[events.Event], None]


class Device:
    """A client on one device id. `up` and `down` are its connection, while `linked`."""

    def __init__(
        self, time: Time, dice: Random, place: Address, say: Say, *, ephemeral: bool = False, **able: Any
    ) -> None:
        self.time, self.dice, self.place, self._say = time, dice, place, say
        self.ephemeral = ephemeral
        self.able = Capabilities(
            can_render=able.get("can_render", True),
            can_control=able.get("can_control", True),
            can_host_jam=False,
            supported_formats=("flac",),
            max_sample_rate=48_000,
            max_payload_bytes=able.get("max_payload_bytes"),
        )
        self.up, self.down = Link(time, dice), Link(time, dice)
        self.volume = 0.5
        self.seq = self.ids = self.life = 0
        self.conn = ""
        self.linked = self.registered = self.left = False
        self.coordinator: str | None = None
        # Clocks lie by up to an hour; some devices never ask for the right time.
        self.clock_off = dice.randint(-limits.HOUR, limits.HOUR)
        self.asks_time = dice.random() < 0.8
        self.estimate: int | None = None
        self.music = Music()
        self.executed: deque[str] = deque(maxlen=64)
        self.open: dict[str, int] = {}
        self.known: dict[str, Any] = {}
        self.prepared: str | None = None

    # The connection

    def connect(self) -> None:
        self.life += 1
        self.conn = f"{self.dice.getrandbits(64):016x}"
        self.linked, self.registered, self.left, self.seq = True, False, False, 0
        self.register(self.life, limits.REGISTER_REPEAT)
        self.ping(self.life)

    def register(self, life: int, wait: int) -> None:
        if life != self.life or not self.linked or self.registered:
            return
        known = None
        if self.music.epoch is not None and self.dice.random() < 0.7:
            known = LastKnown(self.report(), self.music.epoch)
        self.say(
            events.Registered(
                self.place,
                self.conn,
                Description(self.place.device[:3], "desktop", self.able, self.volume),
                resume=self.music.epoch is not None or self.dice.random() < 0.3,
                last_known=known,
                ephemeral=self.ephemeral,
            )
        )
        self.time.after(wait, lambda: self.register(life, min(2 * wait, limits.REGISTER_REPEAT_MAX)))

    def ping(self, life: int) -> None:
        if life == self.life and self.linked:
            self.say(events.Pinged(self.place, self.clock()))
            self.time.after(limits.PING_EVERY, lambda: self.ping(life))

    def cut(self) -> None:
        """The connection is gone, and this side knows. What was said may still be under way."""
        self.linked = self.registered = False
        self.life += 1

    def kill(self) -> None:
        """The process is gone, and all that it knew with it."""
        self.cut()
        self.music = Music()
        self.executed.clear()
        self.open.clear()
        self.prepared, self.coordinator = None, None

    def leave(self) -> None:
        self.say(events.SaidGoodbye(self.place, self.conn, "quit"))
        self.left = True
        self.music.playing = False
        self.cut()

    def say(self, event: events.Event) -> None:
        if self.linked:
            self.up.carry(lambda: self._say(event))

    def clock(self) -> int:
        return self.time.now + self.clock_off

    def issued_at(self) -> int | None:
        if not self.asks_time:
            return self.clock() if self.dice.random() < 0.3 else None
        return None if self.estimate is None else self.clock() - self.estimate

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
        self.time.after(5_000, lambda: self._repeat(request, event))

    def command(self, command: Mapping[str, Any], target: str | None) -> None:
        issued, entropy = self.issued_at(), self.dice.getrandbits(128)
        self.ask(
            lambda request: events.CommandRequested(
                self.place, request, target, command, issued, None, entropy
            )
        )

    def transfer(self, to: str, play: str, position_ms: int | None) -> None:
        self.ask(lambda request: events.TransferRequested(self.place, request, to, play, position_ms))

    def claim(self, queue: tuple[str, ...]) -> None:
        """Someone pressed play on the device itself: it plays when the answer names its epoch."""
        report = Report(
            queue[0], 0, None, True, queue, 0, self.volume, False, "off", self.music.length, None
        )  # fmt: skip
        issued = self.issued_at()
        claim = self.ask(lambda request: events.PlaybackClaimed(self.place, request, report, issued))
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
        self.registered = True
        self.coordinator = message["coordinator"]
        self.prepared = None
        state = message["current_state"]
        self._learn(state)
        if message["should_resume"]:
            self.music.load(state, self.time.now, playing=False)
            self.music.epoch = state["epoch"]
            self.say_state()

    def _error(self, message: Message) -> None:
        if message["code"] == "not_registered" and self.registered:
            self.registered = False
            self.register(self.life, limits.REGISTER_REPEAT)
        elif "id" in message:
            self.open.pop(message["id"], None)

    def _pong(self, message: Message) -> None:
        if self.asks_time:
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
        if epoch >= max(self.known.get("epoch", 0), self.music.epoch or 0):
            self.music.start(epoch, queue, self.time.now)

    def _playback_state(self, message: Message) -> None:
        self._learn(message["state"])

    def _learn(self, state: Message) -> None:
        """A renderer that learns of a higher epoch stops at once."""
        if state["epoch"] >= self.known.get("epoch", 0):
            self.known = {"epoch": state["epoch"], "device_id": state["device_id"]}
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
            self.music.epoch = message["epoch"]
        elif message["epoch"] < self.music.epoch:
            return
        if self.dice.random() < 0.03:
            self.say_state(refused=((request, "unsupported"),))
            return
        self.music.execute(command, self.time.now)
        self.executed.append(request)
        self.say_state(applied=(request,))

    def _prepare_playback(self, message: Message) -> None:
        fate = self.dice.random()
        self.prepared = transfer = message["transfer_id"]
        if fate < 0.9:
            answer = "ready" if fate < 0.85 else "failed"
            wait = self.dice.choice((30, 300, 3_000, 5_000))
            life = self.life
            self.time.after(wait, lambda: self._answer(life, transfer, answer))

    def _answer(self, life: int, transfer: str, answer: str) -> None:
        if life == self.life:
            self.say(events.TransferAnswered(self.place, transfer, answer, None))

    def _start_playback(self, message: Message) -> None:
        if message["epoch"] < max(self.known.get("epoch", 0), self.music.epoch or 0):
            return
        fate = self.dice.random()
        self.prepared = None
        if fate < 0.04:
            return
        if fate < 0.08:
            self._answer(self.life, message["transfer_id"], "failed")
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
        return self.music.report(self.time.now, self.clock_error(), self.volume, queue=queue)

    def clock_error(self) -> int:
        """How wrong this device's idea of the coordinator's clock is."""
        return 0 if self.estimate is None else self.clock_off - self.estimate

    def say_state(
        self, applied: tuple[str, ...] = (), refused: tuple[tuple[str, str], ...] = (), *, queue: bool = False
    ) -> None:
        if not self.registered:
            return
        self.seq += 1
        report = self.report(queue=queue) if self.music.epoch is not None else None
        volume = self.volume if report is None else None
        self.say(
            events.StateReported(
                self.place, self.conn, self.seq, self.music.epoch, report, volume, applied, refused
            )
        )
