"""What the command line or the page changes reaches the coordinator that runs beside it."""

import subprocess
import sys
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from cryptography.hazmat.primitives.asymmetric import ec

from coordinator.store.saved import DEVICES, NOW, device
from soul_coordinator.accounts import Accounts
from soul_coordinator.adapters.sqlite import SqliteStore
from soul_coordinator.adapters.sqlite_changes import GuestInvited, TokenRevoked, UserAdded, UserGone
from soul_coordinator.core.effects import SaveDevice
from soul_coordinator.core.records import GuestPass
from soul_coordinator.tokens import TokenSigner
from soul_protocol.roles import Role, Scope


@pytest.fixture
def accounts(tmp_path: Path) -> Accounts:
    signer = TokenSigner(ec.generate_private_key(ec.SECP256R1()))
    return Accounts(tmp_path / "db", signer, hasher=PasswordHasher(1, 8, 1), clock=lambda: NOW)


@pytest.fixture
def store(tmp_path: Path, accounts: Accounts) -> SqliteStore:
    accounts.add("alice")
    accounts.add("bob")
    return SqliteStore(tmp_path / "db", clock=lambda: NOW)


def test_changes_come_in_order_and_once(store: SqliteStore, accounts: Accounts) -> None:
    start = store.last_account_change()
    store.load()
    scope = frozenset({Scope.QUEUE})
    accounts.add("carol")
    guest = accounts.issue("alice", Role.GUEST, device=DEVICES[1], scope=scope)
    plain = accounts.issue("alice", device=DEVICES[0])
    accounts.revoke(plain.claims.jti)
    accounts.remove("bob")
    after, changes = store.account_changes(start)
    assert changes == (
        UserAdded("carol"),
        GuestInvited("alice", GuestPass(DEVICES[1], scope, guest.expires_at)),
        TokenRevoked("alice", "device", DEVICES[0], plain.claims.jti, plain.claims.exp),
        UserGone("bob", (), NOW),
    )
    assert store.account_changes(after) == (after, ())
    store.close()


def test_a_removed_user_comes_with_the_tokens_to_refuse(store: SqliteStore, accounts: Accounts) -> None:
    start = store.last_account_change()
    store.load()
    token = accounts.issue("alice")
    accounts.remove("alice")
    _, changes = store.account_changes(start)
    assert changes == (UserGone("alice", ((token.claims.jti, token.claims.exp),), NOW),)
    store.close()


def test_the_version_moves_when_others_write_and_only_then(store: SqliteStore, accounts: Accounts) -> None:
    version = store.accounts_version()
    store.commit([SaveDevice(device())])
    assert store.accounts_version() == version
    accounts.add("carol")
    assert store.accounts_version() != version
    store.close()


def test_a_removed_user_is_not_brought_back_by_a_late_save(store: SqliteStore, accounts: Accounts) -> None:
    store.load()
    store.commit([SaveDevice(device("alice")), SaveDevice(device("bob"))])
    accounts.remove("alice")
    store.commit([SaveDevice(device("alice")), SaveDevice(device("bob", name="Den"))])
    assert [user.id for user in store.load()] == ["bob"]
    assert store.load()[0].devices == (device("bob", name="Den"),)
    store.close()


def test_a_late_save_does_not_reach_a_new_user_of_the_same_name(
    store: SqliteStore, accounts: Accounts
) -> None:
    start = store.last_account_change()
    store.load()
    store.commit([SaveDevice(device("alice"))])
    accounts.remove("alice")
    accounts.add("alice")
    store.commit([SaveDevice(device("alice"))])
    _, changes = store.account_changes(start)
    assert changes == (UserGone("alice", (), NOW), UserAdded("alice"))
    assert [user.devices for user in store.load() if user.id == "alice"] == [()]
    store.commit([SaveDevice(device("alice"))])
    assert [len(user.devices) for user in store.load() if user.id == "alice"] == [1]
    store.close()


def test_a_host_applications_user_needs_no_account(store: SqliteStore) -> None:
    store.commit([SaveDevice(device("hosted"))])
    store.commit([SaveDevice(device("hosted", name="Den"))])
    assert [user.id for user in store.load()] == ["alice", "bob", "hosted"]
    store.close()


def test_a_guests_newest_pass_is_loaded(store: SqliteStore, accounts: Accounts) -> None:
    accounts.issue("alice", Role.GUEST, device=DEVICES[1], ttl=90)
    accounts.issue("alice", Role.GUEST, device=DEVICES[1], scope=frozenset({Scope.CONTROL}), ttl=60)
    newest = accounts.issue("alice", Role.GUEST, device=DEVICES[1], scope=frozenset({Scope.QUEUE}), ttl=30)
    alice = store.load()[0]
    assert alice.passes == (GuestPass(DEVICES[1], frozenset({"queue"}), newest.expires_at),)
    store.close()


def test_a_pass_that_was_taken_back_has_ended(store: SqliteStore, accounts: Accounts) -> None:
    token = accounts.issue("alice", Role.GUEST, device=DEVICES[2], ttl=60)
    accounts.revoke(token.token)
    alice = store.load()[0]
    assert alice.passes == (GuestPass(DEVICES[2], frozenset(), NOW),)
    store.close()


WRITER = """
import sys
from pathlib import Path
from soul_coordinator.accounts import Accounts
accounts = Accounts.of_data_dir(Path(sys.argv[1]))
for number in range(40):
    accounts.add(f"user-{number}")
    accounts.issue(f"user-{number}")
"""


def test_two_processes_write_at_once(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "soul-connect.db")
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)])
    commits = 0
    while writer.poll() is None:
        store.commit([SaveDevice(device("alice", last_seen=commits))])
        commits += 1
    assert writer.returncode == 0
    users = store.load()
    assert len(users) == 41
    assert users[0].devices[0].last_seen == commits - 1
    assert store.check() == ()
    store.close()


def test_processes_that_make_the_database_at_once_agree(tmp_path: Path) -> None:
    script = "import sys; from soul_coordinator.accounts import Accounts; from pathlib import Path;"
    script += "Accounts.of_data_dir(Path(sys.argv[1])).add(sys.argv[2])"
    racers = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "data"), f"user-{number}"])
        for number in range(4)
    ]
    assert [racer.wait(timeout=30) for racer in racers] == [0, 0, 0, 0]
    store = SqliteStore(tmp_path / "data" / "soul-connect.db")
    assert [user.id for user in store.load()] == [f"user-{number}" for number in range(4)]
    store.close()


def test_what_the_broker_must_refuse_is_told_at_the_start(store: SqliteStore, accounts: Accounts) -> None:
    revoked, removed, _good = accounts.issue("alice"), accounts.issue("bob"), accounts.issue("alice")
    store.load()
    accounts.revoke(revoked.claims.jti)
    accounts.remove("bob")
    after_a_restart = SqliteStore(store.path, clock=lambda: NOW)
    after_a_restart.load()
    assert set(after_a_restart.revoked_tokens()) == {
        ("alice", revoked.claims.jti, revoked.claims.exp),
        (None, removed.claims.jti, removed.claims.exp),
    }
    after_a_restart.close()
    store.close()


def test_a_probe_leaves_nothing_behind(store: SqliteStore) -> None:
    seen = store.last_account_change()
    store.probe()
    assert store.account_changes(seen)[1] == ()
    store.close()
