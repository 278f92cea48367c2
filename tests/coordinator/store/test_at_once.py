"""Commits on the spot: only where nothing is waited for; and the log, which others shorten."""

import shutil
import sqlite3
import threading
from pathlib import Path

import pytest

from coordinator.store.saved import DEVICES, device, receipt
from soul_coordinator.adapters.sqlite import LOG_LONG, SqliteStore
from soul_coordinator.adapters.sqlite_errors import StoreFull
from soul_coordinator.core.effects import ForgetDevice, Save, SaveDevice, SavePlayback, SaveReceipt
from soul_coordinator.core.values import Playback

QUEUE = SavePlayback("alice", Playback(queue=("t",) * 5_000), with_queue=True)


def test_what_is_committed_on_the_spot_is_there(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "db")
    assert store.commit_at_once([SaveDevice(device()), SaveReceipt(receipt())])
    other = SqliteStore(tmp_path / "db")
    (alice,) = other.load()
    assert (alice.devices, alice.receipts) == ((device(),), (receipt(),))
    other.close()
    store.close()


@pytest.mark.parametrize(
    "saves",
    [[QUEUE], [SaveReceipt(receipt())] * 100, [ForgetDevice("alice", DEVICES[0], "unseen")]],
    ids=["a long queue", "a large batch", "a deletion, which may rewrite the file"],
)
def test_much_work_is_left_to_the_thread(tmp_path: Path, saves: list[Save]) -> None:
    store = SqliteStore(tmp_path / "db")
    store.commit([SaveDevice(device())])
    before = store.load()
    assert not store.commit_at_once(saves)
    assert store.load() == before
    store.commit(saves)
    assert store.load() != before
    store.close()


def test_a_commit_that_must_reach_the_disk_is_left_to_the_thread(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "db", "full")
    assert not store.commit_at_once([SaveDevice(device())])
    assert store.load() == ()
    store.close()


def test_another_writer_is_not_waited_for(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "db")
    other = sqlite3.connect(tmp_path / "db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert not store.commit_at_once([SaveDevice(device())])
    assert store.load() == ()
    # In the thread it is waited for.
    saving = threading.Thread(target=store.commit, args=[[SaveDevice(device())]])
    saving.start()
    other.execute("COMMIT")
    saving.join(10)
    assert store.load()[0].devices == (device(),)
    assert store.commit_at_once([SaveReceipt(receipt())])
    other.close()
    store.close()


def test_a_full_disk_is_told_on_the_spot(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "db")
    store.commit([SaveDevice(device())])
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count = {pages}")
    before = store.load()
    wide = SavePlayback("alice", Playback(queue=("x" * 250,) * 200), with_queue=True)
    with pytest.raises(StoreFull):
        store.commit_at_once([SaveReceipt(receipt()), wide])
    assert store.load() == before
    store.close()


def test_the_log_is_written_back_while_the_store_is_in_use(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "db")
    store.commit([SaveDevice(device())])
    assert not store.log_is_long
    for number in range(LOG_LONG):
        assert store.commit_at_once([SaveDevice(device(last_seen=number))])
    assert store.log_is_long
    shortening = threading.Thread(target=store.shorten_log)
    shortening.start()
    commits = 0
    while shortening.is_alive():
        store.commit([SaveDevice(device(last_seen=LOG_LONG + commits))])
        commits += 1
    store.end_log()
    assert not store.log_is_long
    # The file without its log holds all that was committed.
    shutil.copy(tmp_path / "db", tmp_path / "copy")
    copy = SqliteStore(tmp_path / "copy")
    assert copy.load() == store.load()
    copy.close()
    # And the log begins anew: it grows no more.
    size = (tmp_path / "db-wal").stat().st_size
    for number in range(100):
        store.commit([SaveDevice(device(last_seen=number))])
    assert (tmp_path / "db-wal").stat().st_size == size
    store.close()


def test_the_commit_that_begins_a_new_log_waits_for_the_disk_in_the_thread(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "db")
    assert store.commit_at_once([SaveDevice(device())])
    store.end_log()
    assert not store.commit_at_once([SaveReceipt(receipt())])
    store.commit([SaveReceipt(receipt())])
    assert store.commit_at_once([SaveDevice(device(last_seen=1))])
    store.close()


def test_a_store_that_nobody_looks_after_keeps_its_log_bounded(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "db")
    assert store._connection.execute("PRAGMA wal_autocheckpoint").fetchone()[0] == 16_000
    store.close()


def test_a_log_that_cannot_be_shortened_is_left(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "db")
    store.commit([SaveDevice(device())])
    store.path = tmp_path / "nowhere" / "db"
    store.shorten_log()
    assert store.commit_at_once([SaveDevice(device(last_seen=1))])
    store.close()
