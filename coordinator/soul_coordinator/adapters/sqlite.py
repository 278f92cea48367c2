"""The store: what survives a restart, in SQLite. The truth; retained messages are copies.

    SqliteStore       what the coordinator saves and loads, and what it asks about accounts
    sqlite_connection, sqlite_errors, sqlite_migrations
                      opening, failing, the tables
    sqlite_join, sqlite_save, sqlite_load
                      records to rows and back
    sqlite_changes    what the accounts' side changed meanwhile
    sqlite_upkeep     purge, backup, check

One thread at a time uses a store: the coordinator's writer thread, or while that is idle its
event loop. Others - the accounts of the HTTP API, the command line, a backup - open
connections of their own.
"""

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from soul_coordinator.adapters import sqlite_upkeep as upkeep
from soul_coordinator.adapters.sqlite_changes import AccountChange, UserGone, changes_after, last_change
from soul_coordinator.adapters.sqlite_connection import (
    COORDINATOR_BUSY_MS,
    Durability,
    connect,
    copy_log,
    mark_for_scrub,
    reading,
    scrub,
    transaction,
)
from soul_coordinator.adapters.sqlite_errors import (
    RESTORE,
    StoreCorrupt,
    StoreError,
    StoreLocked,
    store_error,
)
from soul_coordinator.adapters.sqlite_join import joined
from soul_coordinator.adapters.sqlite_load import load_users
from soul_coordinator.adapters.sqlite_migrations import migrate
from soul_coordinator.adapters.sqlite_save import accept, apply_save, leaves_no_byte, user_hash
from soul_coordinator.core.effects import DropReceipts, Save, SavePending, SavePlayback
from soul_coordinator.core.records import UserRecord
from soul_coordinator.core.values import Instant

_PROBE_BYTES: Final = 1024 * 1024
"""More than a user's longest queue with its order."""

_AT_ONCE_MAX: Final = 32
"""How large a batch (in `_weight`) is committed without a change of threads: less than 1 ms."""

_LOG_TOO_LONG: Final = 16_000
"""Pages of 4 KB in the log after which a commit writes it back itself, should nobody else."""

_TRACKS_A_ROW: Final = 50
"""How many tracks of a queue count as much as a row."""

LOG_LONG: Final = 2_000
"""Saves (in `_weight`) after which the log is written back into the file: some 16 MB."""

_SCRUB_SHARE: Final = 0.1
"""The most of the writer's time that rewriting the file after deletions may take."""


def wall_clock() -> Instant:
    """Now, in ms since the Unix epoch."""
    return time.time_ns() // 1_000_000


class SqliteStore:
    """The coordinator's side of the database.

    Args:
        path: the database file; made, with its tables, if it is missing.
        durability: what a commit survives (`sqlite_connection.Durability`).
        clock: the present, in ms since the Unix epoch.

    Raises:
        StoreError: it cannot be opened; every method raises it when the database fails.
    """

    def __init__(
        self, path: Path, durability: Durability = "normal", *, clock: Callable[[], Instant] = wall_clock
    ) -> None:
        self.path = path
        self._durability: Durability = durability
        self._clock = clock
        self._connection = self._open()
        self._waits = True
        """Whether the connection waits for other writers now."""
        # The users this store has seen: by name the row's number, by hash the name.
        self._numbers: dict[str, int] = {}
        self._names: dict[bytes, str] = {}
        self._confirmed: set[str] = set()
        self._confirmed_at: int | None = None
        self._logged = 0
        self._log_restarts = False
        """Whether the next commit begins the log anew, and waits for the disk once."""
        self._scrub_due = True
        self._scrub_not_before = 0.0

    def _open(self) -> sqlite3.Connection:
        connection = connect(self.path, self._durability, busy_ms=COORDINATOR_BUSY_MS)
        try:
            # `shorten_log` is there for that, without holding up a commit.
            connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_TOO_LONG}")
            migrate(connection)
        except BaseException:  # whatever it was, no connection is left open
            connection.close()
            raise
        return connection

    def load(self) -> tuple[UserRecord, ...]:
        """All that is saved of every user, by name; every page of the file is looked at.

        Raises:
            StoreCorrupt: a page or a row cannot be what was written.
        """
        with reading(self._wait()) as connection:
            upkeep.require_sound(connection)
            rows = connection.execute("SELECT id, number FROM users").fetchall()
            try:
                users = load_users(connection)
            except (ValueError, TypeError, KeyError) as error:
                raise StoreCorrupt(
                    f"the database is damaged (a row cannot be read back: {error}): {RESTORE}"
                ) from error
        self._numbers = dict(rows)
        self._names = {user_hash(user): user for user in self._numbers}
        return users

    def commit(self, saves: Sequence[Save]) -> None:
        """Save a batch, in order: all of it or, with `StoreError`, nothing.

        What concerns a user who was removed meanwhile is left out: nothing brings a removed
        user back. A user without an account (a host application's) gets a row here.
        """
        if not saves:
            return
        scrub_due = any(leaves_no_byte(save) for save in saves)
        self._wait()
        self._commit(saves, scrub_due=scrub_due)
        self._log_restarts = False
        self._logged += sum(map(_weight, saves))
        self._scrub_due |= scrub_due
        self._scrub_if_due()

    def commit_at_once(self, saves: Sequence[Save]) -> bool:
        """`commit`, where that takes no wait: for the disk, for another writer, for much work.

        Returns:
            False where it does: nothing was saved, `commit` is to be called in a thread.
        """
        weight = sum(map(_weight, saves))
        if self._durability == "full" or self._log_restarts or weight > _AT_ONCE_MAX:
            return False
        connection = self._wait(patiently=False)
        try:
            if not self._accepted(connection, saves):
                self._commit(saves)
        except StoreLocked:
            return False
        self._logged += weight
        return True

    @property
    def log_is_long(self) -> bool:
        """Whether `shorten_log` and `end_log` are due."""
        return self._logged >= LOG_LONG

    def shorten_log(self) -> None:
        """Write most of the log back into the file, which waits for the disk, while commits go on.

        May be called in any thread: it has a connection of its own. `end_log` is to follow.
        """
        with contextlib.suppress(StoreError), contextlib.closing(connect(self.path)) as connection:
            copy_log(connection)

    def end_log(self) -> None:
        """Write back what was committed meanwhile, so that the log can begin anew."""
        self._logged = 0
        with contextlib.suppress(StoreError):
            copy_log(self._wait())
            self._log_restarts = True

    def accounts_version(self) -> int:
        """Changes whenever another connection changed the database; cheap enough to ask often."""
        self._scrub_if_due()
        return self._pragma("data_version")

    def last_account_change(self) -> int:
        """The number of the newest account change: ask before `load`, and go on from there."""
        with reading(self._wait()) as connection:
            return last_change(connection)

    def account_changes(self, after: int) -> tuple[int, tuple[AccountChange, ...]]:
        """What the accounts' side did after change number `after`, and the newest number.

        Once a removed user was told here, a user of the same name is another one.
        """
        with reading(self._wait()) as connection:
            newest = last_change(connection)
            changes = changes_after(connection, after, self._names.get)
            numbers = dict(connection.execute("SELECT id, number FROM users").fetchall()) if changes else {}
        for change in changes:
            if isinstance(change, UserGone):
                self._numbers.pop(change.user, None)
                self._names.pop(user_hash(change.user), None)
                self._scrub_due = True
        for user, number in numbers.items():
            self._remember(user, number)
        self._scrub_if_due()
        return newest, changes

    def revoked_tokens(self) -> tuple[tuple[str | None, str, int], ...]:
        """User, `jti` and `exp` (s) of every token taken back before its end: what the broker must know.

        After `load`. Of a user who was removed the name is not kept: None.
        """
        with reading(self._wait()) as connection:
            rows = connection.execute(
                "SELECT user_hash, jti, expires_at / 1000 FROM revoked_tokens WHERE expires_at > ?",
                (self._clock(),),
            ).fetchall()
        return tuple((self._names.get(user), jti, exp) for user, jti, exp in rows)

    def deleted_devices(self) -> tuple[tuple[str, str, Instant], ...]:
        """User, SHA-256 of the id (hex) and when (ms), of every device that was deleted within 30 days.

        The broker was told; but it, the link or this process may have ended just then.
        """
        with reading(self._wait()) as connection:
            rows = connection.execute(
                "SELECT user_id, device_hash, at FROM deleted_devices WHERE device_hash IS NOT NULL"
            ).fetchall()
        return tuple((user, device.hex(), at) for user, device, at in rows)

    def revive(self) -> None:
        """Open the file anew, and see whether all of it can be read and a large commit be written.

        Raises:
            StoreError: not yet.
        """
        self._connection.close()
        self._connection = self._open()
        self._waits = True
        self._confirmed_at = None
        self._scrub_due = True
        self.load()
        self.probe()

    def probe(self) -> None:
        """Write and take back a row as large as a commit may be: raises `StoreError` while that fails."""
        with transaction(self._wait()) as connection:
            connection.execute(
                "INSERT INTO account_events (at, kind, user_hash) VALUES (?, 'probe', zeroblob(?))",
                (self._clock(), _PROBE_BYTES),
            )
        # In a transaction of its own, so that the first one really reaches the disk.
        with transaction(self._wait()) as connection:
            connection.execute("DELETE FROM account_events WHERE kind = 'probe'")

    def purge(self, now: Instant) -> None:
        """Remove what is kept for a time only (`sqlite_upkeep.purge`)."""
        with transaction(self._wait()) as connection:
            upkeep.purge(connection, now)

    def backup(self, file: Path) -> None:
        """A consistent copy into `file`, while others read and write (`sqlite_upkeep.backup`)."""
        upkeep.backup(self.path, file)

    def check(self) -> tuple[str, ...]:
        """What is wrong with the database, a sentence each; nothing is ()."""
        with reading(self._wait()) as connection:
            return upkeep.check(connection)

    def close(self) -> None:
        """Write the log back and close the file."""
        self._connection.close()

    def _wait(self, *, patiently: bool = True) -> sqlite3.Connection:
        """The connection, that waits for other writers or not."""
        if patiently is not self._waits:
            # Seldom: one commit after the other does without.
            self._connection.execute(f"PRAGMA busy_timeout = {COORDINATOR_BUSY_MS if patiently else 0}")
            self._waits = patiently
        return self._connection

    def _accepted(self, connection: sqlite3.Connection, saves: Sequence[Save]) -> bool:
        """Save a pending command that is all there is to save; False: nothing was saved."""
        if len(saves) != 1 or not isinstance(saves[0], SavePending):
            return False
        pending = saves[0].pending
        number = self._numbers.get(pending.requester.user)
        try:
            return number is not None and accept(connection, pending, number)
        except sqlite3.Error as error:
            raise store_error(error) from error

    def _commit(self, saves: Sequence[Save], *, scrub_due: bool = False) -> None:
        changes = joined(saves)
        with transaction(self._connection) as connection:
            now = self._clock()
            writable = self._writable(connection, {save.user for save in saves}, now)
            for change in changes:
                if change.user in writable:
                    apply_save(connection, change, now=now)
            if scrub_due:
                mark_for_scrub(connection)

    def _writable(self, connection: sqlite3.Connection, users: Iterable[str], now: Instant) -> set[str]:
        # While nobody else wrote, the users confirmed last time are still there.
        version = self._pragma("data_version")
        if version != self._confirmed_at:
            self._confirmed.clear()
            self._confirmed_at = version
        return {user for user in users if user in self._confirmed or self._confirm(connection, user, now)}

    def _confirm(self, connection: sqlite3.Connection, user: str, now: Instant) -> bool:
        """Whether the user is there, and is the one that was loaded."""
        row = connection.execute("SELECT number FROM users WHERE id = ?", (user,)).fetchone()
        if row is None:
            removed = connection.execute(
                "SELECT 1 FROM removed_users WHERE hash = ?", (user_hash(user),)
            ).fetchone()
            if removed:
                return False
            cursor = connection.execute("INSERT INTO users (id, created_at) VALUES (?, ?)", (user, now))
            # Not remembered before it is committed; the next batch asks again.
            return cursor.rowcount == 1
        number = int(row[0])
        if self._numbers.get(user, number) != number:
            return False
        self._remember(user, number)
        self._confirmed.add(user)
        return True

    def _remember(self, user: str, number: int) -> None:
        self._numbers.setdefault(user, number)
        self._names.setdefault(user_hash(user), user)

    def _pragma(self, name: str) -> int:
        try:
            return int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])
        except sqlite3.Error as error:
            raise store_error(error, str(self.path)) from error

    def _scrub_if_due(self) -> None:
        # What was saved is saved, whatever becomes of this: a later call tries again.
        begun = time.monotonic()
        if not self._scrub_due or begun < self._scrub_not_before:
            return
        with contextlib.suppress(StoreError):
            self._scrub_due = not scrub(self._connection)
        ended = time.monotonic()
        self._scrub_not_before = ended + (ended - begun) / _SCRUB_SHARE


def _weight(save: Save) -> int:
    """How much work and log a save is, about: 1 for a row."""
    if leaves_no_byte(save):
        return _AT_ONCE_MAX + 1  # the file may be rewritten then
    match save:
        case SavePlayback(playback=playback, with_queue=True):
            return 1 + len(playback.queue) // _TRACKS_A_ROW
        case SavePending(pending) if pending.change is not None:
            return 1 + len(pending.change.queue) // _TRACKS_A_ROW
        case DropReceipts(ids=ids):
            return len(ids)
        case _:
            return 1
