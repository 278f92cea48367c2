"""What is told was committed before; positions are written now and then; one writes at a time."""

import asyncio
import contextlib
import hashlib
import json
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from coordinator.core.kit import QUEUE, House
from coordinator.store.saved import DEVICES, device
from soul_coordinator.accounts import Accounts
from soul_coordinator.adapters.outbound import Outgoing
from soul_coordinator.adapters.sqlite import SqliteStore
from soul_coordinator.adapters.sqlite_connection import Durability
from soul_coordinator.clock import Clock
from soul_coordinator.core.effects import ForgetDevice, Save, SaveDevice, SavePosition
from soul_coordinator.core.user import POSITION_SAVED_EVERY
from soul_coordinator.runner import Link
from soul_coordinator.service import CoordinatorService
from soul_coordinator.tokens import TokenSigner
from soul_protocol.limits import SECOND
from waiting import until_async

BASE = "soul/v1/ann/device/00000000-0000-4000-8000-000000000001"
CONN = "0123456789abcdef"
Json = dict[str, Any]


class WatchedStore(SqliteStore):
    """The real one, which notes which threads write, and whether two ever did at once."""

    def __init__(self, path: Path, durability: Durability) -> None:
        super().__init__(path, durability)
        self.threads: set[str] = set()
        self.durability = durability
        self.collided = False
        self._turn = threading.Lock()

    def commit(self, saves: Sequence[Save]) -> None:
        with self._alone():
            super().commit(saves)
            self.threads.add(threading.current_thread().name)

    def commit_at_once(self, saves: Sequence[Save]) -> bool:
        with self._alone():
            done = super().commit_at_once(saves)
            if done:
                self.threads.add(threading.current_thread().name)
            return done

    def accounts_version(self) -> int:
        with self._alone():
            return super().accounts_version()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._turn.acquire(blocking=False):
            self.collided = True
            self._turn.acquire()
        try:
            yield
        finally:
            self._turn.release()


class Desk:
    """A link whose other end is this test: it looks into the database at each word."""

    def __init__(self, file: Path) -> None:
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.said: list[tuple[str, Json]] = []
        self.unsaved: list[str] = []
        self.meanwhile: Callable[[], None] = lambda: None
        self._file = file
        self._deliver: Callable[[str, bytes], None] | None = None

    def __call__(
        self, *, client_id: str, will: Outgoing, deliver: Callable[[str, bytes], None]
    ) -> "contextlib.AbstractAsyncContextManager[Link]":
        del client_id, will
        self._deliver = deliver
        return self

    async def __aenter__(self) -> Self:
        self._reader = sqlite3.connect(self._file, isolation_level=None)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reader.close()

    def publish(self, out: Outgoing) -> None:
        if not out.payload:
            return
        message = json.loads(out.payload)
        self.said.append((out.topic, message))
        if not self._saved(message):
            self.unsaved.append(out.payload.decode())

    async def retained(self, pattern: str) -> frozenset[str]:
        del pattern
        return frozenset()

    async def drain(self) -> None:
        await asyncio.sleep(0)

    async def flush(self) -> None:
        """Nothing is ever under way; what is to happen meanwhile does."""
        self.meanwhile()

    def say(self, channel: str, **message: Any) -> None:
        assert self._deliver is not None
        self._deliver(f"{BASE}/up/{channel}", json.dumps(message).encode())

    def heard(self, kind: str, **fields: Any) -> list[Json]:
        return [one for _, one in self.said if one["type"] == kind and fields.items() <= one.items()]

    def _saved(self, message: Json) -> bool:
        match message["type"]:
            case "playback_state":
                state = message["state"]
                row = self._row("SELECT sequence, epoch FROM device_playback_state")
                return row == (state["sequence"], state["epoch"]) or (row is None and not state["sequence"])
            case "command_result" if message["status"] == "accepted":
                # The pending command carries it.
                return (
                    self._row("SELECT 1 FROM requests WHERE target IS NOT NULL AND id = ?", message["id"])
                    is not None
                )
            case "command_result":
                row = self._row("SELECT status FROM requests WHERE id = ?", message["id"])
                return row == (message["status"],)
            case "execute_command":
                return (
                    self._row("SELECT 1 FROM requests WHERE target IS NOT NULL AND id = ?", message["id"])
                    is not None
                )
            case "registered":
                return self._row("SELECT conn FROM user_devices") == (message["conn"],)
            case _:
                return True

    def _waits(self, request: str) -> bool:
        return self._row("SELECT 1 FROM requests WHERE id = ? AND target IS NOT NULL", request) is not None

    def _row(self, query: str, *values: object) -> tuple[Any, ...] | None:
        row: tuple[Any, ...] | None = self._reader.execute(query, values).fetchone()
        return row


@pytest.fixture(params=["normal", "full"])
async def desk(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[tuple[Desk, WatchedStore]]:
    store = WatchedStore(tmp_path / "db", request.param)
    desk = Desk(tmp_path / "db")
    service = CoordinatorService(store=store, connect=desk)
    running = asyncio.create_task(service.run())
    await service.ready.wait()
    yield desk, store
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    store.close()


def register(desk: Desk) -> None:
    able = {"can_render": True, "can_control": True, "can_host_jam": False, "supported_formats": ["flac"]}
    device = {"name": "Attic", "device_type": "desktop", "capabilities": able | {"max_sample_rate": 48_000}}
    desk.say("register", type="register", conn=CONN, device=device, protocol=1)


def report(desk: Desk, seq: int, epoch: int, applied: str) -> None:
    state = {"track_id": "a", "position_ms": seq, "is_playing": False, "volume": 0.5, "queue_position": 0}
    state |= {"shuffle": False, "repeat_mode": "off", "duration_ms": 900_000}
    fields = {"conn": CONN, "seq": seq, "epoch": epoch, "state": state, "applied": [applied]}
    desk.say("state", type="state_update", **fields)


async def test_nothing_is_told_before_it_is_committed(desk: tuple[Desk, WatchedStore]) -> None:
    link, store = desk
    register(link)
    await until_async(lambda: link.heard("registered"))
    commands: list[Json] = [{"type": "set_queue", "tracks": ["a", "b"], "start_index": 0}]
    commands += [{"type": "seek", "position_ms": number} for number in range(2, 30)]
    # More than is committed on the spot.
    commands += [{"type": "set_queue", "tracks": ["a"] * 5_000, "start_index": 0}]
    for number, command in enumerate(commands, 1):
        request = f"10000000-0000-4000-8000-{number:012}"
        channel = "queue" if command["type"] == "set_queue" else "command"
        link.say(channel, type="playback_command", id=request, command=command)
        await until_async(partial(link.heard, "execute_command", id=request))
        report(link, number, 1, request)
        await until_async(partial(link.heard, "command_result", id=request, status="applied"))
    assert len(link.heard("playback_state")) > len(commands)
    assert link.unsaved == []
    assert not store.collided
    # On the spot where that takes no wait; what must reach the disk, by the writer alone.
    here = threading.current_thread().name
    by_the_writer = store.threads - {here}
    assert len(by_the_writer) == 1
    assert (here in store.threads) == (store.durability == "normal")


async def test_an_account_that_goes_while_a_term_begins_is_gone(tmp_path: Path) -> None:
    """Removed after the users were loaded, before anybody looks for changes."""
    accounts = Accounts(tmp_path / "db", TokenSigner.of_data_dir(tmp_path))
    accounts.add("ann")
    token = accounts.issue("ann")
    desk = Desk(tmp_path / "db")
    desk.meanwhile = lambda: accounts.remove("ann") if accounts.users() else None
    with contextlib.closing(SqliteStore(tmp_path / "db")) as store:
        service = CoordinatorService(store=store, connect=desk)
        running = asyncio.create_task(service.run())
        await service.ready.wait()
        closed = await until_async(lambda: desk.heard("close", user="ann", jti=token.claims.jti))
        assert closed
        await until_async(lambda: service.health.users == 0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_what_was_deleted_is_told_to_the_broker_at_each_start(tmp_path: Path) -> None:
    """The link may have been lost between the commit and the word."""
    desk, lost = Desk(tmp_path / "db"), device("ann", DEVICES[0])
    with contextlib.closing(SqliteStore(tmp_path / "db", clock=lambda: 1_000)) as store:
        store.commit([SaveDevice(lost), ForgetDevice("ann", DEVICES[0], "deleted")])
        service = CoordinatorService(store=store, connect=desk)
        running = asyncio.create_task(service.run())
        await service.ready.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    hashed = hashlib.sha256(DEVICES[0].encode()).hexdigest()
    assert desk.heard("refuse") == [{"type": "refuse", "user": "ann", "device_hash": hashed, "at": 1_000}]


async def test_after_the_computer_was_asleep_another_term_begins_at_the_right_time(tmp_path: Path) -> None:
    asleep_ns = 0
    desk = Desk(tmp_path / "db")
    with contextlib.closing(SqliteStore(tmp_path / "db")) as store:
        service = CoordinatorService(
            store=store,
            connect=desk,
            new_clock=lambda: Clock(elapsed=lambda: time.monotonic_ns() + asleep_ns),
        )
        running = asyncio.create_task(service.run())
        await service.ready.wait()
        first = service.health.coordinator
        asleep_ns = 8 * 3_600 * 10**9
        await until_async(lambda: service.health.working and service.health.coordinator != first)
        online = [one["online"] for one in desk.heard("coordinator_status")]
        assert online == [True, False, True]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def test_a_minute_of_ticks_is_told_sixty_times_and_written_every_five_seconds() -> None:
    house = House()
    kitchen = house.device().playing(QUEUE)
    house.pass_time(2 * SECOND)
    kitchen.report(position_ms=2 * SECOND)
    saved: list[object] = []
    rows = house.store.of("ann")
    commit = rows.apply

    def note(save: Save) -> None:
        saved.append(save)
        commit(save)

    rows.apply = note  # type: ignore[method-assign]
    told = len(house.events("position"))
    for second in range(3, 63):
        house.pass_time(SECOND)
        kitchen.report(position_ms=second * SECOND)
    assert len(house.events("position")) - told == 60
    assert {type(save) for save in saved} == {SavePosition}
    assert len(saved) == 60 * SECOND / POSITION_SAVED_EVERY
