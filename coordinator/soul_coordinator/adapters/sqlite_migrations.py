"""The tables, as steps that were and will be taken: append one, never change one.

Each step is a function with a name; the names taken are kept in `schema_migrations`. All
that are missing are taken in one transaction, so that two processes starting at once agree.
"""

import sqlite3
import time
from collections.abc import Callable
from typing import Final

from sqlite_utils import Database

from soul_coordinator.adapters.sqlite_connection import transaction
from soul_coordinator.adapters.sqlite_errors import StoreNewer, store_error

Step = Callable[[Database], None]


def users_and_devices(db: Database) -> None:
    """Accounts and what the coordinator keeps of each user. Times are ms since the Unix epoch."""
    # A user removed and added again gets another `number`: what was known of the old is void.
    _run(
        db,
        """CREATE TABLE users (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL UNIQUE,
            password_hash TEXT,
            created_at INTEGER NOT NULL
        ) STRICT""",
        """CREATE TABLE user_devices (
            user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
            device_id TEXT NOT NULL,
            node TEXT NOT NULL CHECK (node IN ('device', 'guest')),
            device_name TEXT NOT NULL,
            name_key TEXT NOT NULL,
            device_type TEXT NOT NULL,
            can_render INTEGER NOT NULL,
            can_control INTEGER NOT NULL,
            can_host_jam INTEGER NOT NULL,
            supported_formats TEXT NOT NULL,
            max_sample_rate INTEGER NOT NULL,
            max_payload_bytes INTEGER,
            volume REAL,
            created_at INTEGER NOT NULL,
            last_seen INTEGER NOT NULL,
            conn TEXT,
            is_online INTEGER NOT NULL,
            spent TEXT NOT NULL,
            volume_issued_at INTEGER NOT NULL,
            PRIMARY KEY (user_id, device_id),
            UNIQUE (user_id, device_name),
            UNIQUE (user_id, name_key)
        ) STRICT, WITHOUT ROWID""",
    )


def playback(db: Database) -> None:
    """The canonical state; the queue apart, so that a pause never writes 10,000 tracks again."""
    _run(
        db,
        """CREATE TABLE device_playback_state (
            user_id TEXT NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
            device_id TEXT,
            track_id TEXT,
            position_ms INTEGER NOT NULL DEFAULT 0,
            position_at INTEGER NOT NULL DEFAULT 0,
            is_playing INTEGER NOT NULL DEFAULT 0,
            queue_position INTEGER NOT NULL DEFAULT 0,
            volume REAL NOT NULL DEFAULT 1.0,
            shuffle INTEGER NOT NULL DEFAULT 0,
            repeat_mode TEXT NOT NULL DEFAULT 'off',
            duration_ms INTEGER,
            updated_at INTEGER NOT NULL DEFAULT 0,
            epoch INTEGER NOT NULL DEFAULT 0,
            sequence INTEGER NOT NULL DEFAULT 0,
            queue_rev INTEGER NOT NULL DEFAULT 0,
            paused_reason TEXT,
            error_code TEXT,
            error_track_id TEXT,
            applied TEXT NOT NULL DEFAULT '[]'
        ) STRICT, WITHOUT ROWID""",
        # With a rowid, unlike its neighbours: long rows make a WITHOUT ROWID tree deep.
        """CREATE TABLE playback_queues (
            user_id TEXT NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
            queue TEXT NOT NULL,
            play_order TEXT
        ) STRICT""",
        """CREATE TABLE playback_contexts (
            user_id TEXT NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
            issued TEXT NOT NULL,
            lost_at INTEGER,
            was_playing INTEGER,
            goodbye INTEGER,
            commands_since INTEGER
        ) STRICT, WITHOUT ROWID""",
    )


def requests(db: Database) -> None:
    """Answers given, commands whose outcome is open, and the committed transfer."""
    _run(
        db,
        """CREATE TABLE command_receipts (
            user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
            device_id TEXT NOT NULL,
            id TEXT NOT NULL,
            node TEXT NOT NULL,
            status TEXT NOT NULL,
            code TEXT,
            message TEXT,
            sequence INTEGER,
            epoch INTEGER,
            at INTEGER NOT NULL,
            PRIMARY KEY (user_id, device_id, id)
        ) STRICT, WITHOUT ROWID""",
        """CREATE TABLE pending_commands (
            user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
            device_id TEXT NOT NULL,
            id TEXT NOT NULL,
            node TEXT NOT NULL,
            target TEXT NOT NULL,
            command TEXT NOT NULL,
            change TEXT,
            epoch INTEGER NOT NULL,
            issued_at INTEGER NOT NULL,
            expires_at INTEGER NOT NULL,
            number INTEGER NOT NULL,
            own INTEGER NOT NULL,
            PRIMARY KEY (user_id, device_id, id)
        ) STRICT""",
        """CREATE TABLE transfers (
            user_id TEXT NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
            id TEXT NOT NULL,
            requester_node TEXT,
            requester_device TEXT,
            request TEXT,
            source TEXT,
            target TEXT NOT NULL,
            epoch INTEGER NOT NULL,
            committed_at INTEGER NOT NULL,
            deadline INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID""",
    )


def tokens_and_invitations(db: Database) -> None:
    """Tokens by their `jti` (never themselves), invitations by a hash, and what was taken back.

    A service's token has no user. `until` is when the invitation that it came from ends.
    Removed users and deleted devices are kept as SHA-256 only.
    """
    _run(
        db,
        """CREATE TABLE tokens (
            jti TEXT NOT NULL PRIMARY KEY,
            user_id TEXT REFERENCES users (id) ON DELETE CASCADE,
            role TEXT NOT NULL,
            device_id TEXT,
            scope TEXT NOT NULL,
            issued_at INTEGER NOT NULL,
            expires_at INTEGER NOT NULL,
            revoked_at INTEGER,
            until INTEGER
        ) STRICT""",
        "CREATE INDEX tokens_by_user ON tokens (user_id, device_id)",
        """CREATE TABLE invitations (
            code_hash BLOB NOT NULL PRIMARY KEY,
            user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
            scope TEXT NOT NULL,
            created_at INTEGER NOT NULL,
            expires_at INTEGER NOT NULL,
            used_at INTEGER
        ) STRICT, WITHOUT ROWID""",
        "CREATE INDEX invitations_by_user ON invitations (user_id)",
        """CREATE TABLE revoked_tokens (
            jti TEXT NOT NULL PRIMARY KEY,
            user_hash BLOB NOT NULL,
            expires_at INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID""",
        "CREATE TABLE deleted_devices (hash BLOB NOT NULL PRIMARY KEY, at INTEGER NOT NULL) STRICT",
        "CREATE TABLE removed_users (hash BLOB NOT NULL PRIMARY KEY, at INTEGER NOT NULL) STRICT",
        # What other processes changed, for the coordinator that runs beside them.
        """CREATE TABLE account_events (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            at INTEGER NOT NULL,
            kind TEXT NOT NULL,
            user_id TEXT,
            user_hash BLOB,
            role TEXT,
            device_id TEXT,
            jti TEXT,
            scope TEXT,
            ends_at INTEGER
        ) STRICT""",
    )


def pending_commands_in_one_tree(db: Database) -> None:
    """Accepting a command writes one page: the row carries what else was decided, and is its own index."""
    _run(
        db,
        "ALTER TABLE pending_commands RENAME TO pending_commands_before",
        """CREATE TABLE pending_commands (
            user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
            device_id TEXT NOT NULL,
            id TEXT NOT NULL,
            node TEXT NOT NULL,
            target TEXT NOT NULL,
            command TEXT NOT NULL,
            change TEXT,
            epoch INTEGER NOT NULL,
            issued_at INTEGER NOT NULL,
            expires_at INTEGER NOT NULL,
            number INTEGER NOT NULL,
            own INTEGER NOT NULL,
            accepted_at INTEGER NOT NULL DEFAULT 0,
            PRIMARY KEY (user_id, device_id, id)
        ) STRICT, WITHOUT ROWID""",
        "INSERT INTO pending_commands SELECT *, 0 FROM pending_commands_before",
        "DROP TABLE pending_commands_before",
    )


def context_beside_the_playback(db: Database) -> None:
    """What a command changes of a user is one row: a commit of the state writes a page less."""
    _run(
        db,
        "ALTER TABLE device_playback_state ADD COLUMN issued TEXT NOT NULL DEFAULT '{}'",
        "ALTER TABLE device_playback_state ADD COLUMN lost_at INTEGER",
        "ALTER TABLE device_playback_state ADD COLUMN was_playing INTEGER",
        "ALTER TABLE device_playback_state ADD COLUMN goodbye INTEGER",
        "ALTER TABLE device_playback_state ADD COLUMN commands_since INTEGER",
        """INSERT INTO device_playback_state (user_id, issued, lost_at, was_playing, goodbye, commands_since)
            SELECT user_id, issued, lost_at, was_playing, goodbye, commands_since
            FROM playback_contexts WHERE true
            ON CONFLICT (user_id) DO UPDATE SET
                issued = excluded.issued, lost_at = excluded.lost_at,
                was_playing = excluded.was_playing, goodbye = excluded.goodbye,
                commands_since = excluded.commands_since""",
        "DROP TABLE playback_contexts",
    )


def requests_in_one_tree(db: Database) -> None:
    """A request is one row: while it waits, the command (`target` is set); its answer (`status` is)."""
    _run(
        db,
        """CREATE TABLE requests (
            user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
            device_id TEXT NOT NULL,
            id TEXT NOT NULL,
            node TEXT,
            status TEXT,
            code TEXT,
            message TEXT,
            sequence INTEGER,
            epoch INTEGER,
            at INTEGER,
            command_node TEXT,
            target TEXT,
            command TEXT,
            change TEXT,
            command_epoch INTEGER,
            issued_at INTEGER,
            expires_at INTEGER,
            number INTEGER,
            own INTEGER,
            accepted_at INTEGER,
            PRIMARY KEY (user_id, device_id, id),
            CHECK (status IS NOT NULL OR target IS NOT NULL)
        ) STRICT, WITHOUT ROWID""",
        """INSERT INTO requests
            (user_id, device_id, id, node, status, code, message, sequence, epoch, at)
            SELECT user_id, device_id, id, node, status, code, message, sequence, epoch, at
            FROM command_receipts""",
        """INSERT INTO requests
            (user_id, device_id, id, command_node, target, command, change, command_epoch,
             issued_at, expires_at, number, own, accepted_at)
            SELECT user_id, device_id, id, node, target, command, change, epoch,
                issued_at, expires_at, number, own, accepted_at
            FROM pending_commands WHERE true
            ON CONFLICT (user_id, device_id, id) DO UPDATE SET
                command_node = excluded.command_node,
                target = excluded.target, command = excluded.command, change = excluded.change,
                command_epoch = excluded.command_epoch, issued_at = excluded.issued_at,
                expires_at = excluded.expires_at, number = excluded.number, own = excluded.own,
                accepted_at = excluded.accepted_at""",
        "DROP TABLE command_receipts",
        "DROP TABLE pending_commands",
    )


def token_families(db: Database) -> None:
    """What a token was refreshed from, at the beginning of the line; NULL where it began itself.

    `inviter` is the line of whoever invited a guest; NULL where that was an operator.
    """
    _run(
        db,
        "ALTER TABLE tokens ADD COLUMN family TEXT",
        "ALTER TABLE tokens ADD COLUMN inviter TEXT",
        "ALTER TABLE invitations ADD COLUMN inviter TEXT",
        "CREATE INDEX tokens_by_family ON tokens (ifnull(family, jti))",
        "CREATE INDEX tokens_by_inviter ON tokens (inviter) WHERE inviter IS NOT NULL",
    )


def deletions_to_tell(db: Database) -> None:
    """Whose a deleted device was, and the SHA-256 of its id: what the broker has to refuse for ever."""
    _run(
        db,
        "ALTER TABLE deleted_devices ADD COLUMN user_id TEXT REFERENCES users (id) ON DELETE CASCADE",
        "ALTER TABLE deleted_devices ADD COLUMN device_hash BLOB",
        "CREATE INDEX deleted_devices_by_user ON deleted_devices (user_id)",
    )


STEPS: Final[tuple[Step, ...]] = (
    users_and_devices,
    playback,
    requests,
    tokens_and_invitations,
    pending_commands_in_one_tree,
    context_beside_the_playback,
    requests_in_one_tree,
    token_families,
    deletions_to_tell,
)


def migrate(connection: sqlite3.Connection, steps: tuple[Step, ...] = STEPS) -> None:
    """Take the steps that this database has not taken yet.

    Raises:
        StoreNewer: it has taken steps that this program does not know.
        StoreError: it cannot be read or written.
    """
    db = Database(connection, execute_plugins=False)
    try:
        missing = _missing(db, steps)
    except sqlite3.Error as error:
        raise store_error(error) from error
    if not missing:
        return
    with transaction(connection):
        db.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations"
            " (name TEXT NOT NULL PRIMARY KEY, applied_at INTEGER NOT NULL) STRICT"
        )
        # Asked again, now that nobody else can be at it.
        for step in _missing(db, steps):
            step(db)
            db.execute(
                "INSERT INTO schema_migrations (name, applied_at) VALUES (?, ?)",
                [step.__name__, time.time_ns() // 1_000_000],
            )


def taken(db: Database) -> tuple[str, ...]:
    """The names of the steps taken, in order."""
    if "schema_migrations" not in db.table_names():
        return ()
    return tuple(row["name"] for row in db["schema_migrations"].rows_where(order_by="rowid"))


def _missing(db: Database, steps: tuple[Step, ...]) -> list[Step]:
    done = set(taken(db))
    if unknown := done - {step.__name__ for step in steps}:
        raise StoreNewer(f"a newer version made the database (it knows {', '.join(sorted(unknown))}).")
    return [step for step in steps if step.__name__ not in done]


def _run(db: Database, *statements: str) -> None:
    for statement in statements:
        db.execute(statement)
