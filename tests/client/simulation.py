"""A world in memory: a broker with faults, and the real coordinator's core behind it.

The clients in it are real down to their transport. Times are virtual.
"""

import asyncio
import base64
import json
import random
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from client.memory_broker import MemoryBroker
from soul_connect.client import ConnectClient
from soul_connect.device_file import DeviceFile
from soul_connect.players.player import Player
from soul_connect.players.simulated import SimulatedEngine
from soul_connect.wiring import Wiring
from soul_coordinator.adapters.inbound import event_of
from soul_coordinator.adapters.outbound import Outgoing, outgoing, status
from soul_coordinator.adapters.sqlite import SqliteStore
from soul_coordinator.core.coordinator import Coordinator
from soul_coordinator.core.effects import CloseConnection, Effect, Execute, Publish, Reply
from soul_coordinator.core.events import DeadlineReached
from soul_protocol.models import DeviceType
from soul_protocol.topics import BROKER_CLOSE

EPOCH_MS = 1_700_000_000_000


def token(user: str = "alice", **claims: object) -> str:
    """What a client reads of a token; nobody here checks a signature."""

    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'none'})}.{part({'sub': user, **claims})}.nosignature"


def device_id(number: int) -> str:
    """A recognizable UUID."""
    return f"{number:08d}-0000-4000-8000-000000000000"


class Home:
    """The coordinator: its real core and store, and a link without a wire."""

    def __init__(self, broker: MemoryBroker, database: Path) -> None:
        self._broker = broker
        self._store = SqliteStore(database, clock=self.now)
        self._core: Coordinator | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._random = random.Random(1)
        broker.home = self

    def now(self) -> int:
        return EPOCH_MS + int(asyncio.get_running_loop().time() * 1_000)

    def start(self) -> None:
        core = Coordinator(
            coordinator_id=self._random.randbytes(8).hex(), users=self._store.load(), now=self.now()
        )
        self._core = core
        self._carry_out(core.start(now=self.now()))
        self._publish(status(core.id, online=True, started_at=core.started_at))

    def kill(self) -> None:
        """Nothing is said any more; what was saved stays."""
        self._core = None
        if self._timer is not None:
            self._timer.cancel()

    def close(self) -> None:
        self.kill()
        self._store.close()

    def deliver(self, topic: str, payload: bytes) -> None:
        event = event_of(topic, payload, lambda: self._random.getrandbits(128))
        if event is not None and self._core is not None:
            self._carry_out(self._core.handle(event, now=self.now()))

    def _time_passed(self) -> None:
        if self._core is not None:
            self._carry_out(self._core.handle(DeadlineReached(), now=self.now()))

    def _carry_out(self, effects: tuple[Effect, ...]) -> None:
        self._store.commit(
            [one for one in effects if not isinstance(one, Reply | Execute | Publish | CloseConnection)]
        )
        for effect in effects:
            if isinstance(effect, Reply | Execute | Publish | CloseConnection):
                self._publish(outgoing(effect, now=self.now()))
        due = None if self._core is None else self._core.next_deadline()
        if self._timer is not None:
            self._timer.cancel()
        if due is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at((due + 1 - EPOCH_MS) / 1_000, self._time_passed)

    def _publish(self, out: Outgoing) -> None:
        if out.topic == BROKER_CLOSE:
            device = json.loads(out.payload).get("device")
            link = self._broker.links.get(device)
            if link is not None:
                self._broker.later(link, lambda: self._broker.lose(link, by_peer=True))
        else:
            self._broker.route(out.topic, out.payload, retain=out.retain)


@dataclass
class Stage:
    """A renderer on the stage."""

    player: Player
    engine: SimulatedEngine
    task: "asyncio.Task[None]"
    log: list[dict[str, Any]] = field(default_factory=list)

    @property
    def id(self) -> str:
        return self.player.client.device_id

    async def leave(self) -> None:
        self.task.cancel()
        await asyncio.wait({self.task})

    def crash(self, world: "World") -> None:
        """As a killed process: no goodbye, and nothing sounds."""
        link = world.broker.links.get(self.id)
        assert link is not None
        link.silent = True
        world.broker.lose(link, by_peer=False)


class _Log:
    """A text file that keeps its lines."""

    def __init__(self, lines: list[dict[str, Any]]) -> None:
        self._lines = lines

    def write(self, text: str) -> int:
        self._lines.append(json.loads(text))
        return len(text)

    def flush(self) -> None:
        pass


class World:
    """A broker, a coordinator, and those who come."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.broker = MemoryBroker()
        self.home = Home(self.broker, directory / "soul.db")
        self.stages: list[Stage] = []
        self.log: list[dict[str, Any]] = []
        self._seed = 0

    def wiring(self, *, skew: float = 0.0) -> Wiring:
        """Of a client whose clock is `skew` seconds ahead."""
        loop = asyncio.get_running_loop()
        self._seed += 1
        return Wiring(
            open_link=self.broker.open_link,
            clock=lambda: loop.time() + skew,
            rng=random.Random(self._seed),
        )

    def client(self, **options: Any) -> ConnectClient:
        """A remote control, ephemeral unless it has a device id."""
        return ConnectClient(
            **{
                "url": "mqtt://memory",
                "token": token(),
                "ephemeral": "device_id" not in options,
                "wiring": self.wiring(skew=options.pop("skew", 0.0)),
                **options,
            }
        )

    def player(self, number: int, **options: Any) -> Stage:
        """A renderer, running."""
        loop = asyncio.get_running_loop()
        lines: list[dict[str, Any]] = self.log
        engine = SimulatedEngine(
            name=str(number),
            load_ms=options.pop("load_ms", 0),
            log=_Log(lines),  # type: ignore[arg-type] # as much of a file as is used
            clock=loop.time,
        )
        file: DeviceFile | None = options.pop("device_file", None)
        player = Player(
            engine,
            **{
                "url": "mqtt://memory",
                "token": token(),
                "name": f"Player {number}",
                "device_id": None if file else device_id(number),
                "device_file": file,
                "device_type": DeviceType.DESKTOP,
                "wiring": self.wiring(skew=options.pop("skew", 0.0)),
                **options,
            },
        )
        stage = Stage(player, engine, asyncio.create_task(player.run()), lines)
        self.stages.append(stage)
        return stage

    def playing(self) -> list[str]:
        """Who sounds now."""
        return [stage.id for stage in self.stages if stage.engine.playing]

    def most_at_once(self) -> int:
        """How many players ever sounded at the same time."""
        now: set[str] = set()
        most = 0
        for line in self.log:
            (now.add if line["playing"] else now.discard)(line["player"])
            most = max(most, len(now))
        return most

    async def close(self) -> None:
        for stage in self.stages:
            await stage.leave()
        self.home.close()


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    """A world with a coordinator that is there."""
    with tempfile.TemporaryDirectory() as directory:
        made = World(Path(directory))
        made.home.start()
        try:
            yield made
        finally:
            await made.close()
