"""Two stores for the stories: in memory, and the coordinator's own on SQLite."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from argon2 import PasswordHasher
from cryptography.hazmat.primitives.asymmetric import ec

from simulator.store import MemoryStore
from soul_coordinator.accounts import Accounts
from soul_coordinator.adapters.sqlite import SqliteStore
from soul_coordinator.core.effects import Save
from soul_coordinator.core.records import GuestPass, UserRecord
from soul_coordinator.tokens import TokenSigner
from soul_protocol.roles import Role, Scope

USERS = ("ann", "bob")


class MemoryShelf:
    """The store in memory."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._store = MemoryStore()

    def commit(self, saves: list[Save]) -> None:
        self._store.commit(saves)

    def start(self) -> list[UserRecord]:
        return self.load()

    def load(self) -> list[UserRecord]:
        return self._store.load()

    def allow(self, user: str, device: str, scope: frozenset[str], lasts: int) -> GuestPass:
        allowed = GuestPass(device, scope, self._clock() + lasts)
        self._store.of(user).passes[device] = allowed
        return allowed

    def take_back(self, user: str, device: str) -> None:
        passes = self._store.of(user).passes
        passes[device] = replace(passes[device], ends_at=self._clock())

    def close(self) -> None:
        """Nothing is open."""


class Databases:
    """Makes a fresh database for each stage: a copy of one that has its tables and users."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._signer = TokenSigner(ec.generate_private_key(ec.SECP256R1()))
        self._empty = directory / "empty"
        self._made = 0
        accounts = self._accounts(self._empty, lambda: 0)
        for user in USERS:
            accounts.add(user)

    def __call__(self, clock: Callable[[], int]) -> "SqliteShelf":
        self._made += 1
        database = self._directory / f"{self._made}"
        shutil.copyfile(self._empty, database)
        return SqliteShelf(database, self._accounts(database, clock), clock)

    def _accounts(self, database: Path, clock: Callable[[], int]) -> Accounts:
        return Accounts(database, self._signer, hasher=PasswordHasher(1, 8, 1), clock=clock)


class SqliteShelf:
    """The real store: every start opens the file anew, as after a kill."""

    def __init__(self, database: Path, accounts: Accounts, clock: Callable[[], int]) -> None:
        self._database, self._accounts, self._clock = database, accounts, clock
        self._tokens: dict[str, str] = {}
        self._store: SqliteStore | None = None

    def commit(self, saves: list[Save]) -> None:
        assert self._store is not None
        self._store.commit(saves)

    def start(self) -> list[UserRecord]:
        self.close()
        self._store = SqliteStore(self._database, clock=self._clock)
        return self.load()

    def load(self) -> list[UserRecord]:
        assert self._store is not None
        return list(self._store.load())

    def allow(self, user: str, device: str, scope: frozenset[str], lasts: int) -> GuestPass:
        token = self._accounts.issue(
            user, Role.GUEST, device=device, scope=frozenset(Scope(one) for one in scope), ttl=lasts // 1_000
        )
        self._tokens[device] = token.claims.jti
        return GuestPass(device, scope, token.expires_at)

    def take_back(self, user: str, device: str) -> None:
        assert self._accounts.revoke(self._tokens[device]).user == user

    def close(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None
