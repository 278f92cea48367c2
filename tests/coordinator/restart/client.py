"""An honest client that makes no mistakes and throws no dice: it does the same each time.

It says events and hears wire messages, with the rules of a client: it registers again when
another coordinator is there, repeats requests that have no final answer, remembers what it
carried out, and stops when it learns of a higher epoch.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from simulator.links import Time
from simulator.music import Music
from soul_coordinator.core import events
from soul_coordinator.core.values import Address, Capabilities, Description, LastKnown, Message, Report
from soul_protocol import limits

TICK = 3_000
"""ms between two positions of a renderer that plays; the contract's is 1 s, this is a shorter story."""


class Broker(Protocol):
    """What carries a client's words."""

    time: Time

    def carry(self, event: events.Event) -> None:
        """A publish of a client that is linked, or its will."""


class Client:
    """One device. `answers` maps each of its requests to every result that it got.

    `habits` are where it is no ideal renderer: it `fails` to load, `says no ready`,
    `never starts`, or `refuses` a type of command.
    """

    def __init__(self, broker: Broker, place: Address, name: str, **able: Any) -> None:
        self._broker, self.place, self.name = broker, place, name
        self.ephemeral: bool = able.pop("ephemeral", False)
        self.habits = frozenset(able.pop("habits", ()))
        self.able = Capabilities(
            can_render=able.get("can_render", place.node == "device"),
            can_control=able.get("can_control", True),
            can_host_jam=False,
            supported_formats=("flac",),
            max_sample_rate=48_000,
            max_payload_bytes=able.get("max_payload_bytes"),
        )
        self.linked = self.registered = self.refused = False
        self.wanted = False
        """Whether it would connect again if its connection broke."""
        self.lives = self.seq = self.requests = 0
        self.coordinator: str | None = None
        self.highest = 0
        self.volume = 0.5
        self.music = Music()
        self.executed: dict[str, str | None] = {}
        self.untold: dict[str, str | None] = {}
        self.prepared: str | None = None
        self.started: str | None = None
        self.claiming: str | None = None
        self.edited = False
        """Whether the queue was changed on this device itself since it came from elsewhere."""
        self.open: dict[str, events.Event] = {}
        self.answers: dict[str, list[tuple[str, str | None]]] = {}
        self._ticks = 0

    @property
    def id(self) -> str:
        return self.place.device

    @property
    def conn(self) -> str:
        return f"{int(self.id[:8], 16):08x}{self.lives:08x}"

    @property
    def now(self) -> int:
        return self._broker.time.now

    # The connection

    def connect(self) -> None:
        """A new connection, unless it has one or is refused."""
        self.wanted = True
        if self.linked or self.refused:
            return
        self.lives += 1
        self.seq = 0
        self.linked = True
        self.register(self.lives, limits.REGISTER_REPEAT)
        self._ping(self.lives)

    def register(self, life: int, repeat: int) -> None:
        """Say `register`, and again until it is answered."""
        if life != self.lives or not self.linked or self.registered:
            return
        known = (
            None if self.music.epoch is None else LastKnown(self.report(queue=self.edited), self.music.epoch)
        )
        self.say(
            events.Registered(
                self.place,
                self.conn,
                Description(self.name, "desktop", self.able, self.volume),
                resume=self.able.can_render,
                last_known=known,
                ephemeral=self.ephemeral,
            )
        )
        later = min(2 * repeat, limits.REGISTER_REPEAT_MAX)
        self._broker.time.after(repeat, lambda: self.register(life, later))

    def register_again(self) -> None:
        """Another coordinator is there."""
        if self.linked:
            self.registered = False
            self.register(self.lives, limits.REGISTER_REPEAT)

    def _ping(self, life: int) -> None:
        if life == self.lives and self.linked:
            self.say(events.Pinged(self.place, 0))
            self._broker.time.after(limits.PING_EVERY, lambda: self._ping(life))

    def cut(self) -> None:
        """The connection is gone; the music goes on."""
        self.linked = self.registered = False
        self.prepared = None

    def die(self) -> None:
        """The process is gone, and all that it knew; its will is published."""
        will = events.ConnectionLost(self.place, self.conn)
        self.wanted = False
        if self.linked:
            self._broker.carry(will)
        self.cut()
        self.music, self.executed, self.untold = Music(), {}, {}
        self.coordinator, self.claiming, self.started = None, None, None
        for request in tuple(self.open):
            self._give_up(request)

    def lose(self) -> None:
        """The link breaks: its will is published, and the music goes on."""
        self.wanted = False
        if self.linked:
            self._broker.carry(events.ConnectionLost(self.place, self.conn))
        self.cut()

    def leave(self) -> None:
        """The clean goodbye, the music stopped and reported before."""
        self.wanted = False
        if self.music.playing:
            self.music.execute({"type": "pause"}, self.now)
            self.tell()
        self.say(events.SaidGoodbye(self.place, self.conn, "quit"))
        self.cut()

    def banish(self) -> None:
        """The broker closed the connection and takes no other: deleted, or a token at its end."""
        self.refused, self.wanted = True, False
        if self.linked:
            self._broker.carry(events.ConnectionLost(self.place, self.conn))
        self.cut()
        self.music = Music()
        for request in tuple(self.open):
            self._give_up(request)

    def _give_up(self, request: str) -> None:
        del self.open[request]
        self.answers.setdefault(request, []).append(("unheard", None))

    def say(self, event: events.Event) -> None:
        if self.linked:
            self._broker.carry(event)

    # Asking

    def ask(self, request: str, event: events.Event) -> str:
        """A request: said now, or as soon as it is registered."""
        if self.refused:
            return request
        self.open[request] = event
        if self.registered:
            self.say(event)
        return request

    def new_id(self) -> str:
        self.requests += 1
        return f"{self.id[:8]}-0000-4000-8000-{self.requests:012x}"

    def command(
        self, kind: str, *, to: "Client | None" = None, issued_at: int | None = None, **fields: Any
    ) -> str:
        request = self.new_id()
        target = None if to is None else to.id
        # A repeated request is shuffled as the first one would have been.
        entropy = int(self.id[:8], 16) * 0x9E3779B97F4A7C15 + self.requests
        command = {"type": kind, **fields}
        return self.ask(
            request, events.CommandRequested(self.place, request, target, command, issued_at, None, entropy)
        )

    def transfer(self, to: "Client", play: str = "keep", position_ms: int | None = None) -> str:
        request = self.new_id()
        return self.ask(request, events.TransferRequested(self.place, request, to.id, play, position_ms))

    def rename(self, other: "Client", name: str) -> str:
        request = self.new_id()
        return self.ask(request, events.RenameRequested(self.place, request, other.id, name))

    def delete(self, other: "Client") -> str:
        request = self.new_id()
        return self.ask(request, events.DeletionRequested(self.place, request, other.id))

    def play_here(self, queue: tuple[str, ...]) -> str:
        """Someone presses play on this device: it sounds at once, and claims."""
        music = self.music
        epoch = music.epoch
        music.start(0, queue, self.now)
        music.epoch = epoch
        self.claiming = request = self.new_id()
        report = self.report(queue=True)
        return self.ask(request, events.PlaybackClaimed(self.place, request, report, None))

    # Pressed on the device itself

    def do_here(self, kind: str, **fields: Any) -> None:
        """A local change of a renderer, reported at once."""
        self.music.execute({"type": kind, **fields}, self.now)
        self.edited |= kind == "set_queue"
        self.tell(queue=self.edited)

    def turn(self, volume: float) -> None:
        self.volume = volume
        self.tell()

    # Hearing

    def hear(self, message: Message, life: int) -> None:
        """A message on the connection of this `life`."""
        if self.linked and life == self.lives:
            getattr(self, "_" + message["type"], lambda _: None)(message)

    def _registered(self, message: Message) -> None:
        if message["conn"] != self.conn:
            return
        self.registered, self.coordinator = True, message["coordinator"]
        self._drop_prepared()
        state = message["current_state"]
        self.highest = state["epoch"]
        if state["device_id"] == self.id:
            self.music.epoch = state["epoch"]
            loads = message["should_resume"] or self.music.track() is None
            if loads:
                self.music.load(state, self.now, playing=False)
                # What was carried out since that state is undone, and may be asked for again.
                self.executed, self.untold, self.edited = {}, {}, False
            self.tell(queue=self.edited)
        elif self.music.epoch is not None:
            self._go_idle()
        else:
            self.tell()
        for event in tuple(self.open.values()):
            self.say(event)

    def _error(self, message: Message) -> None:
        if message["code"] == "not_registered" and self.registered:
            self.register_again()
        elif message.get("id") in self.open:
            del self.open[message["id"]]
            self.answers.setdefault(message["id"], []).append(("error", message["code"]))

    def _command_result(self, message: Message) -> None:
        answer = message["status"], message.get("code")
        self.answers.setdefault(message["id"], []).append(answer)
        if answer[0] == "accepted":
            return
        self.open.pop(message["id"], None)
        if message["id"] != self.claiming:
            return
        self.claiming = None
        if answer[0] == "applied" and message["epoch"] >= self.highest:
            self.highest = self.music.epoch = message["epoch"]
            self.tell()
        elif self.music.epoch is None:
            self._go_idle()

    def _playback_state(self, message: Message) -> None:
        state = message["state"]
        self.highest = max(self.highest, state["epoch"])
        if self.music.epoch is not None and state["epoch"] > self.music.epoch:
            if state["device_id"] == self.id:
                self.music.epoch = state["epoch"]
            else:
                self._go_idle()

    def _execute_command(self, message: Message) -> None:
        request, command = message["id"], message["command"]
        if request not in self.executed:
            self.executed[request] = self._obey(message["epoch"], command)
        self.untold[request] = self.executed[request]
        self.highest = max(self.highest, message["epoch"])
        self.tell()

    def _obey(self, epoch: int, command: Mapping[str, Any]) -> str | None:
        """Carry it out; or why not."""
        if f"refuses {command['type']}" in self.habits:
            return "unsupported"
        if command["type"] == "set_volume":
            self.volume = command["volume"]
            return None
        if epoch < self.highest:
            return "not_active"
        if self.music.epoch != epoch:
            self.music.epoch, self.prepared = epoch, None
        self.music.execute(command, self.now)
        self.edited &= command["type"] not in {"set_queue", "set_shuffle"}
        return None

    def _prepare_playback(self, message: Message) -> None:
        if message["epoch"] < self.highest or "says no ready" in self.habits:
            return
        if "fails" in self.habits:
            self._outcome(message, "failed")
            return
        if self.music.epoch is None:
            self.music.load(message["state"], self.now, playing=False)
            self.prepared = message["transfer_id"]
        self._broker.time.after(200, lambda: self._outcome(message, "ready"))

    def _start_playback(self, message: Message) -> None:
        if message["epoch"] < self.highest or "never starts" in self.habits:
            return
        self.highest, self.prepared, self.claiming = message["epoch"], None, None
        if self.started != message["transfer_id"]:
            state = message["state"]
            self.started = message["transfer_id"]
            self.music.load(state, self.now, playing=state["is_playing"])
            self.music.epoch = message["epoch"]
        self._outcome(message, "started")
        self.tell()

    def _outcome(self, message: Message, answer: str) -> None:
        if self.registered:
            self.say(events.TransferAnswered(self.place, message["transfer_id"], answer, None))

    def _stop_playback(self, message: Message) -> None:
        if message["reason"] == "aborted":
            if self.prepared == message.get("transfer_id"):
                self._drop_prepared()
        elif self.music.epoch is not None:
            if message["epoch"] >= self.music.epoch:
                self._go_idle()
        elif self.claiming is not None and message["epoch"] > self.highest:
            self._go_idle()

    def _drop_prepared(self) -> None:
        if self.prepared is not None:
            self.prepared = None
            if self.music.epoch is None:
                self.music = Music()

    def _go_idle(self) -> None:
        self.music = Music()
        self.prepared = self.started = self.claiming = None

    # Reporting

    def report(self, *, queue: bool = False) -> Report:
        return self.music.report(self.now, self.now, self.volume, queue=queue)

    def tell(self, *, queue: bool = False) -> None:
        """Report, and again every few seconds while it plays."""
        self._ticks += 1
        if not self.registered or (self.music.epoch is None and self.claiming is not None):
            return
        self.seq += 1
        playing = self.music.epoch is not None
        applied = tuple(one for one, code in self.untold.items() if code is None)
        refused = tuple((one, code) for one, code in self.untold.items() if code is not None)
        self.untold = {}
        self.say(
            events.StateReported(
                self.place,
                self.conn,
                self.seq,
                self.music.epoch,
                self.report(queue=queue) if playing else None,
                None if playing else self.volume,
                applied,
                refused,
            )
        )
        if playing and self.music.playing:
            ticks = self._ticks
            self._broker.time.after(TICK, lambda: self.tell() if ticks == self._ticks else None)
