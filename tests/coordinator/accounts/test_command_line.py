"""`user`, `token`, `invite`, `backup`, `check`: the real program on a real data directory."""

import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from soul_coordinator.adapters.sqlite import SqliteStore
from soul_coordinator.adapters.sqlite_changes import TokenRevoked, UserAdded, UserGone
from soul_coordinator.tokens import TokenSigner
from soul_protocol.roles import Role, Scope
from soul_protocol.tokens import TokenClaims

DEVICE = "00000000-0000-4000-8000-000000000001"


class Program:
    """Runs `soul-connect` on one data directory."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self._environ = {
            key: value for key, value in os.environ.items() if not key.startswith("SOUL_CONNECT_")
        } | {"HOME": str(folder), "XDG_CONFIG_HOME": "", "SOUL_CONNECT_DATA_DIR": str(self.data)}

    def run(self, *words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "soul_connect", *words],
            input=typed,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=self._environ,
        )

    def out(self, *words: str, typed: str = "") -> str:
        done = self.run(*words, typed=typed)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def claims(self, *words: str) -> TokenClaims:
        printed = self.out("token", *words)
        assert printed.count("\n") == 1
        return TokenSigner.of_data_dir(self.data).read(printed.removesuffix("\n"))

    def fails(self, code: int, *words: str) -> str:
        done = self.run(*words)
        assert (done.returncode, done.stdout) == (code, ""), done.stderr
        assert done.stderr.startswith("soul-connect: ")
        assert done.stderr.count("\n") == 1
        return done.stderr


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


def test_accounts_come_and_go(program: Program) -> None:
    empty = program.run("user", "list")
    assert (empty.returncode, empty.stdout) == (0, "")
    assert str(program.data) in empty.stderr  # where it looked: the name may be mistyped
    program.out("user", "add", "alice", "--password-stdin", typed="sésame\n")
    program.out("user", "add", "bob")
    assert program.out("user", "list") == (
        "alice  password, 0 devices, 0 tokens\nbob    no password, 0 devices, 0 tokens\n"
    )
    program.out("user", "password", "bob", "--password-stdin", typed="two words\n")
    program.out("user", "remove", "alice")
    assert program.out("user", "list") == "bob  password, 0 devices, 0 tokens\n"
    assert (program.data.stat().st_mode & 0o777) == 0o700


def test_tokens_of_every_role(program: Program) -> None:
    program.out("user", "add", "alice")
    plain = program.claims("alice")
    assert (plain.sub, plain.role, plain.device) == ("alice", Role.DEVICE, None)
    assert plain.exp - int(plain.iat) == 30 * 24 * 3600
    bound = program.claims("alice", "--device", DEVICE.upper(), "--ttl", "90s")
    assert (bound.device, bound.exp - int(bound.iat)) == (DEVICE, 90)
    guest = program.claims("alice", "--role", "guest", "--scope", "queue, control")
    assert guest.device is not None
    assert uuid.UUID(guest.device).version == 4
    assert guest.scope == {Scope.QUEUE, Scope.CONTROL}
    assert program.claims("alice", "--role", "observer").role is Role.OBSERVER
    assert program.claims("coordinator", "--role", "service").role is Role.SERVICE


def test_a_running_coordinator_hears_of_it(program: Program) -> None:
    program.data.mkdir()
    store = SqliteStore(program.data / "soul-connect.db")
    store.load()
    program.out("user", "add", "alice")
    issued, by_itself = program.claims("alice"), program.out("token", "alice").strip()
    program.out("token", "revoke", issued.jti)
    program.out("token", "revoke", by_itself)
    other = TokenSigner.of_data_dir(program.data).read(by_itself)
    seen, changes = store.account_changes(0)
    assert changes == (
        UserAdded("alice"),
        TokenRevoked("alice", "device", None, issued.jti, issued.exp),
        TokenRevoked("alice", "device", None, other.jti, other.exp),
    )
    program.out("user", "remove", "alice")
    _, changes = store.account_changes(seen)
    assert [type(change) for change in changes] == [UserGone]
    store.close()


def test_an_invitation_is_a_link(program: Program) -> None:
    program.out("user", "add", "alice")
    local = program.out("invite", "alice", "--ttl", "15m")
    assert local.startswith("http://127.0.0.1:8080/#invite=")
    public = program.out("invite", "alice", "--url", "https://music.example.org/soul/")
    assert public.startswith("https://music.example.org/soul/#invite=")
    assert local.count("\n") == public.count("\n") == 1


def test_backup_and_check(program: Program, tmp_path: Path) -> None:
    assert "no database" in program.fails(1, "check")
    assert "no database" in program.fails(1, "backup", str(tmp_path / "copy"))
    assert not program.data.exists()
    program.out("user", "add", "alice")
    program.out("backup", str(tmp_path / "copy"))
    assert program.out("check") == "The database is sound.\n"
    database = program.data / "soul-connect.db"
    database.write_bytes(b"SQLite format 3\0" + b"\xa5" * 8_000)
    assert "damaged" in program.fails(1, "check")
    database.write_bytes((tmp_path / "copy").read_bytes())
    assert program.out("user", "list").startswith("alice")


@pytest.mark.parametrize(
    ("code", "words", "said"),
    [
        (1, ("token", "nobody"), "no user 'nobody'"),
        (1, ("user", "remove", "nobody"), "no user 'nobody'"),
        (1, ("user", "add", "alice"), "already"),
        (1, ("invite", "nobody"), "no user 'nobody'"),
        (1, ("token", "revoke", "0" * 32), "No token"),
        (2, ("token", "revoke"), "needs the token"),
        (2, ("token", "alice", "extra"), "too much"),
        (2, ("token", "alice", "--ttl", "5y"), "such as 90s, 15m, 4h or 30d"),
        (2, ("token", "alice", "--ttl", "3651d"), "at most 3650d"),
        (2, ("token", "alice", "--ttl", "0s"), "such as"),
        (2, ("token", "alice", "--role", "king"), "--role"),
        (2, ("token", "alice", "--role", "service"), "coordinator"),
        (2, ("token", "coordinator"), "coordinator"),
        (2, ("token", "alice", "--device", "kitchen"), "UUID"),
        (2, ("token", "alice", "--scope", "queue"), "--role guest"),
        (2, ("token", "alice", "--role", "guest", "--scope", "fly"), "'fly'"),
        (2, ("user", "add", "revoke"), "revoke"),
        (2, ("user", "add", "a b"), "letters"),
        (2, ("invite", "alice", "--url", "ftp://x"), "http://HOST"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    alice: Program, code: int, words: tuple[str, ...], said: str
) -> None:
    assert said in alice.fails(code, *words)


@pytest.fixture(scope="module")
def alice(tmp_path_factory: pytest.TempPathFactory) -> Program:
    program = Program(tmp_path_factory.mktemp("alice"))
    program.out("user", "add", "alice")
    return program


def test_a_data_directory_that_cannot_be_is_said(program: Program, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot be made" in program.fails(2, "user", "list", "--data-dir", str(tmp_path / "file" / "x"))
