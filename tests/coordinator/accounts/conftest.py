"""Accounts on a real file, with a cheap argon2 and a clock that the test sets."""

from collections.abc import Callable
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from cryptography.hazmat.primitives.asymmetric import ec

from soul_coordinator.accounts import Accounts
from soul_coordinator.adapters.sqlite import SqliteStore
from soul_coordinator.tokens import TokenSigner

NOW = 1_700_000_000_000

RefusedTokens = Callable[[], set[str]]


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> int:
        return self.now

    def advance(self, *, seconds: float = 0, days: float = 0) -> None:
        self.now += int(seconds * 1000 + days * 24 * 3600 * 1000)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def signer() -> TokenSigner:
    return TokenSigner(ec.generate_private_key(ec.SECP256R1()))


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "db"


@pytest.fixture
def accounts(database: Path, signer: TokenSigner, clock: Clock) -> Accounts:
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    return Accounts(database, signer, hasher=cheap, clock=clock)


@pytest.fixture
def refused_tokens(database: Path, clock: Clock) -> RefusedTokens:
    """The `jti` of each token that a coordinator starting now has the broker refuse."""

    def find() -> set[str]:
        store = SqliteStore(database, clock=clock)
        found = {jti for _, jti, _ in store.revoked_tokens()}
        store.close()
        return found

    return find
