"""A world: users and their devices, the coordinator's process, and what befalls them.

A world does nothing by itself. Actions (`simulator.actions`) are played into it one after the
other, and between them time runs; the same actions make the same world.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from simulator.device import Device
from simulator.links import START, Fate, Link, Time
from simulator.process import Process
from soul_coordinator.core.effects import CloseConnection, Effect, Execute, Publish, Reply
from soul_coordinator.core.values import Address
from soul_protocol import limits

NAP = 10 * limits.MINUTE
"""A longer time without an action is slept through: connections end, only deadlines go on."""


AWAY = 4_000
"""How long a removed account stays away."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the story: at `now`, `what` happened, and `effects` came of it."""

    now: int
    what: Any
    effects: Sequence[Effect] = ()


@dataclass(frozen=True, slots=True)
class Member:
    """A device that there may be: whose, what it is called in stories, and what it can do."""

    user: str
    name: str
    able: dict[str, Any]


def _household(user: str, rooms: int) -> tuple[Member, ...]:
    kinds: dict[str, dict[str, Any]] = {
        "kitchen": {},
        "study": {},
        "dap": {"max_payload_bytes": 2_400},
        "tv": {"can_control": False},
        "phone": {"can_render": False},
        "guest": {"node": "guest"},
        "cli": {"ephemeral": True},
        **{f"room{number}": {} for number in range(1, rooms + 1)},
    }
    return tuple(Member(user, name, able) for name, able in kinds.items())


MEMBERS = (*_household("ann", 0), *_household("bob", 6))
"""Everyone's devices; bob has more than may be listed."""


class World:
    """`story` keeps the last `remember` lines; None: all."""

    def __init__(self, *, remember: int | None = 60) -> None:
        self.time = Time(START)
        self.story: deque[Line] = deque(maxlen=remember)
        self.process = Process(self.time, tell=self._tell, note=self._note)
        self.process.on_start = self._everyone_hears_of_the_start
        self.devices = [self._device(number, member) for number, member in enumerate(MEMBERS)]
        self.jumps = self.played = 0
        self.removed_at: dict[str, int] = {}
        self.process.start()

    def _device(self, number: int, member: Member) -> Device:
        able = dict(member.able)
        node, ephemeral = able.pop("node", "device"), able.pop("ephemeral", False)
        place = Address(member.user, node, f"{number + 1:08x}-0000-4000-8000-000000000000")
        links = (
            Link(self.time, partial(self._befell, member, "up")),
            Link(self.time, partial(self._befell, member, "down")),
        )
        return Device(self.time, place, links, self.process.arrive, ephemeral=ephemeral, **able)

    def _note(self, what: Any, effects: Sequence[Effect]) -> None:
        self.story.append(Line(self.time.now, what, effects))

    @property
    def hours(self) -> int:
        """How long this world has lived."""
        return (self.time.now - START) // limits.HOUR

    def has_account(self, user: str) -> bool:
        """Whether a user has an account; a removed one's comes again after a while."""
        removed = self.removed_at.get(user)
        if removed is not None and self.time.now - removed < AWAY:
            return False
        if user in self.process.unheard:
            # Until the coordinator was told, what it saves is of the old one, and is left out: SqliteStore
            # knows them by a number, this store by their names.
            return False
        self.process.store.create(user)
        return True

    def begins(self, action: Any) -> None:
        """An action is about to be played."""
        self.played += 1
        self._note(action, ())

    def _befell(self, member: Member, way: str, number: int, fate: Fate) -> None:
        words = "is lost" if not fate else f"arrives after {' and '.join(map(str, fate))} ms"
        self._note(f"message {number} {way} of {member.user}'s {member.name} {words}", ())

    # The coordinator and its devices

    def _everyone_hears_of_the_start(self) -> None:
        for number, device in enumerate(self.devices):
            spread = (number * 911 + self.process.starts * 577) % limits.REREGISTER_SPREAD
            self.time.after(20 + spread, partial(self._register_again, device))

    def _register_again(self, device: Device) -> None:
        core = self.process.core
        if device.linked and core is not None and device.coordinator != core.id:
            device.registered = False
            device.register(device.life, limits.REGISTER_REPEAT)

    def _tell(self, effect: Effect) -> None:
        match effect:
            case Reply(to, message) | Execute(to, message):
                for device in self.devices:
                    if device.place == to and device.linked:
                        device.down.carry(partial(self._hear, device, message, device.life))
            case Publish(whose, "state", message) if message is not None:
                for device in self.devices:
                    if device.place.user == whose and device.linked and not device.able.max_payload_bytes:
                        device.down.carry(partial(self._hear, device, message, device.life))
            case Publish(whose, "event", {"type": "device_offline", "device_id": gone} as message):
                for device in self.devices:
                    if device.place.user == whose and device.place.device == gone:
                        self.time.after(2, partial(self._hear, device, message, device.life))
            case CloseConnection(whose, gone, _):
                for device in self.devices:
                    if device.place.user == whose and gone in {None, device.place.device}:
                        device.cut()
                        device.open.clear()
            case _:
                pass

    def _hear(self, device: Device, message: Any, life: int) -> None:
        device.hear(message, life)
        self.listen(device)

    def listen(self, device: Device) -> None:
        """Whether two devices play in one epoch; whoever plays says so each second."""
        device.wind()
        music = device.music
        if music.playing and music.epoch is not None:
            self.process.rules.sounds(device.place.user, music.epoch, device.place.device)

    # Time

    def run(self, until: int) -> None:
        """Everything that happens until then (ms since the start)."""
        end = START + until
        while True:
            due, coming = self.process.due, self.time.next
            if coming is not None and coming <= end and (due is None or coming < max(due, self.time.now)):
                self.time.pop()()
            elif due is not None and due <= end:
                self.time.now = max(self.time.now, due)
                self.process.decide()
            else:
                break
        self.time.now = max(self.time.now, end)

    def wait(self, until: int) -> None:
        """Let time pass until then (ms since the start); a long time is slept through."""
        if START + until - self.time.now > NAP:
            self.jumps += 1
            self.process.wake()
            for device in self.devices:
                device.cut()
                device.open.clear()
        self.run(until)
        self.process.rules.forget_old()

    def sleep(self, ms: int) -> None:
        """The coordinator's machine stands still for `ms`; what comes meanwhile waits for it."""
        self.time.now += ms
        self.process.rules.asleep(ms)
