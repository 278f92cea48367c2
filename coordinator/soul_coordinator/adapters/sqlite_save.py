"""Saves to rows: each effect for the store as parametrised SQL, inside the caller's transaction."""

import hashlib
import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, assert_never

from pydantic_core import to_json

from soul_coordinator.adapters.sqlite_join import EndPending, Joined, SaveState
from soul_coordinator.core.effects import (
    DropPending,
    DropReceipts,
    ForgetDevice,
    Forgotten,
    Save,
    SaveContext,
    SaveDevice,
    SavePending,
    SavePlayback,
    SavePosition,
    SaveReceipt,
    SaveTransfer,
)
from soul_coordinator.core.names import key as name_key
from soul_coordinator.core.records import DeviceRecord, Pending, Receipt, Transfer
from soul_coordinator.core.values import Instant, Playback
from soul_protocol import limits


def _upsert(table: str, key: Sequence[str], columns: Sequence[str]) -> str:
    every = (*key, *columns)
    marks = ", ".join("?" * len(every))
    changes = ", ".join(f"{column} = excluded.{column}" for column in columns)
    return (  # the words are this module's own, the values are bound
        f"INSERT INTO {table} ({', '.join(every)}) VALUES ({marks})"  # noqa: S608
        f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes}"
    )


def _update(table: str, key: Sequence[str], columns: Sequence[str]) -> str:
    """An UPDATE of a row with this key; its parameters are `columns`, in order, the key among them."""
    places = {column: f"?{place}" for place, column in enumerate(columns, 1)}
    changes = ", ".join(f"{column} = {place}" for column, place in places.items() if column not in key)
    named = " AND ".join(f"{column} = {places[column]}" for column in key)
    return f"UPDATE {table} SET {changes} WHERE {named}"  # noqa: S608 (the words below)


_DEVICE_KEY: Final = ("user_id", "device_id")
_DEVICE_COLUMNS: Final = (
    *("node", "device_name", "name_key", "device_type", "can_render", "can_control", "can_host_jam"),
    *("supported_formats", "max_sample_rate", "max_payload_bytes", "volume", "created_at", "last_seen"),
    *("conn", "is_online", "spent", "volume_issued_at"),
)
_DEVICE: Final = _upsert("user_devices", _DEVICE_KEY, _DEVICE_COLUMNS)
_DEVICE_AGAIN: Final = _update(
    "user_devices", (*_DEVICE_KEY, "device_name", "name_key"), (*_DEVICE_KEY, *_DEVICE_COLUMNS)
)
"""Where the name is the same: SQLite writes no index then, half of what a volume costs."""
_PLAYBACK_COLUMNS: Final = (
    *("device_id", "track_id", "position_ms", "position_at", "is_playing", "queue_position", "volume"),
    *("shuffle", "repeat_mode", "duration_ms", "updated_at", "epoch", "sequence", "queue_rev"),
    *("paused_reason", "error_code", "error_track_id", "applied"),
)
_CONTEXT_COLUMNS: Final = ("issued", "lost_at", "was_playing", "goodbye", "commands_since")
_STATE_COLUMNS: Final = (*_PLAYBACK_COLUMNS, *_CONTEXT_COLUMNS)
_PLAYBACK: Final = _upsert("device_playback_state", ("user_id",), _PLAYBACK_COLUMNS)
_PLAYBACK_AGAIN: Final = _update("device_playback_state", ("user_id",), ("user_id", *_PLAYBACK_COLUMNS))
_STATE: Final = _upsert("device_playback_state", ("user_id",), _STATE_COLUMNS)
_STATE_AGAIN: Final = _update("device_playback_state", ("user_id",), ("user_id", *_STATE_COLUMNS))
"""Both at once: the playback and its context."""
_QUEUE: Final = _upsert("playback_queues", ("user_id",), ("queue", "play_order"))
_POSITION: Final = _upsert("device_playback_state", ("user_id",), ("position_ms", "position_at"))
_CONTEXT: Final = _upsert("device_playback_state", ("user_id",), _CONTEXT_COLUMNS)
_REQUEST_KEY: Final = ("user_id", "device_id", "id")
_THIS_REQUEST: Final = " AND ".join(f"{column} = ?" for column in _REQUEST_KEY)
_ANSWER_COLUMNS: Final = ("node", "status", "code", "message", "sequence", "epoch", "at")
_WAITING_COLUMNS: Final = (
    *("command_node", "target", "command", "change", "command_epoch", "issued_at", "expires_at"),
    *("number", "own", "accepted_at"),
)
_NO_ANSWER: Final = ", ".join(f"{column} = NULL" for column in _ANSWER_COLUMNS)
_NOT_WAITING: Final = ", ".join(f"{column} = NULL" for column in _WAITING_COLUMNS)
_RECEIPT: Final = _upsert("requests", _REQUEST_KEY, _ANSWER_COLUMNS)
_LAST_RECEIPT: Final = f"{_RECEIPT}, {_NOT_WAITING}"
"""The answer that ends a pending command: one row, changed where it lies."""
_DROP_PENDING: Final = (
    f"DELETE FROM requests WHERE {_THIS_REQUEST} AND status IS NULL",  # noqa: S608 (the words above)
    f"UPDATE requests SET {_NOT_WAITING} WHERE {_THIS_REQUEST}",  # noqa: S608
)
_DROP_RECEIPT: Final = (
    f"DELETE FROM requests WHERE {_THIS_REQUEST} AND target IS NULL",  # noqa: S608
    f"UPDATE requests SET {_NO_ANSWER} WHERE {_THIS_REQUEST}",  # noqa: S608
)
_PENDING: Final = _upsert("requests", _REQUEST_KEY, _WAITING_COLUMNS)
_PENDING_OF_USER: Final = _PENDING.replace(
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    "SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13"
    " WHERE EXISTS (SELECT 1 FROM users WHERE id = ?1 AND number = ?14)",
)
_TRANSFER: Final = _upsert(
    "transfers",
    ("user_id",),
    (
        *("id", "requester_node", "requester_device", "request", "source", "target", "epoch"),
        *("committed_at", "deadline"),
    ),
)

# Whatever still names the device when it is forgotten: its rows, and its place in others' rows.
_FORGET: Final = (
    "DELETE FROM user_devices WHERE user_id = :user AND device_id = :device",
    "DELETE FROM requests WHERE user_id = :user AND device_id = :device",
    "DELETE FROM requests WHERE user_id = :user AND target = :device AND status IS NULL",
    f"UPDATE requests SET {_NOT_WAITING} WHERE user_id = :user AND target = :device",  # noqa: S608
    "DELETE FROM transfers WHERE user_id = :user AND target = :device",
    "UPDATE transfers SET source = NULL WHERE user_id = :user AND source = :device",
    (
        "UPDATE transfers SET requester_node = NULL, requester_device = NULL, request = NULL"
        " WHERE user_id = :user AND requester_device = :device"
    ),
    "UPDATE device_playback_state SET device_id = NULL WHERE user_id = :user AND device_id = :device",
    "DELETE FROM account_events WHERE user_id = :user AND device_id = :device",
)


def leaves_no_byte(save: Save) -> bool:
    """Whether what was there must not stay in the gaps of the file either: a device, a purged queue."""
    match save:
        case ForgetDevice():
            return True
        case SavePlayback(_, playback, with_queue):
            return with_queue and playback.device_id is None and not playback.queue
        case _:
            return False


def apply_save(connection: sqlite3.Connection, save: Joined, *, now: Instant) -> None:
    """Do one save. The user's row must be there."""
    match save:
        case SaveDevice(record):
            values = _device(record)
            if not connection.execute(_DEVICE_AGAIN, values).rowcount:
                connection.execute(_DEVICE, values)
        case ForgetDevice(user, device, why):
            _forget(connection, user, device, why, now)
        case SavePlayback():
            _save_state(connection, save, (), _PLAYBACK_AGAIN, _PLAYBACK)
        case SaveState(_, playback, context):
            _save_state(connection, playback, _context(context), _STATE_AGAIN, _STATE)
        case SavePosition(user, position_ms, position_at):
            connection.execute(_POSITION, (user, position_ms, position_at))
        case SaveContext():
            connection.execute(_CONTEXT, (save.user, *_context(save)))
        case SaveReceipt(receipt):
            connection.execute(_RECEIPT, _receipt(receipt))
        case EndPending(_, answer):
            connection.execute(_LAST_RECEIPT, _receipt(answer.receipt))
        case DropReceipts(user, device, ids):
            for each in ids:
                _drop(connection, _DROP_RECEIPT, (user, device, each))
        case SavePending(pending):
            connection.execute(_PENDING, _pending(pending))
        case DropPending(user, device, request):
            _drop(connection, _DROP_PENDING, (user, device, request))
        case SaveTransfer(user, transfer):
            if transfer is None:
                connection.execute("DELETE FROM transfers WHERE user_id = ?", (user,))
            else:
                connection.execute(_TRANSFER, _transfer(user, transfer))
        case _:
            assert_never(save)


def _save_state(
    connection: sqlite3.Connection, save: SavePlayback, context: tuple[object, ...], again: str, first: str
) -> None:
    playback = save.playback
    values = (*_playback(save.user, playback), *context)
    if not connection.execute(again, values).rowcount:
        connection.execute(first, values)
    if save.with_queue:
        order = None if playback.order is None else _json(playback.order)
        connection.execute(_QUEUE, (save.user, _json(playback.queue), order))


def _drop(connection: sqlite3.Connection, statements: tuple[str, str], key: tuple[str, str, str]) -> None:
    """Delete a request's row, or where something else is in it too, only this."""
    delete, clear = statements
    if not connection.execute(delete, key).rowcount:
        connection.execute(clear, key)


def accept(connection: sqlite3.Connection, pending: Pending, number: int) -> bool:
    """Save a pending command alone, of the user with this number; False where there is none.

    In one statement, which is a transaction of its own: what accepting a command takes.
    """
    return connection.execute(_PENDING_OF_USER, (*_pending(pending), number)).rowcount == 1


def user_hash(user: str) -> bytes:
    """SHA-256 of a user's name: what is kept of a user who was removed."""
    return hashlib.sha256(user.encode()).digest()


def device_hash(user: str, device: str) -> bytes:
    """SHA-256 of a user's device: what is kept of a device that was deleted."""
    return hashlib.sha256(f"{user}\0{device}".encode()).digest()


def _forget(connection: sqlite3.Connection, user: str, device: str, why: Forgotten, now: Instant) -> None:
    for statement in _FORGET:
        connection.execute(statement, {"user": user, "device": device})
    if why == "ended":
        # A guest whose time is over; it may have been admitted anew meanwhile.
        connection.execute(
            "UPDATE tokens SET device_id = NULL WHERE user_id = ? AND device_id = ?"
            " AND (revoked_at IS NOT NULL OR max(expires_at, ifnull(until, 0)) <= ?)",
            (user, device, now + limits.MINUTE),
        )
        return
    if why == "unseen":
        # For a month: the token lives or ends by itself, nameless.
        connection.execute(
            "UPDATE tokens SET device_id = NULL WHERE user_id = ? AND device_id = ?", (user, device)
        )
        return
    connection.execute(
        "INSERT OR REPLACE INTO deleted_devices (hash, at, user_id, device_hash) VALUES (?, ?, ?, ?)",
        (device_hash(user, device), now, user, hashlib.sha256(device.encode()).digest()),
    )
    connection.execute(
        "INSERT OR IGNORE INTO revoked_tokens (jti, user_hash, expires_at)"
        " SELECT jti, ?, expires_at FROM tokens WHERE user_id = ? AND device_id = ?",
        (user_hash(user), user, device),
    )
    connection.execute("DELETE FROM tokens WHERE user_id = ? AND device_id = ?", (user, device))


def _json(value: object) -> str:
    return to_json(value).decode()


@lru_cache(1_024)
def _words(values: tuple[str, ...]) -> str:
    """The same few again and again."""
    return _json(values)


def _device(record: DeviceRecord) -> tuple[object, ...]:
    can = record.capabilities
    return (
        record.user,
        record.id,
        record.node,
        record.name,
        name_key(record.name),
        record.device_type,
        can.can_render,
        can.can_control,
        can.can_host_jam,
        _words(can.supported_formats),
        can.max_sample_rate,
        can.max_payload_bytes,
        record.volume,
        record.created_at,
        record.last_seen,
        record.conn,
        record.is_online,
        _words(record.spent),
        record.volume_issued_at,
    )


def _playback(user: str, playback: Playback) -> tuple[object, ...]:
    error = playback.error
    return (
        user,
        playback.device_id,
        playback.track_id,
        playback.position_ms,
        playback.position_at,
        playback.is_playing,
        playback.queue_position,
        playback.volume,
        playback.shuffle,
        playback.repeat_mode,
        playback.duration_ms,
        playback.updated_at,
        playback.epoch,
        playback.sequence,
        playback.queue_rev,
        playback.paused_reason,
        error.code if error else None,
        error.track_id if error else None,
        _json(playback.applied),
    )


def _context(save: SaveContext) -> tuple[object, ...]:
    loss = save.loss
    lost = (loss.at, loss.was_playing, loss.goodbye, loss.commands_since) if loss else (None,) * 4
    return (_json(dict(save.issued)), *lost)


def _receipt(receipt: Receipt) -> tuple[object, ...]:
    to = receipt.requester
    return (
        *(to.user, to.device, receipt.id, to.node, receipt.status, receipt.code, receipt.message),
        *(receipt.sequence, receipt.epoch, receipt.at),
    )


def _pending(pending: Pending) -> tuple[object, ...]:
    to, change = pending.requester, pending.change
    packed = None
    if change is not None:
        packed = _json((change.queue, change.order, change.queue_position, change.queue_rev))
    return (
        *(to.user, to.device, pending.id, to.node, pending.target, _json(dict(pending.command)), packed),
        *(pending.epoch, pending.issued_at, pending.expires_at, pending.number, pending.own),
        pending.accepted_at,
    )


def _transfer(user: str, transfer: Transfer) -> tuple[object, ...]:
    to = transfer.requester
    return (
        *(user, transfer.id, to.node if to else None, to.device if to else None, transfer.request),
        *(transfer.source, transfer.target, transfer.epoch, transfer.committed_at, transfer.deadline),
    )
