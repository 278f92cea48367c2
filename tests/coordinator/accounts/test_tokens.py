import contextlib
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from coordinator.accounts.conftest import NOW, Clock, RefusedTokens
from soul_coordinator.accounts import Accounts
from soul_coordinator.accounts_errors import AccountError, BadRequest, NoSuchToken, NoSuchUser, Refused
from soul_coordinator.adapters.sqlite import SqliteStore
from soul_coordinator.adapters.sqlite_changes import TokenRevoked
from soul_coordinator.core.effects import ForgetDevice
from soul_coordinator.core.records import GuestPass
from soul_coordinator.tokens import BadToken, TokenSigner, new_claims, service_token
from soul_protocol.roles import Role, Scope
from soul_protocol.tokens import SERVICE_USER

DEVICE = "00000000-0000-4000-8000-000000000001"
OTHER = "00000000-0000-4000-8000-000000000002"
THIRD = "00000000-0000-4000-8000-000000000003"
DAY = 24 * 3600


def test_a_device_token_claims_what_the_contract_says(accounts: Accounts, signer: TokenSigner) -> None:
    accounts.add("alice")
    issued = accounts.issue("alice", device=DEVICE, ttl=60)
    plain = jwt.decode(issued.token, options={"verify_signature": False})
    assert plain == {
        "sub": "alice",
        "role": "device",
        "iat": NOW // 1000,
        "exp": NOW // 1000 + 60,
        "jti": issued.claims.jti,
        "aud": "soul-connect",
        "device": DEVICE,
    }
    assert jwt.get_unverified_header(issued.token)["alg"] == "ES256"
    assert signer.read(issued.token) == issued.claims
    assert issued.token not in repr(issued)


def test_a_guests_scope_is_sorted(accounts: Accounts) -> None:
    accounts.add("alice")
    issued = accounts.issue("alice", Role.GUEST, device=DEVICE, scope=frozenset(Scope))
    plain = jwt.decode(issued.token, options={"verify_signature": False})
    assert plain["scope"] == ["control", "queue", "transfer"]


@pytest.mark.parametrize(
    ("name", "role", "device", "scope"),
    [
        ("alice", Role.GUEST, None, frozenset()),
        ("alice", Role.GUEST, DEVICE.replace("0", "A"), frozenset()),
        ("alice", Role.DEVICE, DEVICE, frozenset({Scope.QUEUE})),
        ("alice", Role.SERVICE, None, frozenset()),
        (SERVICE_USER, Role.DEVICE, None, frozenset()),
        ("nobody", Role.DEVICE, None, frozenset()),
    ],
)
def test_tokens_that_cannot_be(
    accounts: Accounts, name: str, role: Role, device: str | None, scope: frozenset[Scope]
) -> None:
    accounts.add("alice")
    with pytest.raises(AccountError):
        accounts.issue(name, role, device=device, scope=scope)


def test_a_service_token_is_the_coordinators(accounts: Accounts, signer: TokenSigner) -> None:
    assert accounts.issue(SERVICE_USER, Role.SERVICE).claims.sub == SERVICE_USER
    claims = signer.read(service_token(signer, now=1_000, ttl=3_600).token)
    assert (claims.role, claims.sub, claims.exp) == (Role.SERVICE, SERVICE_USER, 4_600)


def test_only_our_own_tokens_are_read(signer: TokenSigner) -> None:
    claims = new_claims("alice", Role.DEVICE, now=1, exp=2)
    stranger = TokenSigner(ec.generate_private_key(ec.SECP256R1()))
    plain = claims.model_dump(mode="json", exclude={"scope", "device"})
    for token in (
        stranger.sign(claims).token,
        jwt.encode(plain, "", algorithm="none"),
        jwt.encode(plain, "x" * 32, algorithm="HS256"),
        signer.sign(claims).token[:-4] + "AAAA",
        signer.sign(claims.model_copy(update={"aud": "elsewhere"})).token,
        signer.sign(claims.model_copy(update={"sub": "broker"})).token,
        "",
        "a.b.c",
        "é.\ud800.x",
        "x" * 5_000,
    ):
        with pytest.raises(BadToken):
            signer.read(token)


def test_a_revoked_token_is_denied_and_not_refreshed(
    accounts: Accounts, refused_tokens: RefusedTokens
) -> None:
    accounts.add("alice")
    by_id, by_itself = accounts.issue("alice"), accounts.issue("alice", device=DEVICE)
    assert accounts.revoke(by_id.claims.jti).jti == by_id.claims.jti
    assert accounts.revoke(by_itself.token).device == DEVICE
    accounts.revoke(by_itself.token)
    assert refused_tokens() == {by_id.claims.jti, by_itself.claims.jti}
    for issued in (by_id, by_itself):
        with pytest.raises(Refused):
            accounts.refresh(issued.token)
    with pytest.raises(NoSuchToken):
        accounts.revoke("0" * 32)


@pytest.mark.parametrize("taken_back", [0, 1, 2])
def test_a_revoked_token_takes_its_whole_line_along(
    accounts: Accounts, clock: Clock, refused_tokens: RefusedTokens, taken_back: int
) -> None:
    """A thief has refreshed it before it is taken back; who signs out means all that came before."""
    accounts.add("alice")
    line = [accounts.issue("alice", device=DEVICE)]
    of_another_login = accounts.issue("alice", device=DEVICE)
    for _ in range(2):
        clock.advance(days=1)
        line.append(accounts.refresh(line[-1].token))
    assert accounts.revoke(line[taken_back].token).jti == line[taken_back].claims.jti
    assert refused_tokens() == {issued.claims.jti for issued in line}
    for issued in line:
        assert not accounts.stands("alice", issued.claims.jti)
        with pytest.raises(Refused, match="taken back"):
            accounts.refresh(issued.token)
    assert accounts.authenticate(of_another_login.token) == of_another_login.claims


def test_of_a_line_only_what_has_not_ended_is_told(
    accounts: Accounts, clock: Clock, refused_tokens: RefusedTokens, database: Path
) -> None:
    accounts.add("alice")
    first = accounts.issue("alice", ttl=DAY)
    clock.advance(days=2)
    second = accounts.refresh(first.token)
    accounts.revoke(second.token)
    with contextlib.closing(SqliteStore(database, clock=clock)) as store:
        _, changes = store.account_changes(0)
    assert [one.jti for one in changes if isinstance(one, TokenRevoked)] == [second.claims.jti]
    assert refused_tokens() == {second.claims.jti}
    with pytest.raises(Refused, match="taken back"):
        accounts.refresh(first.token)


@pytest.mark.parametrize("by_jti", [True, False])
def test_a_token_that_expired_lately_takes_its_line_along_too(
    accounts: Accounts, clock: Clock, by_jti: bool
) -> None:
    accounts.add("alice")
    old = accounts.issue("alice", ttl=DAY)
    newer = accounts.refresh(old.token)
    clock.advance(days=2)
    newest = accounts.refresh(newer.token)
    accounts.revoke(old.claims.jti if by_jti else old.token)
    assert not accounts.stands("alice", newest.claims.jti)


def test_a_line_is_known_by_its_first_token_when_that_is_long_forgotten(
    accounts: Accounts, clock: Clock, refused_tokens: RefusedTokens, database: Path
) -> None:
    accounts.add("alice")
    first = accounts.issue("alice", device=DEVICE, ttl=DAY)
    clock.advance(days=1)
    newest = second = accounts.refresh(first.token)
    for _ in range(40):
        clock.advance(days=1)
        newest = accounts.refresh(newest.token)
    with contextlib.closing(SqliteStore(database, clock=clock)) as store:
        store.purge(clock.now)
    with pytest.raises(Refused):
        accounts.refresh(first.token)  # its row is gone
    # One between is not known any more, and its line cannot be told by it.
    with pytest.raises(NoSuchToken, match="long ago"):
        accounts.revoke(second.token)
    assert accounts.revoke(first.claims.jti).user == "alice"
    assert newest.claims.jti in refused_tokens()
    assert not accounts.stands("alice", newest.claims.jti)


def test_a_token_taken_back_takes_its_invitations_and_guests_along(
    accounts: Accounts, clock: Clock, refused_tokens: RefusedTokens
) -> None:
    """Of a stolen token they are the thief's. Who signs out has guests who may stay."""
    accounts.add("alice")
    stolen = accounts.issue("alice", device=DEVICE)
    by = accounts.refresh(stolen.token).claims.jti
    used, unused = (accounts.invite("alice", frozenset(), ttl=DAY, by=by) for _ in range(2))
    of_operator = accounts.invite("alice", frozenset(), ttl=DAY)
    guest = accounts.redeem(used.code, OTHER)
    clock.advance(seconds=1)
    again = accounts.refresh(guest.token)

    accounts.log_out(stolen.token)
    assert accounts.authenticate(again.token) == again.claims

    accounts.revoke(stolen.token)
    assert {guest.claims.jti, again.claims.jti} <= refused_tokens()
    with pytest.raises(Refused):
        accounts.redeem(unused.code, THIRD)
    assert accounts.redeem(of_operator.code, THIRD).claims.device == THIRD


def test_signing_out_takes_an_expired_token_too(accounts: Accounts, clock: Clock) -> None:
    """Somebody else may have refreshed it."""
    accounts.add("alice")
    old = accounts.issue("alice", ttl=DAY)
    refreshed = accounts.refresh(old.token)
    clock.advance(days=2)
    accounts.log_out(old.token)
    for issued in (old, refreshed):
        with pytest.raises(Refused):
            accounts.refresh(issued.token)
        with pytest.raises(Refused):
            accounts.log_out(issued.token)


def test_a_guests_device_has_one_line(
    accounts: Accounts, clock: Clock, refused_tokens: RefusedTokens
) -> None:
    """Rights and end go by the device: two guests with one id would have each other's."""
    accounts.add("alice")
    first = accounts.redeem(accounts.invite("alice", frozenset({Scope.TRANSFER}), ttl=DAY).code, DEVICE)
    # A second invitation in the same browser, and what the operator makes, end what was before.
    second = accounts.redeem(accounts.invite("alice", frozenset(), ttl=DAY).code, DEVICE)
    assert refused_tokens() == {first.claims.jti}
    accounts.redeem(accounts.invite("alice", frozenset(), ttl=DAY).code, OTHER)
    issued = accounts.issue("alice", Role.GUEST, device=DEVICE, scope=frozenset({Scope.CONTROL}))
    assert refused_tokens() == {first.claims.jti, second.claims.jti}
    clock.advance(seconds=1)
    refreshed = accounts.refresh(issued.token)
    assert accounts.authenticate(refreshed.token) == refreshed.claims
    assert refused_tokens() == {first.claims.jti, second.claims.jti}


@pytest.mark.parametrize("by_jti", [True, False])
def test_a_guests_old_token_taken_back_again_leaves_the_new_one(
    accounts: Accounts, clock: Clock, database: Path, by_jti: bool
) -> None:
    accounts.add("alice")
    old = accounts.issue("alice", Role.GUEST, device=DEVICE)
    clock.advance(seconds=1)
    new = accounts.issue("alice", Role.GUEST, device=DEVICE)
    with contextlib.closing(SqliteStore(database, clock=clock)) as store:
        before = store.last_account_change()
        # The coordinator is told that the old one ended, and forgets the guest.
        store.load()
        store.commit([ForgetDevice("alice", DEVICE, "ended")])
        (alice,) = store.load()
        assert alice.passes == (GuestPass(DEVICE, frozenset(), new.expires_at),)
        accounts.revoke(old.claims.jti if by_jti else old.token)
        _, changes = store.account_changes(before)
        assert [(one.jti, one.device) for one in changes if isinstance(one, TokenRevoked)] == [
            (old.claims.jti, None)
        ]
        accounts.revoke(new.token)
        _, changes = store.account_changes(before)
        assert isinstance(changes[-1], TokenRevoked)
        assert changes[-1].device == DEVICE


def test_an_invitation_of_a_token_that_was_taken_back_meanwhile_is_none(accounts: Accounts) -> None:
    accounts.add("alice")
    token = accounts.issue("alice", device=DEVICE)
    accounts.revoke(token.token)
    with pytest.raises(Refused, match="taken back"):
        accounts.invite("alice", frozenset(), ttl=DAY, by=token.claims.jti)


def test_a_service_token_that_was_not_recorded_is_revoked_by_itself(
    accounts: Accounts, signer: TokenSigner, refused_tokens: RefusedTokens
) -> None:
    issued = service_token(signer, now=NOW // 1000, ttl=3_600)
    accounts.revoke(issued.token)
    assert refused_tokens() == {issued.claims.jti}


def test_a_denial_ends_with_the_token(
    accounts: Accounts, clock: Clock, refused_tokens: RefusedTokens
) -> None:
    accounts.add("alice")
    accounts.revoke(accounts.issue("alice", ttl=60).claims.jti)
    clock.advance(seconds=61)
    assert refused_tokens() == set()


def test_refresh_keeps_who_one_is(accounts: Accounts, clock: Clock) -> None:
    accounts.add("alice")
    old = accounts.issue("alice", device=DEVICE, ttl=DAY)
    clock.advance(days=1, seconds=1)
    new = accounts.refresh(old.token)
    assert (new.claims.sub, new.claims.role, new.claims.device) == ("alice", Role.DEVICE, DEVICE)
    assert new.claims.jti != old.claims.jti
    assert new.claims.exp == clock.now // 1000 + DAY


@pytest.mark.parametrize("role", [Role.GUEST, Role.OBSERVER])
def test_what_a_guest_or_an_observer_gets_ends_when_the_operator_said(
    accounts: Accounts, clock: Clock, role: Role
) -> None:
    accounts.add("alice")
    scope = frozenset({Scope.QUEUE}) if role is Role.GUEST else frozenset[Scope]()
    old = accounts.issue("alice", role, device=DEVICE, scope=scope, ttl=DAY)
    clock.advance(seconds=DAY - 60)
    new = accounts.refresh(old.token)
    assert (new.claims.role, new.claims.device, new.claims.scope) == (role, DEVICE, scope)
    assert new.claims.exp == old.claims.exp
    clock.advance(seconds=60)
    for issued in (old, new):
        with pytest.raises(Refused, match="has ended"):
            accounts.refresh(issued.token)


def test_a_refreshed_token_says_when_its_holder_proved_who_they_are(
    accounts: Accounts, clock: Clock, signer: TokenSigner
) -> None:
    accounts.add("alice")
    first = accounts.issue("alice")
    assert first.claims.auth_time is None
    token = first.token
    for _ in range(2):
        clock.advance(days=1)
        token = accounts.refresh(token).token
        claims = signer.read(token)
        assert (claims.iat, claims.auth_time) == (clock.now / 1_000, NOW / 1_000)


def test_refresh_ends_thirty_days_after_expiry(accounts: Accounts, clock: Clock) -> None:
    accounts.add("alice")
    old = accounts.issue("alice", ttl=DAY)
    clock.advance(days=31, seconds=-1)
    accounts.refresh(old.token)
    clock.advance(seconds=1)
    with pytest.raises(Refused):
        accounts.refresh(old.token)


def test_an_invitation_counts_once_and_ends(accounts: Accounts, clock: Clock) -> None:
    accounts.add("alice")
    invitation = accounts.invite("alice", frozenset({Scope.CONTROL}), ttl=4 * 3600)
    assert invitation.code not in repr(invitation)
    clock.advance(seconds=3600)
    guest = accounts.redeem(invitation.code, DEVICE)
    assert (guest.claims.role, guest.claims.device) == (Role.GUEST, DEVICE)
    assert guest.claims.scope == {Scope.CONTROL}
    assert guest.expires_at == invitation.expires_at
    with pytest.raises(Refused):
        accounts.redeem(invitation.code, OTHER)
    clock.advance(seconds=3600)
    assert accounts.refresh(guest.token).expires_at == invitation.expires_at
    clock.advance(seconds=2 * 3600)
    with pytest.raises(Refused):
        accounts.refresh(guest.token)


def test_an_invitation_is_not_lost_by_a_bad_request(accounts: Accounts) -> None:
    accounts.add("alice")
    invitation = accounts.invite("alice", frozenset(), ttl=60)
    with pytest.raises(BadRequest):
        accounts.redeem(invitation.code, "not a device")
    assert accounts.redeem(invitation.code, DEVICE).claims.device == DEVICE


def test_invitations_that_do_not_count(accounts: Accounts, clock: Clock) -> None:
    accounts.add("alice")
    invitation = accounts.invite("alice", frozenset(), ttl=60)
    clock.advance(seconds=60)
    for code in (invitation.code, "", "guessed", "\ud800"):
        with pytest.raises(Refused):
            accounts.redeem(code, DEVICE)
    with pytest.raises(NoSuchUser):
        accounts.invite("bob", frozenset(), ttl=60)


def test_a_guest_uses_up_its_own_tokens_only(accounts: Accounts) -> None:
    accounts.add("alice", "secret")
    guest = accounts.redeem(accounts.invite("alice", frozenset(), ttl=3_600).code, DEVICE)
    for _ in range(99):
        guest = accounts.refresh(guest.token)
    with pytest.raises(Refused):
        accounts.refresh(guest.token)
    other = accounts.redeem(accounts.invite("alice", frozenset(), ttl=3_600).code, OTHER)
    assert accounts.refresh(other.token).claims.role is Role.GUEST
    assert accounts.login("alice", "secret").claims.role is Role.DEVICE
