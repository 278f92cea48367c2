"""The load: users with ten devices each, one of which renders and reports at 1 Hz. One process.

    python -m bench.scale_load PORT TOKENS DEVICES SECONDS COMMANDS

TOKENS is a file with a user and a token on each line, COMMANDS how many commands each user
gives in a second. It connects and registers everything, prints `steady`, waits for a line on
stdin, runs for SECONDS, and prints its samples as one line of JSON.

Every device sends a `ping` each 30 s, as the contract has it. All that it does it does from one
clock that ticks every ms: what is to be measured is the server.
"""

import asyncio
import gc
import itertools
import json
import random
import resource
import secrets
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import uvloop

from bench.lean import PUBLISH, Message, Packet, Splitter, published, registration, report
from broker import wire

TICK: Final = 0.001
PING_EVERY: Final = 30.0
ARRIVING: Final = 128
"""How many devices may be on their way in at a time."""


class Samples:
    """What was measured, in seconds."""

    def __init__(self) -> None:
        self.on = False
        self.executed: list[float] = []
        self.position: list[float] = []
        self.state: list[float] = []
        self.missed = 0
        """Reports that had not reached every device when the next one was due."""


class Device(asyncio.Protocol):
    """One connection."""

    __slots__ = ("_load", "_number", "_splitter", "base", "conn", "id", "index", "transport", "user")

    def __init__(self, load: "Load", user: "User", index: int) -> None:
        self._load, self.user, self.index = load, user, index
        self._splitter = Splitter()
        self._number = 0
        self.id, self.conn = str(uuid.uuid4()), secrets.token_hex(8)
        self.base = f"soul/v1/{user.name}/device/{self.id}"
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment] # uvloop's are none of asyncio's
        will = wire.Will(
            f"{self.base}/up/will", b'{"type":"connection_lost","conn":"%s"}' % self.conn.encode()
        )
        self.write(
            wire.connect(self.id, self.user.name, self.user.token, keep_alive=30, will=will._replace(qos=1))
        )
        filters = (f"{self.base}/down/+", f"soul/v1/{self.user.name}/all/+", "soul/v1/coordinator")
        self.write(wire.subscribe(*((one, 1) for one in filters)))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio calls it)
        self._load.lost += 1

    def write(self, data: bytes) -> None:
        if self.transport is not None:
            self.transport.write(data)

    def up(self, channel: str, payload: bytes, *, qos: int = 1) -> None:
        self._number = self._number % 0xFFFF + 1
        self.write(wire.publish(f"{self.base}/up/{channel}", payload, qos=qos, packet_id=self._number))

    def ping(self) -> None:
        """As the contract has it, each 30 s."""
        self.up("ping", b'{"type":"ping","t0":%d}' % int(time.monotonic() * 1_000), qos=0)

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        acknowledged = b""
        for first, body in self._splitter.feed(data):
            if first >> 4 == PUBLISH:
                packet = published(first, body)
                if packet.id:
                    acknowledged += b"\x40\x02" + packet.id.to_bytes(2, "big")
                self._hear(packet, now)
            elif first == 0x90:
                self.up("register", registration(self.conn, f"Device {self.index}"))
            elif first == 0x20 and body != b"\0\0":
                raise RuntimeError(f"refused: {body!r}")
        if acknowledged:
            self.write(acknowledged)

    def _hear(self, packet: Packet, now: float) -> None:
        topic, user = packet.topic, self.user
        if topic.endswith(b"/position"):
            if user.position_mark in packet.payload:
                user.position_heard(now)
        elif topic.endswith(b"/state"):
            if user.state_mark in packet.payload:
                user.state_heard(now)
        elif topic.endswith(b"/execute"):
            user.execute(json.loads(packet.payload), now)
        elif topic.endswith(b"/reply"):
            if b'"registered"' in packet.payload:
                self._load.arrived()
            elif b'"rejected"' in packet.payload or b'"error"' in packet.payload:
                self._load.refused[packet.payload[:200].decode()] = 1


class User:
    """One user's devices; the first of them renders."""

    def __init__(self, load: "Load", name: str, token: str, count: int) -> None:
        self._load, self.name, self.token = load, name, token
        self.devices = [Device(load, self, index) for index in range(count)]
        self.epoch = 0
        self._seq = 0
        self._position, self._position_at = 0, time.perf_counter()
        self._reported_at = self._changed_at = 0.0
        self._missing = self._state_missing = 0
        self.position_mark = self.state_mark = b"\0"
        self._asked: dict[str, float] = {}
        self._next_controller = 0

    def ask(self, command: Message, device: Device, **more: Any) -> None:
        """A command, from one of the devices."""
        request = str(uuid.uuid4())
        channel = "queue" if command["type"] == "set_queue" else "command"
        message = {"type": "playback_command", "id": request, "command": command, **more}
        payload = json.dumps(message).encode()
        self._asked[request] = time.perf_counter()
        device.up(channel, payload)

    def begin(self) -> None:
        """The renderer becomes active, and plays."""
        renderer = self.devices[0]
        self.ask(
            {"type": "set_queue", "tracks": ["a"], "start_index": 0}, renderer, target_device=renderer.id
        )
        self.ask({"type": "play"}, renderer)

    def command(self) -> None:
        """The next controller gives a command."""
        self._next_controller = self._next_controller % (len(self.devices) - 1) + 1
        position = random.randrange(1, 100) * 1_000
        self.ask({"type": "seek", "position_ms": position}, self.devices[self._next_controller])

    def execute(self, order: Message, now: float) -> None:
        """The renderer got a command: carry it out, and say so."""
        if order["type"] != "execute_command":
            return
        asked = self._asked.pop(order["id"], None)
        samples = self._load.samples
        if asked is not None and samples.on:
            samples.executed.append(now - asked)
        self.epoch = order["epoch"]
        command = order["command"]
        if command["type"] == "seek":
            self._position, self._position_at = command["position_ms"], now
        elif command["type"] == "play":
            self._load.playing += 1
        # A position that is on its way may be overtaken, and is not told any more then.
        self._missing, self.position_mark = 0, b"\0"
        self.state_mark = order["id"].encode()
        self._state_missing = len(self.devices)
        self._changed_at = time.perf_counter()
        self._report(1, applied=(order["id"],), is_playing=command["type"] != "set_queue")

    def tick(self) -> None:
        """The second is over: report the position."""
        if self.epoch == 0:
            return
        samples = self._load.samples
        if self._missing and samples.on:
            samples.missed += 1
        self._missing = len(self.devices)
        self._reported_at = now = time.perf_counter()
        # Real time: a report that does not continue the one before it would be a change.
        self._position += round(1_000 * (now - self._position_at))
        self._position_at = now
        self.position_mark = b'"position_ms":%d,' % self._position
        self._report(0, is_playing=True)

    def _report(self, qos: int, **state: Any) -> None:
        self._seq += 1
        renderer = self.devices[0]
        payload = report(renderer.conn, self._seq, self.epoch, position_ms=self._position, **state)
        renderer.up("state", payload, qos=qos)

    def position_heard(self, now: float) -> None:
        """A device has the position; the last one counts."""
        self._missing -= 1
        if not self._missing and self._load.samples.on:
            self._load.samples.position.append(now - self._reported_at)

    def state_heard(self, now: float) -> None:
        """A device has the new state; the last one counts."""
        self._state_missing -= 1
        if not self._state_missing and self._load.samples.on:
            self._load.samples.state.append(now - self._changed_at)


class Load:
    """All users."""

    def __init__(self, port: int, accounts: list[tuple[str, str]], devices: int, commands: float) -> None:
        self._port = port
        self._commands = commands
        self.samples = Samples()
        self.users = [User(self, name, token, devices) for name, token in accounts]
        self.playing = self.lost = 0
        self.refused: dict[str, int] = {}
        self._coming = asyncio.Semaphore(ARRIVING)
        self._registered = 0

    def arrived(self) -> None:
        """One more device is registered."""
        self._registered += 1
        self._coming.release()

    async def arrive(self) -> float:
        """Connect and register everything; returns how many seconds it took."""
        loop = asyncio.get_running_loop()
        everyone = [device for user in self.users for device in user.devices]
        begun = told = time.perf_counter()
        for device in everyone:
            await self._coming.acquire()
            await loop.create_connection(lambda device=device: device, "127.0.0.1", self._port)  # type: ignore[misc]
            if time.perf_counter() - told > 2:
                told = time.perf_counter()
                sys.stderr.write(f"scale: {self._registered} of {len(everyone)} devices registered\n")
        await self._until(lambda: self._registered >= len(everyone), "registered")
        taken = time.perf_counter() - begun
        for user in self.users:
            user.begin()
            await asyncio.sleep(0.001)
        await self._until(lambda: self.playing >= len(self.users), "playing")
        return taken

    async def _until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + 60
        while not condition():
            if self.refused or self.lost or time.monotonic() > deadline:
                raise RuntimeError(f"not all {what}: {self.lost} lost, {list(self.refused)[:3]}")
            await asyncio.sleep(0.02)

    def rhythms(self) -> "list[Rhythm]":
        """What is done again and again: reports, commands, pings."""
        everyone = [device for user in self.users for device in user.devices]
        return [
            Rhythm([user.tick for user in self.users], 1.0),
            Rhythm([user.command for user in self.users], 1 / self._commands),
            Rhythm([device.ping for device in everyone], PING_EVERY),
        ]

    async def run(self, stop: asyncio.Event) -> None:
        """Reports, commands and pings, each in its time, until told to stop."""
        rhythms = self.rhythms()
        while not stop.is_set():
            now = time.perf_counter()
            for rhythm in rhythms:
                rhythm.play(now)
            await asyncio.sleep(TICK)


class Rhythm:
    """Does each of many things once in `period` seconds, spread evenly."""

    def __init__(self, actions: Sequence[Callable[[], None]], period: float) -> None:
        self._actions = itertools.cycle(actions)
        self._every = period / len(actions)
        self._next = time.perf_counter()

    def play(self, now: float) -> None:
        """Do what is due."""
        while self._next <= now:
            self._next += self._every
            next(self._actions)()


async def work(load: Load, seconds: float) -> dict[str, Any]:
    """All of it; returns what is printed."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    taken = await load.arrive()
    running = asyncio.create_task(load.run(stop))
    sys.stdout.write("steady\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.readline)
    load.samples.on = True
    spent, begun = time.process_time(), time.perf_counter()
    await asyncio.wait({running}, timeout=seconds)
    load.samples.on = False
    busy = (time.process_time() - spent) / (time.perf_counter() - begun)
    stop.set()
    await running
    samples = load.samples
    return {
        "arrived_s": taken,
        "executed": samples.executed,
        "position": samples.position,
        "state": samples.state,
        "missed": samples.missed,
        "lost": load.lost,
        "refused": list(load.refused),
        "own_cpu": busy,
    }


def main() -> None:
    """Run the load."""
    port, tokens, devices, seconds, commands = sys.argv[1:6]
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    accounts = [tuple(line.split()) for line in Path(tokens).read_text(encoding="utf-8").splitlines()]
    load = [(name, token) for name, token in accounts]
    # What is alive now stays: the collector's pauses would be measured.
    gc.disable()

    async def run() -> dict[str, Any]:
        return await work(Load(int(port), load, int(devices), float(commands)), float(seconds))

    sys.stdout.write(f"{json.dumps(uvloop.run(run()))}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
