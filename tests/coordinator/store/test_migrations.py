"""A database of each earlier version, with rows in every table, keeps them all."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from coordinator.store.saved import DEVICES, IDS, NOW, device
from soul_coordinator.accounts import Accounts
from soul_coordinator.accounts_lines import revoke
from soul_coordinator.adapters.sqlite import SqliteStore
from soul_coordinator.adapters.sqlite_connection import connect
from soul_coordinator.adapters.sqlite_errors import StoreError
from soul_coordinator.adapters.sqlite_migrations import STEPS, migrate, taken
from soul_coordinator.core.effects import SaveDevice
from soul_coordinator.core.records import Loss
from soul_coordinator.core.values import Playback
from soul_coordinator.tokens import TokenSigner

Row = dict[str, Any]

_DEVICE: Row = {
    "user_id": "alice",
    "device_id": DEVICES[0],
    "node": "device",
    "device_name": "Kitchen",
    "name_key": "kitchen",
    "device_type": "desktop",
    "can_render": 1,
    "can_control": 1,
    "can_host_jam": 0,
    "supported_formats": '["flac","mp3"]',
    "max_sample_rate": 192_000,
    "max_payload_bytes": 65_536,
    "volume": 0.5,
    "created_at": NOW,
    "last_seen": NOW,
    "conn": "0123456789abcdef",
    "is_online": 1,
    "spent": "[]",
    "volume_issued_at": 0,
}
_REQUEST: Row = {"user_id": "alice", "device_id": DEVICES[0], "id": IDS[0], "node": "device"}

# What a database may have held when the step was the newest: never changed, like the step itself.
ROWS: dict[str, dict[str, list[Row]]] = {
    "users_and_devices": {
        "users": [
            {"number": 1, "id": "alice", "password_hash": "$argon2id$x", "created_at": NOW},
            {"number": 7, "id": "bob", "password_hash": None, "created_at": NOW + 1},
        ],
        "user_devices": [_DEVICE, _DEVICE | {"user_id": "bob", "max_payload_bytes": None, "volume": None}],
    },
    "playback": {
        "device_playback_state": [
            {
                "user_id": "alice",
                "device_id": DEVICES[0],
                "track_id": "b",
                "position_ms": 61_000,
                "position_at": NOW,
                "is_playing": 1,
                "queue_position": 1,
                "volume": 0.25,
                "shuffle": 1,
                "repeat_mode": "all",
                "duration_ms": 200_000,
                "updated_at": NOW,
                "epoch": 4,
                "sequence": 90,
                "queue_rev": 3,
                "paused_reason": None,
                "error_code": None,
                "error_track_id": None,
                "applied": f'["{IDS[0]}"]',
            }
        ],
        "playback_queues": [{"user_id": "alice", "queue": '["a","b"]', "play_order": "[1,0]"}],
        "playback_contexts": [
            {
                "user_id": "alice",
                "issued": f'{{"play":{NOW}}}',
                "lost_at": NOW,
                "was_playing": 1,
                "goodbye": 0,
                "commands_since": 0,
            }
        ],
    },
    "requests": {
        "command_receipts": [
            _REQUEST
            | {"status": "applied", "code": None, "message": None, "sequence": 90, "epoch": 4, "at": NOW}
        ],
        "pending_commands": [
            _REQUEST
            | {
                "id": IDS[1],
                "target": DEVICES[0],
                "command": '{"type":"pause"}',
                "change": None,
                "epoch": 4,
                "issued_at": NOW,
                "expires_at": NOW + 5_000,
                "number": 12,
                "own": 0,
            }
        ],
        "transfers": [
            {
                "user_id": "alice",
                "id": IDS[2],
                "requester_node": "device",
                "requester_device": DEVICES[0],
                "request": IDS[3],
                "source": None,
                "target": DEVICES[0],
                "epoch": 4,
                "committed_at": NOW,
                "deadline": NOW + 5_000,
            }
        ],
    },
    "tokens_and_invitations": {
        "tokens": [
            {
                "jti": "j1",
                "user_id": "alice",
                "role": "guest",
                "device_id": DEVICES[1],
                "scope": "control queue",
                "issued_at": NOW,
                "expires_at": NOW + 60_000,
                "revoked_at": None,
                "until": NOW + 60_000,
            }
        ],
        "invitations": [
            {
                "code_hash": b"c" * 32,
                "user_id": "alice",
                "scope": "control",
                "created_at": NOW,
                "expires_at": NOW + 60_000,
                "used_at": None,
            }
        ],
        "revoked_tokens": [{"jti": "j0", "user_hash": b"u" * 32, "expires_at": NOW + 60_000}],
        "deleted_devices": [{"hash": b"d" * 32, "at": NOW}],
        "removed_users": [{"hash": b"r" * 32, "at": NOW}],
        "account_events": [
            {
                "id": 5,
                "at": NOW,
                "kind": "user_added",
                "user_id": "alice",
                "user_hash": None,
                "role": None,
                "device_id": None,
                "jti": None,
                "scope": None,
                "ends_at": None,
            }
        ],
    },
    "context_beside_the_playback": {
        "device_playback_state": [
            {
                "user_id": "bob",
                "device_id": None,
                "track_id": None,
                "issued": f'{{"any":{NOW}}}',
                "lost_at": NOW,
                "was_playing": 1,
                "goodbye": 1,
                "commands_since": 1,
            }
        ],
    },
    "requests_in_one_tree": {
        "requests": [
            _REQUEST
            | {
                "id": IDS[3],
                "node": None,
                "status": None,
                "code": None,
                "message": None,
                "sequence": None,
                "epoch": None,
                "at": None,
                "command_node": "device",
                "target": DEVICES[0],
                "command": '{"type":"play"}',
                "change": None,
                "command_epoch": 4,
                "issued_at": NOW,
                "expires_at": NOW + 5_000,
                "number": 14,
                "own": 0,
                "accepted_at": NOW,
            }
        ],
    },
    "token_families": {
        "tokens": [
            {
                "jti": "j2",
                "user_id": "alice",
                "role": "device",
                "device_id": DEVICES[0],
                "scope": "",
                "issued_at": NOW,
                "expires_at": NOW + 60_000,
                "revoked_at": None,
                "until": None,
                "family": "j1",
                "inviter": "j0",
            }
        ],
        "invitations": [
            {
                "code_hash": b"d" * 32,
                "user_id": "alice",
                "scope": "queue",
                "created_at": NOW,
                "expires_at": NOW + 60_000,
                "used_at": None,
                "inviter": "j1",
            }
        ],
    },
    "deletions_to_tell": {
        "deleted_devices": [{"hash": b"e" * 32, "at": NOW, "user_id": "alice", "device_hash": b"f" * 32}],
    },
    "pending_commands_in_one_tree": {
        "pending_commands": [
            _REQUEST
            | {
                "id": IDS[2],
                "target": DEVICES[0],
                "command": '{"type":"set_volume","volume":0.5}',
                "change": None,
                "epoch": 4,
                "issued_at": NOW,
                "expires_at": NOW + 5_000,
                "number": 13,
                "own": 0,
                "accepted_at": NOW,
            }
        ],
    },
}


# Where the rows of a table are that a later step took away, and what its columns are called there.
MOVED: dict[str, tuple[str, dict[str, str]]] = {
    "playback_contexts": ("device_playback_state", {}),
    "command_receipts": ("requests", {}),
    "pending_commands": ("requests", {"epoch": "command_epoch", "node": "command_node"}),
}


def content(db: Database) -> dict[str, list[Row]]:
    own = {"schema_migrations", "sqlite_sequence", "sqlite_stat1"}
    return {name: list(db[name].rows) for name in db.table_names() if name not in own}


def lived(path: Path, count: int = len(STEPS)) -> sqlite3.Connection:
    """A database that has seen so many versions, and got rows in each."""
    connection = connect(path)
    for number, step in enumerate(STEPS[:count], 1):
        migrate(connection, STEPS[:number])
        for table, rows in ROWS[step.__name__].items():
            Database(connection).table(table).insert_all(rows)
    return connection


@pytest.mark.parametrize("count", range(1, len(STEPS) + 1), ids=lambda count: STEPS[count - 1].__name__)
def test_every_row_of_an_earlier_version_is_kept(tmp_path: Path, count: int) -> None:
    connection = lived(tmp_path / "db", count)
    before = content(Database(connection))
    assert all(before.values()), "every table of that version is to have rows"
    connection.close()

    store = SqliteStore(tmp_path / "db", clock=lambda: NOW)
    after = content(Database(store._connection))
    for table, rows in before.items():
        place, names = (table, {}) if table in after else MOVED[table]
        kept = [{name: row[names.get(name, name)] for name in rows[0]} for row in after[place]]
        assert [row for row in kept if row in rows] == rows
        assert len(kept) == len(rows) or table in MOVED
    assert taken(Database(store._connection)) == tuple(step.__name__ for step in STEPS)
    assert store.check() == ()
    alice, bob = store.load()
    assert (alice.devices, bob.devices[0].volume) == ((device(),), None)
    if count >= 2:
        assert (alice.playback.queue, alice.playback.order) == (("a", "b"), (1, 0))
        assert (alice.playback.sequence, alice.playback.epoch) == (90, 4)
    else:
        assert alice.playback == Playback()
    store.commit([SaveDevice(device("bob", DEVICES[2], "Den"))])
    store.close()


def test_what_kept_rows_mean_is_kept_too(tmp_path: Path) -> None:
    lived(tmp_path / "db").close()
    store = SqliteStore(tmp_path / "db", clock=lambda: NOW)
    alice, bob = store.load()
    assert [receipt.status for receipt in alice.receipts] == ["applied"]
    accepted = [(pending.id, pending.accepted_at) for pending in alice.pending]
    assert accepted == [(IDS[1], 0), (IDS[2], NOW), (IDS[3], NOW)]
    assert [pending.epoch for pending in alice.pending] == [4, 4, 4]
    assert alice.transfer is not None
    assert (alice.loss, alice.issued) == (Loss(NOW, True, False), {"play": NOW})
    assert (bob.loss, bob.issued) == (Loss(NOW, True, True, True), {"any": NOW})
    assert bob.playback == Playback()
    assert [guest.scope for guest in alice.passes] == [{"control", "queue"}]
    assert [jti for _, jti, _ in store.revoked_tokens()] == ["j0"]
    assert store.last_account_change() == 5
    assert store.deleted_devices() == (("alice", "66" * 32, NOW),)
    # A token of before families began its own, which what was refreshed from it belongs to.
    signer = TokenSigner.of_data_dir(tmp_path)
    assert revoke(store._connection, signer, "j1", now=NOW).jti == "j1"
    assert {jti for _, jti, _ in store.revoked_tokens()} == {"j0", "j1", "j2"}
    store.close()


def test_an_answer_beside_a_waiting_command_is_kept_with_it(tmp_path: Path) -> None:
    """As versions kept it that did not have the command carry its answer."""
    connection = lived(tmp_path / "db", 3)
    connection.execute("UPDATE command_receipts SET id = ?, status = 'accepted'", (IDS[1],))
    connection.close()
    store = SqliteStore(tmp_path / "db", clock=lambda: NOW)
    alice, _ = store.load()
    assert [(one.id, one.status, one.at) for one in alice.receipts] == [(IDS[1], "accepted", NOW)]
    assert [(one.id, one.command) for one in alice.pending] == [(IDS[1], {"type": "pause"})]
    store.close()


def test_a_database_without_tables_gets_them_all(tmp_path: Path) -> None:
    connect(tmp_path / "db").close()
    store = SqliteStore(tmp_path / "db")
    store.commit([SaveDevice(device())])
    assert store.check() == ()
    store.close()


def test_whoever_opens_an_earlier_version_first_brings_it_up_to_date(tmp_path: Path) -> None:
    connection = connect(tmp_path / "soul-connect.db")
    migrate(connection, STEPS[:1])
    connection.close()
    # The command line, before the server.
    accounts = Accounts(tmp_path / "soul-connect.db", TokenSigner.of_data_dir(tmp_path))
    accounts.add("alice")
    db = sqlite3.connect(tmp_path / "soul-connect.db")
    assert taken(Database(db)) == tuple(step.__name__ for step in STEPS)
    db.close()


def test_a_step_that_fails_leaves_the_database_as_it_was(tmp_path: Path) -> None:
    def breaks(db: Database) -> None:
        db.execute("CREATE TABLE half (done INTEGER)")
        db.execute("CREATE TABLE half (done INTEGER)")

    SqliteStore(tmp_path / "db").close()
    connection = connect(tmp_path / "db")
    with pytest.raises(StoreError, match="half already exists"):
        migrate(connection, (*STEPS, breaks))
    db = Database(connection)
    assert "half" not in db.table_names()
    assert len(taken(db)) == len(STEPS)
    connection.close()
