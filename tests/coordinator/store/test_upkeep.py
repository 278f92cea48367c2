"""Backup and check, while the store is in use; durability."""

import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlite_utils import Database

from coordinator.store.saved import DEVICES, device, receipt
from soul_coordinator.adapters.sqlite import SqliteStore
from soul_coordinator.adapters.sqlite_connection import connect
from soul_coordinator.adapters.sqlite_errors import StoreError, StoreUnreachable
from soul_coordinator.core.effects import SaveDevice, SavePlayback, SaveReceipt, SaveTransfer
from soul_coordinator.core.records import Transfer
from soul_coordinator.core.values import Playback


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "db")
    store.commit(
        [
            SaveDevice(device()),
            SavePlayback("alice", Playback(device_id=DEVICES[0], queue=("a", "b"), sequence=1), True),
            SaveReceipt(receipt()),
        ]
    )
    yield store
    store.close()


def test_the_schema_is_the_promised_one(store: SqliteStore) -> None:
    db = Database(store._connection)
    assert {"users", "user_devices", "device_playback_state"} <= set(db.table_names())
    unique = {tuple(index.columns) for index in db.table("user_devices").indexes if index.unique}
    assert ("user_id", "device_name") in unique
    with pytest.raises(sqlite3.IntegrityError):
        db.execute(
            "INSERT INTO user_devices SELECT user_id, 'other', node, device_name, 'other key', device_type,"
            " can_render, can_control, can_host_jam, supported_formats, max_sample_rate, max_payload_bytes,"
            " volume, created_at, last_seen, conn, is_online, spent, volume_issued_at FROM user_devices"
        )


@pytest.mark.parametrize(("durability", "level"), [("normal", 1), ("full", 2)])
def test_settings_of_the_connection(tmp_path: Path, durability: str, level: int) -> None:
    connection = connect(tmp_path / "db", durability)  # type: ignore[arg-type]

    def pragma(name: str) -> object:
        return connection.execute(f"PRAGMA {name}").fetchone()[0]

    assert pragma("journal_mode") == "wal"
    assert pragma("synchronous") == level
    assert (pragma("foreign_keys"), pragma("secure_delete")) == (1, 1)
    assert stat.S_IMODE((tmp_path / "db").stat().st_mode) == 0o600
    connection.close()


def test_a_backup_is_the_whole_store_at_one_moment(store: SqliteStore, tmp_path: Path) -> None:
    before = store.load()
    store.backup(tmp_path / "copy")
    store.commit([SaveDevice(device("bob"))])
    copy = SqliteStore(tmp_path / "copy")
    assert copy.load() == before
    assert copy.check() == ()
    copy.close()
    store.backup(tmp_path / "copy")
    again = SqliteStore(tmp_path / "copy")
    assert again.load() == store.load()
    again.close()
    assert stat.S_IMODE((tmp_path / "copy").stat().st_mode) == 0o600
    assert {file.name for file in tmp_path.iterdir()} == {"db", "db-wal", "db-shm", "copy"}


def test_a_backup_does_not_overwrite_other_files(store: SqliteStore, tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("dear mother")
    for target in ("letter", "db", "missing/copy"):
        with pytest.raises(StoreUnreachable):
            store.backup(tmp_path / target)
    with pytest.raises(StoreError):
        store.backup(tmp_path)
    assert (tmp_path / "letter").read_text() == "dear mother"


def test_a_healthy_store_has_no_problems(store: SqliteStore) -> None:
    assert store.check() == ()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("UPDATE device_playback_state SET queue_position = 2", "queue position 2 is outside its 2 tracks"),
        ("UPDATE playback_queues SET play_order = '[0, 0]'", "order kept for the end of shuffle"),
        ("UPDATE device_playback_state SET device_id = 'x'", "active device x is not one of its devices"),
        ("UPDATE user_devices SET name_key = 'x'", "is filed wrongly"),
        ("UPDATE user_devices SET spent = 'no JSON'", "cannot be read back"),
        ("DELETE FROM users", "belongs to no row of users"),
        (
            "DELETE FROM schema_migrations WHERE name = 'requests'",
            "Steps of the schema are missing",
        ),
    ],
)
def test_each_kind_of_damage_is_said(store: SqliteStore, damage: str, said: str) -> None:
    store._connection.execute("PRAGMA foreign_keys = OFF")
    store._connection.execute(damage)
    assert any(said in problem for problem in store.check()), store.check()


def test_too_many_places_and_a_transfer_of_the_future_are_said(store: SqliteStore) -> None:
    more = [SaveDevice(device(id=f"20000000-0000-4000-8000-{n:012}", name=f"Speaker {n}")) for n in range(10)]
    store.commit([*more, SaveTransfer("alice", Transfer("t", None, None, None, DEVICES[0], 9, 1, 1))])
    assert [problem for problem in store.check() if "11 places" in problem]
    assert [problem for problem in store.check() if "epoch" in problem]
