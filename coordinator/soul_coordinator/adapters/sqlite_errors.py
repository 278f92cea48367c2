"""What can go wrong with the database, told apart.

StoreError
├── StoreFull         the disk is full
├── StoreLocked       another process holds the database for too long
├── StoreCorrupt      the file is damaged, or is no database
├── StoreUnreachable  the file cannot be opened, read or written
└── StoreNewer        a newer version of the program made it
"""

import sqlite3
from typing import Final

RESTORE: Final = "restore a backup in its place, with the server stopped and -wal and -shm removed."


class StoreError(Exception):
    """Something was not saved or not read. The text is one sentence for an operator."""


class StoreFull(StoreError):  # noqa: N818 (the family's name says it is an error)
    """The disk is full: nothing of the batch was saved; later ones may be."""


class StoreLocked(StoreError):  # noqa: N818
    """Another process kept the database locked: nothing of the batch was saved; later ones may be."""


class StoreCorrupt(StoreError):  # noqa: N818
    """The file is damaged: restore a backup."""


class StoreUnreachable(StoreError):  # noqa: N818
    """The file cannot be opened, read or written."""


class StoreNewer(StoreError):  # noqa: N818
    """A newer version of the program has changed the tables."""


def store_error(error: sqlite3.Error, file: str = "the database") -> StoreError:
    """The `StoreError` that `error` means."""
    code = getattr(error, "sqlite_errorcode", None)
    match code & 0xFF if isinstance(code, int) else None:
        case sqlite3.SQLITE_FULL:
            return StoreFull(f"{file} cannot grow: the disk is full.")
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return StoreLocked(f"{file} is locked by another process.")
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return StoreCorrupt(f"{file} is damaged ({error}): {RESTORE}")
        case (
            sqlite3.SQLITE_CANTOPEN
            | sqlite3.SQLITE_PERM
            | sqlite3.SQLITE_READONLY
            | sqlite3.SQLITE_IOERR
            | sqlite3.SQLITE_AUTH
        ):
            return StoreUnreachable(f"{file} cannot be read or written ({error}).")
        case _:
            return StoreError(f"{file}: {error}.")
