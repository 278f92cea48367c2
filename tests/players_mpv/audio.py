"""Real audio files, made on the spot, and what the tests of the mpv engine wait for."""

import asyncio
import json
import math
import socket
import struct
import subprocess
import time
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from soul_connect.players.engine import EngineEvent
from soul_connect.players.mpv import MpvEngine
from waiting import until_async

RATE = 44_100
DEADLINE = 10.0

Event = TypeVar("Event", bound=EngineEvent)


def make_wav(path: Path, *, seconds: float, hertz: float = 440.0) -> str:
    """A quiet tone."""
    samples = (int(3000 * math.sin(2 * math.pi * hertz * n / RATE)) for n in range(round(RATE * seconds)))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return str(path)


def encode(wav: str, path: Path) -> str:
    """`wav` in the format of `path`'s suffix."""
    subprocess.run(
        ["ffmpeg", "-v", "error", "-y", "-i", wav, str(path)], check=True, stdin=subprocess.DEVNULL
    )
    return str(path)


class Events:
    """What the engine told, to be waited for."""

    def __init__(self) -> None:
        self.all: list[EngineEvent] = []
        self._more = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    def __call__(self, event: EngineEvent) -> None:
        self.all.append(event)
        task = asyncio.ensure_future(self._tell())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self) -> None:
        async with self._more:
            self._more.notify_all()

    async def first(self, kind: type[Event]) -> Event:
        """The first event of this kind, taken out of the list; others stay."""
        found: list[Event] = []

        def look() -> bool:
            found[:] = [event for event in self.all if isinstance(event, kind)][:1]
            return bool(found)

        async with asyncio.timeout(DEADLINE), self._more:
            await self._more.wait_for(look)
        self.all.remove(found[0])
        return found[0]


@asynccontextmanager
async def running(
    *arguments: str, library: str | None = None, program: str = "mpv"
) -> AsyncIterator[tuple[MpvEngine, Events]]:
    """An engine that is heard by nobody."""
    engine = MpvEngine(library=library, program=program, arguments=("--ao=null", *arguments))
    events = Events()
    await engine.open(events)
    try:
        yield engine, events
    finally:
        await engine.close()


class OtherHand:
    """Someone else at the same mpv, through an IPC of their own."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._turn = asyncio.Lock()

    async def command(self, *words: object) -> Any:
        async with self._turn:
            self._writer.write(json.dumps({"command": list(words), "request_id": 1}).encode() + b"\n")
            while True:
                message = json.loads(await self._reader.readline())
                if message.get("request_id") == 1:
                    return message.get("data")


def _listens(path: Path) -> bool:
    """The socket is there a moment before somebody listens."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


@asynccontextmanager
async def other_hand(path: Path) -> AsyncIterator[OtherHand]:
    """Connect to mpv's `--input-ipc-server` at `path`."""
    await until_async(lambda: _listens(path))
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        yield OtherHand(reader, writer)
    finally:
        writer.close()
        await writer.wait_closed()


def latest(position_ms: int, since: float) -> float:
    """Where the sound can be by now if it was at a position at a moment (monotonic, s)."""
    return position_ms + (time.monotonic() - since) * 1_000 + 40
