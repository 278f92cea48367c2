"""Rows to records: all that was saved of every user."""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from sqlite_utils import Database

from soul_coordinator.core.records import (
    DeviceRecord,
    GuestPass,
    Loss,
    Pending,
    Receipt,
    Transfer,
    UserRecord,
)
from soul_coordinator.core.values import Address, Capabilities, Playback, QueueChange, TrackError

Row = Mapping[str, Any]

# The newest token of each guest, one that counts before all that were taken back. Those ended
# then: whoever has no other is forgotten at the start, if the coordinator was not there to do it.
_PASSES = """
SELECT user_id, device_id, scope, min(expires_at, ifnull(revoked_at, expires_at)) AS expires_at
FROM tokens
WHERE role = 'guest' AND user_id IS NOT NULL AND device_id IS NOT NULL
ORDER BY user_id, device_id, revoked_at IS NULL, issued_at, rowid
"""


def load_users(connection: sqlite3.Connection) -> tuple[UserRecord, ...]:
    """Every user, by name; devices by age, receipts and pending commands in order of arrival."""
    db = Database(connection, execute_plugins=False)

    def rows(table: str, order: str) -> dict[str, list[Row]]:
        return _by_user(db.query(f"SELECT * FROM {table} ORDER BY {order}"))  # noqa: S608 (our own words)

    devices = rows("user_devices", "created_at, device_id")
    playbacks = rows("device_playback_state", "user_id")
    queues = rows("playback_queues", "user_id")
    receipts = rows("requests WHERE status IS NOT NULL", "at, device_id, id")
    pending = rows("requests WHERE target IS NOT NULL", "number, device_id, id")
    transfers = rows("transfers", "user_id")
    passes = _by_user(db.query(_PASSES))
    users = []
    for row in db.query("SELECT id FROM users ORDER BY id"):
        user = row["id"]
        state = _one(playbacks, user)
        users.append(
            UserRecord(
                id=user,
                playback=_playback(state, _one(queues, user)),
                issued=json.loads(state["issued"]) if state else {},
                loss=_loss(state) if state else None,
                devices=tuple(_device(each) for each in devices.get(user, ())),
                receipts=tuple(_receipt(each) for each in receipts.get(user, ())),
                pending=tuple(_pending(each) for each in pending.get(user, ())),
                transfer=_transfer(moved) if (moved := _one(transfers, user)) else None,
                passes=_passes(passes.get(user, [])),
            )
        )
    return tuple(users)


def guest_pass(row: Row, ends_at: str = "expires_at") -> GuestPass:
    """A pass from a row with `device_id`, `scope` (words and spaces) and an end (ms)."""
    return GuestPass(row["device_id"], frozenset(row["scope"].split()), row[ends_at])


def _by_user(rows: Iterator[Row]) -> dict[str, list[Row]]:
    grouped: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        grouped[row["user_id"]].append(row)
    return grouped


def _one(grouped: Mapping[str, list[Row]], user: str) -> Row | None:
    rows = grouped.get(user)
    return rows[0] if rows else None


def _passes(rows: list[Row]) -> tuple[GuestPass, ...]:
    newest = {row["device_id"]: guest_pass(row) for row in rows}
    return tuple(newest.values())


def _device(row: Row) -> DeviceRecord:
    return DeviceRecord(
        user=row["user_id"],
        id=row["device_id"],
        node=row["node"],
        name=row["device_name"],
        device_type=row["device_type"],
        capabilities=Capabilities(
            can_render=bool(row["can_render"]),
            can_control=bool(row["can_control"]),
            can_host_jam=bool(row["can_host_jam"]),
            supported_formats=tuple(json.loads(row["supported_formats"])),
            max_sample_rate=row["max_sample_rate"],
            max_payload_bytes=row["max_payload_bytes"],
        ),
        volume=row["volume"],
        created_at=row["created_at"],
        last_seen=row["last_seen"],
        conn=row["conn"],
        is_online=bool(row["is_online"]),
        spent=tuple(json.loads(row["spent"])),
        volume_issued_at=row["volume_issued_at"],
    )


def _playback(row: Row | None, queue: Row | None) -> Playback:
    if row is None:
        return Playback()
    error = None
    if row["error_code"] is not None:
        error = TrackError(row["error_code"], row["error_track_id"])
    order = queue["play_order"] if queue else None
    return Playback(
        device_id=row["device_id"],
        track_id=row["track_id"],
        position_ms=row["position_ms"],
        position_at=row["position_at"],
        is_playing=bool(row["is_playing"]),
        queue=tuple(json.loads(queue["queue"])) if queue else (),
        queue_position=row["queue_position"],
        volume=row["volume"],
        shuffle=bool(row["shuffle"]),
        repeat_mode=row["repeat_mode"],
        duration_ms=row["duration_ms"],
        updated_at=row["updated_at"],
        epoch=row["epoch"],
        sequence=row["sequence"],
        queue_rev=row["queue_rev"],
        paused_reason=row["paused_reason"],
        error=error,
        applied=tuple(json.loads(row["applied"])),
        order=None if order is None else tuple(json.loads(order)),
    )


def _loss(row: Row) -> Loss | None:
    if row["lost_at"] is None:
        return None
    return Loss(
        at=row["lost_at"],
        was_playing=bool(row["was_playing"]),
        goodbye=bool(row["goodbye"]),
        commands_since=bool(row["commands_since"]),
    )


def _receipt(row: Row) -> Receipt:
    return Receipt(
        requester=Address(row["user_id"], row["node"], row["device_id"]),
        id=row["id"],
        status=row["status"],
        code=row["code"],
        message=row["message"],
        sequence=row["sequence"],
        epoch=row["epoch"],
        at=row["at"],
    )


def _pending(row: Row) -> Pending:
    change = None
    if row["change"] is not None:
        queue, order, position, rev = json.loads(row["change"])
        change = QueueChange(tuple(queue), None if order is None else tuple(order), position, rev)
    return Pending(
        requester=Address(row["user_id"], row["command_node"], row["device_id"]),
        id=row["id"],
        target=row["target"],
        command=json.loads(row["command"]),
        change=change,
        epoch=row["command_epoch"],
        issued_at=row["issued_at"],
        expires_at=row["expires_at"],
        number=row["number"],
        own=bool(row["own"]),
        accepted_at=row["accepted_at"],
    )


def _transfer(row: Row) -> Transfer:
    requester = None
    if row["requester_device"] is not None:
        requester = Address(row["user_id"], row["requester_node"], row["requester_device"])
    return Transfer(
        id=row["id"],
        requester=requester,
        request=row["request"],
        source=row["source"],
        target=row["target"],
        epoch=row["epoch"],
        committed_at=row["committed_at"],
        deadline=row["deadline"],
    )
