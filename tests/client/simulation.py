"""A world in memory: a broker with faults, and the real coordinator's core behind it.

The clients in it are real down to their transport. Times are virtual.
"""

import asyncio
import base64
import json
import random
import tempfile
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from soul_connect.client import ConnectClient
from soul_connect.device_file import DeviceFile
from soul_connect.link import Dial, Inbox, LinkLost, LinkRefused
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
LATENCY = 0.004


def token(user: str = "alice", **claims: object) -> str:
    """What a client reads of a token; nobody here checks a signature."""

    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'none'})}.{part({'sub': user, **claims})}.nosignature"


def device_id(number: int) -> str:
    """A recognizable UUID."""
    return f"{number:08d}-0000-4000-8000-000000000000"


class MemoryLink:
    """A connection to the broker in memory; delivers in order, each way after the latency."""

    def __init__(self, broker: "MemoryBroker", dial: Dial) -> None:
        self.broker = broker
        self.dial = dial
        self.silent = False
        self.closed: LinkLost | None = None
        self._arrived: deque[Inbox] = deque()
        self._stirred = asyncio.Event()
        self._busy_until = 0.0

    def deliver(self, message: Inbox) -> None:
        if not self.silent:
            self.broker.later(self, lambda: self._put(message))

    def _put(self, message: Inbox) -> None:
        self._arrived.append(message)
        self._stirred.set()

    def end(self, lost: LinkLost) -> None:
        if self.closed is None:
            self.closed = lost
            self._stirred.set()

    async def messages(self) -> AsyncIterator[Inbox]:
        while True:
            while self._arrived:
                yield self._arrived.popleft()
            if self.closed is not None:
                raise self.closed
            self._stirred.clear()
            await self._stirred.wait()

    async def publish(self, topic: str, payload: bytes, qos: int, *, within: float = 4.0) -> None:
        acknowledged = asyncio.Event()
        if not self.silent and self.closed is None:
            self.broker.later(self, lambda: self._arrive(topic, payload, acknowledged))
        if qos:
            try:
                await asyncio.wait_for(acknowledged.wait(), within)
            except TimeoutError:
                raise LinkLost("no acknowledgement") from None

    def _arrive(self, topic: str, payload: bytes, acknowledged: asyncio.Event) -> None:
        self.broker.route(topic, payload, by=self)
        if not self.silent:
            self.broker.later(self, acknowledged.set)

    async def probe(self, within: float) -> None:
        await self.publish("probe", b"", 1, within=within)


class MemoryBroker:
    """Routes; knows sessions, wills, retained messages, and a coordinator."""

    def __init__(self) -> None:
        self.links: dict[str, MemoryLink] = {}
        self.retained: dict[str, bytes] = {}
        self.refused: set[str] = set()
        self.unreachable: set[str] = set()
        self.online = True
        self.latency = LATENCY
        self.dials = 0
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.home: Home | None = None
        self._last: dict[int, float] = {}

    def later(self, link: MemoryLink, call: Any) -> None:
        """After the latency, in order for each link."""
        loop = asyncio.get_running_loop()
        at = max(loop.time() + self.latency, self._last.get(id(link), 0.0) + 1e-6)
        self._last[id(link)] = at
        loop.call_at(at, call)

    @asynccontextmanager
    async def open_link(self, dial: Dial) -> AsyncIterator[MemoryLink]:
        self.dials += 1
        await asyncio.sleep(self.latency)
        if not self.online or dial.client_id in self.unreachable:
            raise LinkLost("connection refused")
        if dial.token in self.refused:
            raise LinkRefused(5)
        old = self.links.get(dial.client_id)
        if old is not None:
            self.lose(old, by_peer=True)
        link = self.links[dial.client_id] = MemoryLink(self, dial)
        for topic, payload in self.retained.items():
            if _matches(dial.filters, topic):
                link.deliver(Inbox(topic, payload, retained=True))
        try:
            yield link
        except BaseException:
            self.later(link, lambda: self.lose(link, by_peer=False))
            raise
        else:
            self._forget(link)

    def lose(self, link: MemoryLink, *, by_peer: bool) -> None:
        """Close a connection, with its will."""
        if self._forget(link):
            link.end(LinkLost("closed", by_peer=by_peer))
            if link.dial.will is not None:
                self.route(*link.dial.will, by=link)

    def _forget(self, link: MemoryLink) -> bool:
        if self.links.get(link.dial.client_id) is link:
            del self.links[link.dial.client_id]
            return True
        return False

    def kill(self) -> None:
        """The broker dies: nobody hears anything, no wills."""
        self.online = False
        for link in tuple(self.links.values()):
            self._forget(link)
            link.end(LinkLost("closed", by_peer=True))

    def route(
        self, topic: str, payload: bytes, *, by: MemoryLink | None = None, retain: bool = False
    ) -> None:
        """A message to all that subscribed to it, and to the coordinator."""
        if payload:
            self.sent.append((topic, json.loads(payload)))
        if retain:
            self.retained[topic] = payload
        for link in tuple(self.links.values()):
            if _matches(link.dial.filters, topic):
                link.deliver(Inbox(topic, payload, retained=False))
        if self.home is not None and by is not None:
            self.home.deliver(topic, payload)

    def said(self, channel: str) -> list[dict[str, Any]]:
        """All that was published on topics with this end."""
        return [message for topic, message in self.sent if topic.endswith(channel)]


def _matches(filters: tuple[str, ...], topic: str) -> bool:
    return any(
        topic == one or (one.endswith("/+") and topic.rpartition("/")[0] == one[:-2]) for one in filters
    )


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
