"""A connection to the database, set up the same way for everyone who opens it.

WAL, so that a reader never waits for the writer; foreign keys; deleted content overwritten
with zeros, since deleting a device leaves no byte of it.
"""

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

from soul_coordinator.adapters.sqlite_errors import StoreLocked, StoreUnreachable, store_error
from soul_protocol.private_file import own_like

Durability = Literal["normal", "full"]
"""`normal` survives the program's death, `full` a power cut too, at one fsync a commit."""

DATABASE: Final = "soul-connect.db"
"""The database's file in the data directory."""

BUSY_TIMEOUT_MS: Final = 5_000
"""How long a writer waits for another one; the command line's transactions take a few ms."""

COORDINATOR_BUSY_MS: Final = 2_500
"""How long the coordinator does: a request is to be answered before it expires (5 s)."""

_RETRY_SECONDS: Final = 0.01


def connect(
    path: Path, durability: Durability = "normal", *, busy_ms: int = BUSY_TIMEOUT_MS
) -> sqlite3.Connection:
    """Open the database, made with mode 0600 if it is missing; statements commit by themselves.

    May be used by one thread at a time, whichever.

    Raises:
        StoreError: it cannot be opened, is locked, or is no database.
    """
    _create(path)
    connection = None
    try:
        connection = sqlite3.connect(
            path,
            timeout=busy_ms / 1000,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
        _set_up(connection, durability)
    except sqlite3.Error as error:
        if connection is not None:
            connection.close()
        raise store_error(error, str(path)) from error
    return connection


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """One write transaction: all of it, or nothing.

    Raises:
        StoreError: it was not committed.
    """
    try:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            # Whatever happened in the block, none of it stays; it is raised on.
            # SQLite has already rolled back after some errors (a full disk is one).
            if connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
            raise
    except sqlite3.Error as error:
        raise store_error(error) from error


@contextlib.contextmanager
def reading(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """One consistent view of the database, however many statements.

    Raises:
        StoreError: it cannot be read.
    """
    try:
        connection.execute("BEGIN")
        try:
            yield connection
        finally:
            if connection.in_transaction:
                connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise store_error(error) from error


def mark_for_scrub(connection: sqlite3.Connection) -> None:
    """Note, in the transaction that deletes, that `scrub` is due; the note survives a crash."""
    connection.execute(f"PRAGMA user_version = {_marks(connection) + 1}")


def copy_log(connection: sqlite3.Connection) -> None:
    """Write the log back into the file, as far as no reader needs it; writers go on meanwhile.

    Raises:
        StoreError: it could not be written.
    """
    try:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    except sqlite3.Error as error:
        raise store_error(error) from error


def scrub(connection: sqlite3.Connection) -> bool:
    """Write the file anew, if something was deleted that must leave no byte.

    SQLite zeroes what it deletes, but not the copies that its trees leave in the gaps of
    pages when they are balanced, nor the pages as they were before in the write-ahead log.

    Returns:
        False where a reader still needs the log: try again later.

    Raises:
        StoreError: it could not be written.
    """
    try:
        marks = _marks(connection)
        if not marks:
            return True
        # A reader, such as a running backup, may hold on for long: do not wait for it.
        (busy_ms,) = connection.execute("PRAGMA busy_timeout").fetchone()
        connection.execute("PRAGMA busy_timeout = 0")
        try:
            if not _empty_log(connection):
                return False
            connection.execute("VACUUM")
            if not _empty_log(connection):
                return False
            connection.execute("BEGIN IMMEDIATE")
            if _marks(connection) == marks:
                connection.execute("PRAGMA user_version = 0")
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            connection.execute(f"PRAGMA busy_timeout = {busy_ms}")
    except sqlite3.Error as error:
        failure = store_error(error)
        if isinstance(failure, StoreLocked):
            return False
        raise failure from error
    return True


def _marks(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _empty_log(connection: sqlite3.Connection) -> bool:
    busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


def _create(path: Path) -> None:
    # SQLite would make it readable for all; its -wal and -shm take over the mode and owner.
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return
    except OSError as error:
        raise StoreUnreachable(f"{path} cannot be made: {error.strerror}.") from None
    try:
        own_like(path.parent, descriptor)
    finally:
        os.close(descriptor)


def _set_up(connection: sqlite3.Connection, durability: Durability) -> None:
    deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
            break
        except sqlite3.OperationalError as error:
            # Two processes that turn a new file to WAL at once: SQLite does not wait here.
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_SECONDS)
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("PRAGMA synchronous = " + ("FULL" if durability == "full" else "NORMAL"))
