"""The database under trial while the real server works: locked, full, failing, damaged, copied.

What was acknowledged stays; what cannot be saved is refused at once and said to have been;
the server comes back by itself when the cause is gone.
"""

import contextlib
import json
import queue
import resource
import shutil
import sqlite3
import subprocess
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Self

import pytest

from e2e.wire import Message, WireDevice
from serving import PROGRAM, Server, serving
from soul_coordinator.accounts import Accounts
from soul_coordinator.adapters.sqlite import SqliteStore
from soul_coordinator.core.records import UserRecord
from waiting import until

TRACKS = ["one", "two", "three"]
OFF = ("--mqtt-port", "0", "--tls-port", "0", "--http-port", "0")
_PACE = 0.15


class Seeker(threading.Thread):
    """A device of its own user that asks itself for one seek after the other, each a second further.

    `applied` is the newest place that was acknowledged, `refused` counts what was `unavailable`.
    """

    def __init__(self, server: Server) -> None:
        super().__init__()
        self.user = f"seeker-{uuid.uuid4().hex}"
        accounts = Accounts.of_data_dir(server.data_dir)
        accounts.add(self.user)
        token = accounts.issue(self.user).token
        self.device = WireDevice(server.mqtt_port, self.user, token, name="Attic")
        self.applied = self.asked = self.refused = 0
        self.other: list[Message] = []
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        self.device.connect()
        self.device.register()
        request = self.device.command({"type": "set_queue", "tracks": TRACKS, "start_index": 0})
        self.device.carry_out(request, track_id="one", is_playing=False)
        self.device.hear("command_result", id=request, status="applied")
        self.start()
        self.go_on(3)
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.join(20)
        self.device.client.disconnect()
        self.device.client.loop_stop()

    def go_on(self, count: int = 1) -> None:
        """Wait until so many more seeks were acknowledged."""
        goal = self.applied + 1_000 * count
        until(lambda: self.applied >= goal, seconds=20, what=lambda: f"{self.user}: {self.other[-5:]}")

    def be_refused(self, count: int = 1) -> None:
        goal = self.refused + count
        until(lambda: self.refused >= goal, seconds=20, what=lambda: f"{self.user}: {self.other[-5:]}")

    def run(self) -> None:
        # Few enough for the hundred requests a minute.
        while not self._ended.wait(_PACE):
            self.asked += 1_000
            self._ask(self.asked)

    def _ask(self, place: int) -> None:
        seek = {"type": "seek", "position_ms": place}
        request = self.device.command(seek)
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline and not self._ended.is_set():
            try:
                _, message = self.device.heard.get(timeout=0.05)
            except queue.Empty:
                continue
            if message["type"] == "execute_command":
                self.device.report(
                    message["epoch"],
                    applied=(message["id"],),
                    position_ms=message["command"].get("position_ms", 0),
                    track_id="one",
                    is_playing=False,
                )
            elif message["type"] == "coordinator_status" and message["online"]:
                self.device.register()
                again = {"type": "playback_command", "id": request, "command": seek}
                self.device.up("command", again)
            elif message["type"] == "command_result" and message["id"] == request:
                if message["status"] == "applied":
                    self.applied = place
                    return
                if message["status"] == "rejected":
                    self.refused += message["code"] == "unavailable"
                    self.other.append(message)
                    return


def health(server: Server) -> tuple[int, dict[str, Any]]:
    try:
        with urllib.request.urlopen(f"{server.http}/healthz", timeout=5) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@contextmanager
def locked(server: Server) -> Iterator[None]:
    """Another process holds the database for itself."""
    other = sqlite3.connect(database(server), isolation_level=None, timeout=5)
    other.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


@contextmanager
def full(server: Server) -> Iterator[None]:
    """Somebody else has filled the disk."""
    filler = server.data_dir / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for size in (65_536, 512, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"x" * size)
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def failing(server: Server) -> Iterator[None]:
    """The system refuses to let the files grow (RLIMIT_FSIZE), whoever runs this test."""
    pid = server.process.pid
    _, hard = before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (4_096, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


def database(server: Server) -> Path:
    return server.data_dir / "soul-connect.db"


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """Make the folder a disk of 3 MB; False: only root may, and nothing is done."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "soul-connect-test", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        yield False
        return
    try:
        yield True
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def saved(file: Path) -> dict[str, UserRecord]:
    store = SqliteStore(file)
    try:
        assert store.check() == ()
        return {user.id: user for user in store.load()}
    finally:
        store.close()


def outage(server: Server, fault: Callable[[Server], AbstractContextManager[None]], said: str) -> None:
    """Break the database under two users' hands, and mend it."""
    errors = server.process.errors
    before = len(errors)

    def logged(text: str) -> list[str]:
        return [line for line in errors[before:] if text in line]

    with Seeker(server) as one, Seeker(server) as other:
        with fault(server):
            one.be_refused(2)
            other.be_refused(2)
            status, body = health(server)
            assert (status, body["status"], body["coordinator"]) == (503, "failing", False), body
            assert said in body["detail"], body
            (complaint,) = until(lambda: logged("the database fails"))
            assert said in complaint
        one.go_on(2)
        other.go_on(2)
        until(lambda: health(server)[0] == 200, what="healthz is well again")
    assert len(until(lambda: logged("works again"))) == 1
    assert not logged("Traceback")
    users = saved(database(server))
    for seeker in (one, other):
        playback = users[seeker.user].playback
        assert seeker.applied <= playback.position_ms <= seeker.asked
        assert playback.queue == tuple(TRACKS)


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("storage")) as server:
        yield server


def test_a_locked_database_refuses_at_once_and_goes_on_when_the_lock_is_gone(running: Server) -> None:
    outage(running, locked, "locked by another process")


def test_a_full_disk_refuses_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path) as mounted:
        server = Server(tmp_path)
        try:
            server.start()
            if mounted:
                outage(server, full, "the disk is full")
            else:
                outage(server, failing, "cannot be read or written")
        finally:
            server.kill()


def test_a_disk_that_fails_refuses_and_goes_on_when_it_works(running: Server) -> None:
    outage(running, failing, "cannot be read or written")


def damage(file: Path) -> None:
    """Overwrite all pages but the first, in place; what the server remembers of them is void."""
    other = sqlite3.connect(file, isolation_level=None, timeout=5)
    until(lambda: other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0)
    other.execute("BEGIN IMMEDIATE")
    other.execute("INSERT INTO account_events (at, kind) VALUES (1, 'none')")
    page = other.execute("PRAGMA page_size").fetchone()[0]
    with file.open("r+b") as content:
        content.seek(page)
        content.write(b"\xa5" * (file.stat().st_size - page))
    other.execute("COMMIT")
    other.close()


def test_a_damaged_file_refuses_requests_and_the_next_start_until_a_backup_is_restored(
    stopped: Server, tmp_path: Path
) -> None:
    server, copy = stopped, tmp_path / "copy.db"
    server.start()
    with Seeker(server) as alice:
        known = alice.applied
        assert server.run("backup", str(copy)).returncode == 0
        alice.go_on()
        damage(database(server))
        alice.be_refused(2)
        status, body = health(server)
        assert status == 503
        assert "damaged" in body["detail"]
        complaints = [line for line in server.process.errors if "the database fails" in line]
        assert len(complaints) == 1, server.process.output
        assert "restore a backup" in complaints[0]
    checked = server.run("check")
    assert (checked.returncode, "amaged" in checked.stdout + checked.stderr) == (1, True)
    assert server.stop() == 0

    done = subprocess.run(
        [*PROGRAM, "serve", "--data-dir", str(server.data_dir), *OFF],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert str(database(server)) in done.stderr
    assert "restore a backup" in done.stderr

    for end in ("-wal", "-shm"):
        Path(f"{database(server)}{end}").unlink(missing_ok=True)
    shutil.copy(copy, database(server))
    server.start()
    assert known <= saved(database(server))[alice.user].playback.position_ms <= alice.applied


def test_backup_and_check_work_while_the_server_writes(running: Server, tmp_path: Path) -> None:
    server, copy = running, tmp_path / "copy.db"
    with Seeker(server) as alice, Seeker(server) as bob:
        before = {one: one.applied for one in (alice, bob)}
        done = server.run("backup", str(copy))
        assert done.returncode == 0, done.stderr
        users = saved(copy)
        for one, known in before.items():
            assert known <= users[one.user].playback.position_ms <= one.asked
        done = server.run("check")
        assert (done.returncode, done.stdout) == (0, "The database is sound.\n"), done.stderr
        alice.go_on()
        bob.go_on()
    # Now that nobody writes, the copy is the whole of it.
    assert server.run("backup", str(copy)).returncode == 0
    assert saved(copy) == saved(database(server))
    assert health(server)[0] == 200
