"""A deleted device leaves no byte, its older tokens no way in; time removes the rest."""

import hashlib
import random
import sqlite3
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from cryptography.hazmat.primitives.asymmetric import ec

from coordinator.store.saved import DEVICES, IDS, NOW, device, receipt
from soul_broker.revocations import Revocations
from soul_coordinator.accounts import Accounts
from soul_coordinator.accounts_errors import Refused
from soul_coordinator.adapters.sqlite import SqliteStore
from soul_coordinator.core.effects import (
    ForgetDevice,
    Forgotten,
    Save,
    SaveDevice,
    SavePending,
    SavePlayback,
    SaveReceipt,
    SaveTransfer,
)
from soul_coordinator.core.records import Pending, Transfer
from soul_coordinator.core.values import Address, Playback
from soul_coordinator.tokens import TokenSigner
from soul_protocol.limits import DAY, MINUTE
from soul_protocol.roles import Role

LOST = "deadbeef-dead-4bad-8bad-feedfacecafe"
KEPT = DEVICES[0]


def everything(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


def finish_scrub(store: SqliteStore) -> None:
    # As if the pause that bounds the writer's time were over.
    store._scrub_not_before = 0
    store.accounts_version()
    assert not store._scrub_due


def pending(by: str, target: str) -> Pending:
    return Pending(
        Address("alice", "device", by), IDS[0], target, {"type": "play"}, None, 1, NOW, NOW + 5_000, 1
    )


def test_a_deleted_device_leaves_no_byte_in_any_file(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "db", clock=lambda: NOW)
    store.commit(
        [
            SaveDevice(device(id=KEPT)),
            SaveDevice(device(id=LOST, name="Grandmother's gramophone")),
            SaveReceipt(receipt(by=LOST)),
            SavePending(pending(LOST, KEPT)),
            SavePending(pending(KEPT, LOST)),
            SavePlayback("alice", Playback(device_id=LOST, sequence=1), with_queue=True),
            SaveTransfer("alice", Transfer(IDS[1], None, None, LOST, KEPT, 2, NOW, NOW)),
        ]
    )
    assert LOST.encode() in everything(tmp_path)
    store.commit([ForgetDevice("alice", LOST, "deleted")])
    for trace in (LOST, "gramophone"):
        assert trace.encode() not in everything(tmp_path)
    (alice,) = store.load()
    assert [each.id for each in alice.devices] == [KEPT]
    assert alice.pending == ()
    assert alice.playback.device_id is None
    store.close()


@pytest.mark.parametrize("seed", [1, 2])
def test_no_byte_is_left_in_the_gaps_of_a_busy_file(tmp_path: Path, seed: int) -> None:
    store, rng = SqliteStore(tmp_path / "db", clock=lambda: NOW), random.Random(seed)
    live: list[str] = []
    for _ in range(150):
        saves: list[Save] = []
        gone: list[str] = []
        for _ in range(rng.randrange(1, 12)):
            if rng.random() < 0.55 or not live:
                new = str(uuid.UUID(int=rng.getrandbits(128)))
                live.append(new)
                saves.append(SaveDevice(device(id=new, name=f"named {new}")))
                for _ in range(rng.randrange(6)):
                    answered = str(uuid.UUID(int=rng.getrandbits(128)))
                    saves.append(SaveReceipt(receipt(id=answered, by=new)))
                tracks = ["x" * rng.randrange(200)] * rng.randrange(100)
                saves.append(SavePending(replace(pending(new, new), command={"tracks": tracks})))
            elif rng.random() < 0.5:
                old = rng.choice(live)
                spent = ("0123456789abcdef",) * rng.randrange(16)
                saves.append(SaveDevice(device(id=old, name=f"named {old}", spent=spent)))
            else:
                gone.append(live.pop(rng.randrange(len(live))))
                saves.append(ForgetDevice("alice", gone[-1], "deleted"))
        store.commit(saves)
        finish_scrub(store)
        content = everything(tmp_path)
        assert not [each for each in gone if each.encode() in content]
    store.close()


def test_a_scrub_waits_for_a_reader_and_is_not_forgotten(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "db", clock=lambda: NOW)
    store.commit([SaveDevice(device(id=LOST))])
    reader = sqlite3.connect(tmp_path / "db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM user_devices").fetchall()
    store.commit([ForgetDevice("alice", LOST, "deleted")])
    assert store.load()[0].devices == ()
    assert LOST.encode() in everything(tmp_path)
    reader.execute("COMMIT")
    reader.close()
    store.close()
    after_a_crash = SqliteStore(tmp_path / "db", clock=lambda: NOW)
    after_a_crash.accounts_version()
    assert LOST.encode() not in everything(tmp_path)
    after_a_crash.close()


@pytest.fixture
def accounts(tmp_path: Path) -> Accounts:
    signer = TokenSigner(ec.generate_private_key(ec.SECP256R1()))
    return Accounts(tmp_path / "db", signer, hasher=PasswordHasher(1, 8, 1), clock=lambda: NOW)


def refused(store: SqliteStore) -> set[str]:
    return {jti for _, jti, _ in store.revoked_tokens()}


def test_tokens_from_before_a_deletion_are_refused_later_ones_are_not(
    tmp_path: Path, accounts: Accounts
) -> None:
    accounts.add("alice")
    bound, free = accounts.issue("alice", device=LOST), accounts.issue("alice")
    store = SqliteStore(tmp_path / "db", clock=lambda: NOW)
    store.commit([SaveDevice(device(id=LOST)), ForgetDevice("alice", LOST, "deleted")])
    assert refused(store) == {bound.claims.jti}
    with pytest.raises(Refused):
        accounts.refresh(bound.token)
    # It names no device, so it is the broker that refuses it to this one.
    assert accounts.refresh(free.token).claims.sub == "alice"
    assert LOST.encode() not in everything(tmp_path)
    store.close()


def test_of_a_deletion_the_broker_can_be_told_again_for_a_month(tmp_path: Path, accounts: Accounts) -> None:
    accounts.add("alice")
    accounts.add("gone")
    store = SqliteStore(tmp_path / "db", clock=lambda: NOW)
    for user in ("alice", "gone"):
        store.commit([SaveDevice(device(user, id=LOST)), ForgetDevice(user, LOST, "deleted")])
    store.commit([SaveDevice(device(id=KEPT)), ForgetDevice("alice", KEPT, "unseen")])
    accounts.remove("gone")
    assert store.deleted_devices() == (("alice", hashlib.sha256(LOST.encode()).hexdigest(), NOW),)
    store.purge(NOW + 30 * DAY + 1)
    assert store.deleted_devices() == ()
    store.close()


@pytest.mark.parametrize(("later_ms", "counts"), [(0, False), (1, True), (999, True)])
def test_a_token_of_the_second_of_a_deletion_counts_if_it_is_later(
    tmp_path: Path, later_ms: int, counts: bool
) -> None:
    signer = TokenSigner(ec.generate_private_key(ec.SECP256R1()))
    now = NOW
    accounts = Accounts(tmp_path / "db", signer, hasher=PasswordHasher(1, 8, 1), clock=lambda: now)
    accounts.add("alice")
    store = SqliteStore(tmp_path / "db", clock=lambda: NOW)
    store.commit([SaveDevice(device(id=LOST)), ForgetDevice("alice", LOST, "deleted")])
    broker = Revocations(None, lambda: NOW / 1_000)
    broker.delete("alice", LOST)
    now = NOW + later_ms
    token = accounts.issue("alice", device=LOST)
    assert broker.refuses(token.claims, LOST) is not counts
    if counts:
        accounts.refresh(token.token)
    else:
        with pytest.raises(Refused):
            accounts.refresh(token.token)
    store.close()


@pytest.mark.parametrize(
    ("why", "refuses"), [("deleted", True), ("unseen", False), ("ended", False)], ids=str
)
def test_only_a_deletion_refuses_the_tokens_of_who_is_forgotten(
    tmp_path: Path, accounts: Accounts, why: Forgotten, refuses: bool
) -> None:
    accounts.add("alice")
    role = Role.GUEST if why == "ended" else Role.DEVICE
    token = accounts.issue("alice", role, device=LOST, ttl=1)
    store = SqliteStore(tmp_path / "db", clock=lambda: NOW)
    store.commit([SaveDevice(device(id=LOST)), ForgetDevice("alice", LOST, why)])
    assert LOST.encode() not in everything(tmp_path)
    assert refused(store) == ({token.claims.jti} if refuses else set())
    if refuses:
        with pytest.raises(Refused):
            accounts.refresh(token.token)
    else:
        assert accounts.refresh(token.token).claims.device == LOST
    store.close()


def test_purge_keeps_what_is_still_needed(tmp_path: Path, accounts: Accounts) -> None:
    accounts.add("alice")
    accounts.add("gone")
    token = accounts.issue("alice", ttl=60)
    accounts.revoke(token.claims.jti)
    accounts.invite("alice", frozenset(), ttl=60)
    accounts.remove("gone")
    store = SqliteStore(tmp_path / "db", clock=lambda: NOW)
    store.commit(
        [SaveReceipt(receipt()), SaveDevice(device(id=LOST)), ForgetDevice("alice", LOST, "deleted")]
    )

    def rows(now: int) -> dict[str, int]:
        store.purge(now)
        tables = (
            *("requests", "tokens", "invitations", "revoked_tokens"),
            *("account_events", "deleted_devices", "removed_users"),
        )
        found = {
            table: store._connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in tables
        }
        return {table: count for table, count in found.items() if count}

    everything_lasts = rows(NOW + 10 * MINUTE - 600_000)
    assert everything_lasts == {
        "requests": 1,
        "tokens": 1,
        "invitations": 1,
        "revoked_tokens": 1,
        "account_events": 3,
        "deleted_devices": 1,
        "removed_users": 1,
    }
    assert "invitations" not in rows(NOW + 61_000)
    assert "revoked_tokens" not in rows(NOW + 61_000)
    assert "requests" in rows(NOW + 10 * MINUTE)
    assert "requests" not in rows(NOW + 10 * MINUTE + 1)
    assert "account_events" in rows(NOW + DAY)
    assert "account_events" not in rows(NOW + DAY + 1)
    assert set(rows(NOW + 30 * DAY)) == {"tokens", "deleted_devices", "removed_users"}
    assert set(rows(NOW + 30 * DAY + 61_000)) == set()
    store.close()
