"""A commit that fails says why, saves nothing of its batch, and the store goes on afterwards."""

import sqlite3
from pathlib import Path

import pytest

from coordinator.store.saved import device, receipt
from soul_coordinator.adapters.sqlite import SqliteStore
from soul_coordinator.adapters.sqlite_errors import (
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreLocked,
    StoreNewer,
    StoreUnreachable,
)
from soul_coordinator.core.effects import SaveDevice, SavePlayback, SaveReceipt
from soul_coordinator.core.values import Playback

BIG = SavePlayback("alice", Playback(queue=("x" * 250,) * 10_000), with_queue=True)


def test_a_full_disk_saves_nothing_of_the_batch_and_later_ones_again(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "db")
    store.commit([SaveDevice(device())])
    before = store.load()
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(StoreFull, match="the disk is full"):
        store.commit([SaveReceipt(receipt()), BIG])
    assert store.load() == before
    store._connection.execute("PRAGMA max_page_count = 1000000")
    store.commit([SaveReceipt(receipt()), BIG])
    assert store.load()[0].receipts == (receipt(),)
    store.close()


def test_a_locked_database_is_told_apart(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "db")
    store._connection.execute("PRAGMA busy_timeout = 20")
    other = sqlite3.connect(tmp_path / "db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreLocked, match="locked by another process"):
        store.commit([SaveDevice(device())])
    with pytest.raises(StoreLocked):
        store.probe()
    other.execute("ROLLBACK")
    other.close()
    store.probe()
    store.commit([SaveDevice(device())])
    assert store.load()[0].devices == (device(),)
    store.close()


def test_a_damaged_file_is_told_apart(tmp_path: Path) -> None:
    file = tmp_path / "db"
    store = SqliteStore(file)
    store.commit([SaveDevice(device()), BIG])
    store.close()
    content = bytearray(file.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    file.write_bytes(content)
    with pytest.raises(StoreCorrupt, match="restore a backup"):
        SqliteStore(file).load()


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "db").write_text("this is a letter to my mother " * 100)
    with pytest.raises(StoreCorrupt):
        SqliteStore(tmp_path / "db")


def test_a_place_where_no_file_can_be(tmp_path: Path) -> None:
    with pytest.raises(StoreUnreachable, match="cannot be made"):
        SqliteStore(tmp_path / "missing" / "db")


def test_a_database_of_a_newer_program_is_left_alone(tmp_path: Path) -> None:
    SqliteStore(tmp_path / "db").close()
    with sqlite3.connect(tmp_path / "db") as db:
        db.execute("INSERT INTO schema_migrations VALUES ('holograms', 1)")
    db.close()
    with pytest.raises(StoreNewer, match="holograms"):
        SqliteStore(tmp_path / "db")


def test_names_of_one_user_differ_without_case(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "db")
    store.commit([SaveDevice(device(name="STRASSE"))])
    with pytest.raises(StoreError, match="UNIQUE"):
        store.commit([SaveDevice(device(id="00000000-0000-4000-8000-00000000000f", name="straße"))])
    store.commit([SaveDevice(device("bob", name="straße"))])
    store.close()
