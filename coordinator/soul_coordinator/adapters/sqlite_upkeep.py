"""Looking after the database: what time removes, copies, and whether all is well."""

import contextlib
import json
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sqlite_utils import Database

from soul_coordinator.adapters.sqlite_connection import connect
from soul_coordinator.adapters.sqlite_errors import (
    RESTORE,
    StoreCorrupt,
    StoreError,
    StoreUnreachable,
    store_error,
)
from soul_coordinator.adapters.sqlite_load import load_users
from soul_coordinator.adapters.sqlite_migrations import STEPS, taken
from soul_coordinator.core.names import key as name_key
from soul_coordinator.core.records import UserRecord
from soul_coordinator.core.values import Instant
from soul_protocol import limits

CHANGES_KEPT: Final = 1 * limits.DAY
"""How long account changes wait for a coordinator, in ms."""

REFRESH_WITHIN: Final = 30 * limits.DAY
"""How long after its end a token can be refreshed, in ms."""

DELETIONS_KEPT: Final = 30 * limits.DAY
"""How long the hashes of deleted devices and removed users are kept, in ms."""

_SQLITE_HEADER: Final = b"SQLite format 3\0"


def purge(connection: sqlite3.Connection, now: Instant) -> None:
    """Remove what has had its time, in the caller's transaction: `now` in ms since the epoch."""
    for statement, moment in (
        ("DELETE FROM requests WHERE at < ? AND target IS NULL", now - limits.REMEMBERED_FOR),
        ("DELETE FROM tokens WHERE expires_at < ?", now - REFRESH_WITHIN),
        ("DELETE FROM invitations WHERE used_at IS NOT NULL OR expires_at < ?", now),
        ("DELETE FROM revoked_tokens WHERE expires_at < ?", now),
        ("DELETE FROM account_events WHERE at < ?", now - CHANGES_KEPT),
        ("DELETE FROM deleted_devices WHERE at < ?", now - DELETIONS_KEPT),
        ("DELETE FROM removed_users WHERE at < ?", now - DELETIONS_KEPT),
    ):
        connection.execute(statement, (moment,))


def backup(database: Path, file: Path) -> None:
    """Copy the database as it is at this moment, while others use it; an older backup is replaced.

    Raises:
        StoreError: `file` is the database itself or something else than a database, or the
            copy cannot be made; then `file` is as it was.
    """
    _check_target(database, file)
    try:
        descriptor, made = tempfile.mkstemp(dir=file.absolute().parent, prefix=f".{file.name}.")
    except OSError as error:
        raise StoreUnreachable(f"{file} cannot be written: {error.strerror}.") from None
    os.close(descriptor)
    copy = Path(made)
    try:
        _copy(database, copy)
        _sync(copy)
        copy.replace(file)
        _sync(file.absolute().parent)
    except OSError as error:
        raise StoreUnreachable(f"{file} cannot be written: {error.strerror}.") from None
    finally:
        copy.unlink(missing_ok=True)


def require_sound(connection: sqlite3.Connection) -> None:
    """Read every page of the file, quickly.

    Raises:
        StoreCorrupt: one of them is not what was written.
    """
    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise StoreCorrupt(f"the database is damaged ({' '.join(found.split())}): {RESTORE}")


def check(connection: sqlite3.Connection) -> tuple[str, ...]:
    """What is wrong, a sentence each: the file, the links between rows, the tables, our own rules."""
    try:
        return tuple(_problems(connection))
    except sqlite3.DatabaseError as error:
        return (str(store_error(error)),)


def _check_target(database: Path, file: Path) -> None:
    if not file.exists():
        return
    if file.samefile(database):
        raise StoreUnreachable(f"{file} is the database itself; name another file.")
    try:
        with file.open("rb") as present:
            header = present.read(len(_SQLITE_HEADER))
    except OSError as error:
        raise StoreUnreachable(f"{file} cannot be written: {error.strerror}.") from None
    if header not in {b"", _SQLITE_HEADER}:
        raise StoreUnreachable(f"{file} is there already and is no backup; name another file.")


def _copy(database: Path, target: Path) -> None:
    try:
        with (
            contextlib.closing(connect(database)) as source,
            contextlib.closing(sqlite3.connect(target)) as copy,
        ):
            # In one step: a writer does not wait for a reader, and a copy in many would start
            # again whenever somebody writes.
            source.backup(copy)
            # The copy is one file, without a log beside it.
            copy.execute("PRAGMA journal_mode = DELETE").fetchone()
    except sqlite3.Error as error:
        raise store_error(error, str(target)) from error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _problems(connection: sqlite3.Connection) -> Iterator[str]:
    for (text,) in connection.execute("PRAGMA integrity_check(20)").fetchall():
        if text != "ok":
            yield f"The file is damaged: {text}."
    for table, _, parent, _ in connection.execute("PRAGMA foreign_key_check").fetchall():
        yield f"A row of {table} belongs to no row of {parent}."
    names = tuple(step.__name__ for step in STEPS)
    done = taken(Database(connection, execute_plugins=False))
    if unknown := [name for name in done if name not in names]:
        yield f"A newer version of the program made the tables: it knows {', '.join(unknown)}."
        return
    if missing := [name for name in names if name not in done]:
        yield f"Steps of the schema are missing: {', '.join(missing)}."
        return
    try:
        users = load_users(connection)
    except (ValueError, TypeError, KeyError, StoreError) as error:
        yield f"A row cannot be read back: {error}."
        return
    for user in users:
        yield from (f"User {user.id}: {problem}." for problem in _user_problems(user))
    for user_id, device, name, key in connection.execute(
        "SELECT user_id, device_id, device_name, name_key FROM user_devices"
    ).fetchall():
        if key != name_key(name):
            yield f"User {user_id}: the name of device {device} is filed wrongly."
    for (jti,) in connection.execute(
        "SELECT jti FROM tokens WHERE length(jti) > 64 OR expires_at < issued_at"
    ):
        yield f"Token {json.dumps(jti[:64])} is not one that this program issues."


def _user_problems(user: UserRecord) -> Iterator[str]:
    state, devices = user.playback, {device.id for device in user.devices}
    if not 0 <= state.queue_position < max(1, len(state.queue)):
        yield f"the queue position {state.queue_position} is outside its {len(state.queue)} tracks"
    if state.order is not None and sorted(state.order) != list(range(len(state.queue))):
        yield "the order kept for the end of shuffle does not fit the queue"
    if state.device_id is not None and state.device_id not in devices:
        yield f"the active device {state.device_id} is not one of its devices"
    for node, most in (("device", limits.DEVICES_PER_USER), ("guest", limits.GUESTS_PER_USER)):
        if (count := sum(device.node == node for device in user.devices)) > most:
            yield f"{count} places of kind {node} are taken, of {most}"
    for pending in user.pending:
        if pending.target not in devices:
            yield f"a pending command waits for device {pending.target}, which is gone"
    if user.transfer is not None and user.transfer.epoch > state.epoch:
        yield "a transfer is of an epoch that was never reached"
