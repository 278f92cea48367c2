from pathlib import Path

import pytest

from coordinator.accounts.conftest import RefusedTokens
from soul_coordinator.accounts import Accounts, AccountSummary
from soul_coordinator.accounts_errors import BadRequest, NoSuchUser, Refused, UserExists
from soul_protocol.roles import Role

NOW = 1_700_000_000_000
DEVICE = "00000000-0000-4000-8000-000000000001"


def test_an_account_logs_in_with_its_password_only(accounts: Accounts) -> None:
    accounts.add("alice", "sésame ouvre-toi")
    assert accounts.verify("alice", "sésame ouvre-toi")
    assert not accounts.verify("alice", "Sésame ouvre-toi")
    assert not accounts.verify("alice", "")
    assert not accounts.verify("bob", "sésame ouvre-toi")
    assert not accounts.verify("alice", "\ud800")
    assert not accounts.verify("alice", "x" * 2_000)


def test_an_account_without_a_password_gets_tokens_but_no_login(accounts: Accounts) -> None:
    accounts.add("alice")
    assert not accounts.verify("alice", "")
    with pytest.raises(Refused):
        accounts.login("alice", "")
    assert accounts.issue("alice").claims.sub == "alice"


def test_a_password_can_be_replaced(accounts: Accounts) -> None:
    accounts.add("alice")
    accounts.set_password("alice", "new")
    assert accounts.verify("alice", "new")
    with pytest.raises(NoSuchUser, match="bob"):
        accounts.set_password("bob", "new")


@pytest.mark.parametrize(
    "name", ["", "a b", "ü", "a/b", "a" * 65, "broker", "coordinator", "revoke", "+", "#", "a\n"]
)
def test_names_that_cannot_be(accounts: Accounts, name: str) -> None:
    with pytest.raises(BadRequest):
        accounts.add(name)


@pytest.mark.parametrize("password", ["", "x" * 1_025, "\ud800"])
def test_passwords_that_cannot_be(accounts: Accounts, password: str) -> None:
    with pytest.raises(BadRequest):
        accounts.add("alice", password)
    assert accounts.users() == ()


def test_names_are_taken_once(accounts: Accounts) -> None:
    accounts.add("alice", "one")
    with pytest.raises(UserExists):
        accounts.add("alice", "two")
    assert accounts.verify("alice", "one")


def test_accounts_are_listed(accounts: Accounts) -> None:
    accounts.add("bob")
    accounts.add("alice", "secret")
    accounts.revoke(accounts.issue("alice").claims.jti)
    accounts.issue("alice", device=DEVICE)
    assert accounts.users() == (
        AccountSummary("alice", NOW, has_password=True, devices=0, tokens=1),
        AccountSummary("bob", NOW, has_password=False, devices=0, tokens=0),
    )


def test_a_removed_account_is_gone(accounts: Accounts, refused_tokens: RefusedTokens) -> None:
    accounts.add("alice", "secret")
    token = accounts.issue("alice", Role.OBSERVER)
    accounts.remove("alice")
    assert accounts.users() == ()
    assert not accounts.verify("alice", "secret")
    assert refused_tokens() == {token.claims.jti}
    with pytest.raises(NoSuchUser):
        accounts.remove("alice")
    with pytest.raises(Refused):
        accounts.refresh(token.token)


def test_no_token_password_or_code_is_stored(accounts: Accounts, database: Path) -> None:
    accounts.add("alice", "correct horse")
    secrets = ["correct horse", accounts.login("alice", "correct horse").token]
    secrets.append(accounts.invite("alice", frozenset(), ttl=60).code)
    stored = b"".join(file.read_bytes() for file in database.parent.iterdir())
    assert not [secret for secret in secrets if secret.encode() in stored]
    assert b"alice" in stored


def test_every_byte_of_a_removed_user_goes(accounts: Accounts, database: Path) -> None:
    for name in ("first", "zaphod-beeblebrox", "last"):
        accounts.add(name, "secret")
        accounts.issue(name, Role.GUEST, device=DEVICE)
        accounts.invite(name, frozenset(), ttl=60)
    jti = accounts.issue("zaphod-beeblebrox").claims.jti
    accounts.revoke(jti)
    accounts.remove("zaphod-beeblebrox")
    stored = b"".join(file.read_bytes() for file in database.parent.iterdir())
    assert b"zaphod" not in stored
    assert b"first" in stored
    assert b"last" in stored
