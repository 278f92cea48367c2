"""A world from one seed: users and their devices, the coordinator's core, and what befalls them."""

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from random import Random
from typing import Any

from simulator.device import Device
from simulator.invariants import Invariants
from simulator.links import Time, Weather
from simulator.moment import Moment, before
from simulator.playback_rules import PlaybackRules
from simulator.presence_rules import PresenceRules
from simulator.request_rules import RequestRules
from simulator.store import MemoryStore, user_of
from soul_coordinator.core import events
from soul_coordinator.core.coordinator import Coordinator
from soul_coordinator.core.effects import CloseConnection, Effect, Execute, ForgetDevice, Publish, Reply
from soul_coordinator.core.events import DeadlineReached
from soul_coordinator.core.records import GuestPass
from soul_coordinator.core.values import Address
from soul_protocol import limits

START = 1_700_000_000_000
KILLED_EVERY = 3_000
COMPARED_EVERY = 25
JUMPS = (90_000, 180_000, limits.HOUR, 20 * limits.HOUR, 25 * limits.HOUR, 31 * limits.DAY)

Line = tuple[int, object, Sequence[object]]


class World:
    """`step` until `handled` events are; a `BrokenError` comes out where an invariant does not hold."""

    def __init__(self, seed: int, *, users: int = 2) -> None:
        self.dice = Random(seed)
        self.time = Time(START)
        self.store = MemoryStore()
        self.watch = Invariants(self.store)
        self.presence, self.requests = PresenceRules(), RequestRules(self.store)
        self.playback = PlaybackRules()
        self.devices: dict[tuple[str, str], Device] = {}
        self.handled = self.starts = self.jumps = 0
        self.story: deque[Line] = deque(maxlen=60)
        self.core: Coordinator | None = None
        for number in range(users):
            self._move_in(f"user-{number}", number)
        self.start()

    def _move_in(self, user: str, number: int) -> None:
        kinds: tuple[dict[str, Any], ...] = (
            {}, {}, {"max_payload_bytes": 3_000}, {"can_control": False}, {"can_render": False},
            {"node": "guest"}, {"ephemeral": True},
        )  # fmt: skip
        for place, kind in enumerate(kinds):
            able = dict(kind)
            node = able.pop("node", "device")
            name = f"{number * 16 + place + 1:08x}-0000-4000-8000-000000000000"
            address = Address(user, node, name)
            self.devices[user, name] = Device(self.time, self.dice, address, self.arrive, **able)

    # The coordinator

    def start(self) -> None:
        """Start the coordinator from what was saved, and from nothing else."""
        self.starts += 1
        now = self.watch.now = self.time.now
        self.watch.restarted()
        self.presence.restarted(
            now, {(user, device) for user, rows in self.store.users.items() for device in rows.devices}
        )
        self.requests.restarted()
        self.playback.restarted()
        self.core = Coordinator(coordinator_id=f"c{self.starts}", users=self.store.load(), now=now)
        self.carry_out(None, self.core.start(now=now), (None, None, False))
        for device in self.devices.values():
            self.time.after(self.dice.randint(20, 3_000), partial(self._register_again, device))

    def _register_again(self, device: Device) -> None:
        if device.linked and self.core is not None and device.coordinator != self.core.id:
            device.registered = False
            device.register(device.life, limits.REGISTER_REPEAT)

    def kill(self) -> None:
        self.core = None
        self.time.after(self.dice.choice((1, 500, 20_000)), self.start)

    def arrive(self, event: events.Event) -> None:
        """An event reaches the coordinator; nobody hears what comes while it is down."""
        core, self.watch.now = self.core, self.time.now
        if core is None:
            return
        was = self.watch.before(core, event)
        known = before(core, event, self.time.now)
        effects = core.handle(event, now=self.time.now)
        self.handled += 1
        moment = Moment(core, self.time.now, event, known, effects)
        killed = self.dice.randrange(KILLED_EVERY) == 0
        self.carry_out(event, effects, was, killed=killed)
        self.presence.check(moment)
        self.requests.check(moment)
        self.playback.check(moment)
        if killed:
            self.kill()
        elif self.handled % COMPARED_EVERY == 0:
            self.watch.saved(core)
            self.presence.still(core, self.time.now)

    def carry_out(
        self, event: events.Event | None, effects: Sequence[Effect], was: Any, *, killed: bool = False
    ) -> None:
        self.story.append((self.time.now, event, effects))
        tells: list[Effect] = []
        for effect in effects:
            match effect:
                case Reply() | Execute() | Publish() | CloseConnection():
                    tells.append(effect)
                case _:
                    self.store.of(user_of(effect)).apply(effect)
        if killed:
            # What is saved is saved, and not all of it is told.
            tells = tells[: self.dice.randint(0, len(tells))]
        self.watch.after(event, tells if killed else effects, was)
        for effect in effects:
            if isinstance(effect, ForgetDevice):
                self.watch.forgotten(effect.device)
        for effect in tells:
            self._tell(effect)

    def _tell(self, effect: Effect) -> None:
        match effect:
            case Reply(to, message) | Execute(to, message):
                device = self.devices.get((to.user, to.device))
                if device is not None and device.linked and device.place.node == to.node:
                    device.down.carry(partial(device.hear, message, device.life))
            case Publish(whose, "state", message) if message is not None:
                for (user, _), device in self.devices.items():
                    if user == whose and device.linked and device.able.max_payload_bytes is None:
                        device.down.carry(partial(device.hear, message, device.life))
            case CloseConnection(whose, gone, _):
                for (user, name), device in self.devices.items():
                    if user == whose and device.linked and gone in {None, name}:
                        device.cut()
            case _:
                pass

    # Time

    def step(self) -> None:
        """The next thing happens: a deadline of the core, or something out there."""
        due = None if self.core is None else self.core.next_deadline()
        coming = self.time.next
        if due is not None and (coming is None or due <= coming):
            self.time.now = max(self.time.now, due)
            self.arrive(DeadlineReached())
        elif coming is not None:
            self.time.pop()()
        for (user, name), device in self.devices.items():
            music = device.music
            if music.playing and music.epoch is not None:
                self.watch.sounds(user, music.epoch, name)

    def run(self, ms: int) -> None:
        """Everything that happens in the next `ms`."""
        end = self.time.now + ms
        while True:
            due = None if self.core is None else self.core.next_deadline()
            moments = [at for at in (due, self.time.next) if at is not None and at <= end]
            if not moments:
                break
            self.step()
        self.time.now = max(self.time.now, end)

    def jump(self, ms: int) -> None:
        """Everyone sleeps: what was under way is lost, and only the coordinator's deadlines go on."""
        self.jumps += 1
        self.time.clear()
        for device in self.devices.values():
            device.cut()
            device.open.clear()
        if self.core is None:
            self.start()
        self.run(ms)
        self.watch.forget_old()

    def weather(self) -> None:
        for device in self.devices.values():
            device.up.weather, device.down.weather = Weather.drawn(self.dice), Weather.drawn(self.dice)

    def invite(self, guest: Device) -> None:
        scope = frozenset(one for one in ("control", "queue", "transfer") if self.dice.random() < 0.7)
        allowed = GuestPass(guest.place.device, scope, self.time.now + 2 * limits.HOUR)
        self.store.of(guest.place.user).passes[allowed.device] = allowed
        self.arrive(events.PassIssued(guest.place.user, allowed))

    def later(self, ms: int, what: Callable[[], None]) -> None:
        self.time.after(ms, what)
