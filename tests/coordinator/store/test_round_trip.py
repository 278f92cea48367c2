"""What was committed is what is loaded, exactly."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hypothesis import HealthCheck, given, settings

from coordinator.store.saved import DEVICES, NOW, Expected, batches, device, receipt
from soul_coordinator.adapters.sqlite import SqliteStore
from soul_coordinator.core.effects import (
    DropPending,
    Save,
    SaveDevice,
    SavePending,
    SavePlayback,
    SavePosition,
    SaveReceipt,
)
from soul_coordinator.core.records import Pending, UserRecord
from soul_coordinator.core.values import Address, Playback


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(batches())
def test_committed_records_are_loaded_equal(given_batches: Sequence[Sequence[Save]]) -> None:
    expected = Expected()
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder, "db"), clock=lambda: NOW)
        for batch in given_batches:
            said: list[Save] = []
            for save in batch:
                if expected.fits(save):
                    expected.apply(save.user, save)
                    said.append(save)
            store.commit(said)
        assert store.load() == expected.records()
        store.close()
        again = SqliteStore(Path(folder, "db"))
        assert again.load() == expected.records()
        again.close()


def test_an_empty_database_has_no_users(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "db")
    store.commit([])
    assert store.load() == ()
    store.close()


def test_a_pause_and_a_position_leave_the_queue_alone(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "db")
    queue = tuple(f"track-{n}" for n in range(10_000))
    playing = Playback(queue=queue, order=tuple(range(10_000)), is_playing=True, sequence=1)
    store.commit([SavePlayback("alice", playing, with_queue=True)])
    store.commit([SavePlayback("alice", Playback(sequence=2, epoch=3), with_queue=False)])
    store.commit([SavePosition("alice", 90_000, NOW)])
    (user,) = store.load()
    assert user.playback == Playback(
        queue=queue, order=playing.order, sequence=2, epoch=3, position_ms=90_000, position_at=NOW
    )
    store.close()


def test_a_guest_and_a_device_of_one_id_do_not_mix(tmp_path: Path) -> None:
    """An answer to the one, and a command of the other that waits, under the same id."""
    store = SqliteStore(tmp_path / "db")
    answer = replace(receipt(), requester=Address("alice", "guest", DEVICES[0]))
    asker = Address("alice", "device", DEVICES[0])
    pending = Pending(asker, answer.id, DEVICES[0], {"type": "pause"}, None, 1, NOW, NOW, 1)
    store.commit([SaveReceipt(answer), SavePending(pending)])
    (user,) = store.load()
    assert (user.receipts, user.pending) == ((answer,), (pending,))
    store.commit([DropPending("alice", DEVICES[0], answer.id)])
    (user,) = store.load()
    assert (user.receipts, user.pending) == ((answer,), ())
    store.close()


def test_users_do_not_mix(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "db")
    ours, theirs = device("alice"), device("bob")
    store.commit([SaveDevice(ours), SaveDevice(theirs), SaveReceipt(receipt("bob"))])
    assert store.load() == (
        UserRecord("alice", devices=(ours,)),
        UserRecord("bob", devices=(theirs,), receipts=(receipt("bob", by=DEVICES[0]),)),
    )
    store.close()
