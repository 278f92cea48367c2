"""A token that was verified is remembered; whatever happens meanwhile, the answer is that of a fresh look."""

import json
import string
from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st

from broker import wire
from broker.house import KEY, Running, mint, new_device
from soul_broker.admission import Admission, Admissions, Refusal
from soul_broker.packets import Connect, Will
from soul_broker.tokens import TokenVerifier

USERS: Final = ("alice", "bob")
DEVICES: Final = (new_device(), new_device())
NOW: Final = 1_000_000


def token(user: str, **claims: Any) -> bytes:
    return mint(user, iat=NOW, exp=NOW + 100, **claims).encode()


TOKENS: Final = (
    *(token(user) for user in USERS),
    token("alice", device=DEVICES[0], jti="bound"),
    token("alice", role="observer"),
    token("alice", role="guest", device=DEVICES[1]),
    # Not valid yet, and older than it looks.
    mint("alice", iat=NOW + 50, exp=NOW + 120).encode(),
    mint("alice", iat=NOW, nbf=NOW + 20, exp=NOW + 90).encode(),
    token("alice", auth_time=NOW - 60),
    token("alice")[:-4] + b"AAAA",
    b"secret",
)


def asked(user: str, client: str, password: bytes, *, will: Will | None = None) -> Connect:
    return Connect(client, True, 60, will, user, password)


class Clock:
    def __init__(self) -> None:
        self.now = float(NOW)

    def __call__(self) -> float:
        return self.now


def verifier(clock: Clock) -> TokenVerifier:
    return TokenVerifier([KEY.public_key()], clock=clock)


connects = st.builds(
    asked,
    st.sampled_from((*USERS, "coordinator")),
    st.sampled_from((*DEVICES, "looking")),
    st.sampled_from(TOKENS),
    will=st.sampled_from((None, Will(f"soul/v1/alice/device/{DEVICES[0]}/up/will", b"", 1, retain=False))),
)
revocations = st.sampled_from(["bound", "another"])
deletions = st.tuples(st.sampled_from(USERS), st.sampled_from((None, *DEVICES)), st.integers(-70, 60))
steps = st.lists(connects | revocations | deletions | st.integers(-30, 60), min_size=1, max_size=25)


@given(steps)
def test_what_is_remembered_answers_as_a_fresh_look(
    steps: list[Connect | str | tuple[str, str | None, int] | int],
) -> None:
    clock = Clock()
    verifying = verifier(clock)
    admissions = Admissions(verifying, remembered=3)
    for step in steps:
        match step:
            case Connect():
                answer = admissions.admit(step)
                assert answer == Admissions(verifying, remembered=0).admit(step)
                assert len(admissions) <= 3
                # And again at once.
                assert admissions.admit(step) == answer
            case str():
                verifying.revocations.revoke(step)
            case int():
                clock.now += step
            case user, device, moment:
                verifying.revocations.delete(user, device, (NOW + moment) * 1_000)


def test_the_latest_are_remembered() -> None:
    admissions = Admissions(verifier(Clock()), remembered=3)
    crowd = [asked("alice", new_device(), TOKENS[0]) for _ in range(4)]
    first, second, third = (admissions.admit(each) for each in crowd[:3])
    assert admissions.admit(crowd[0]) is first
    assert isinstance(admissions.admit(crowd[3]), Admission)
    assert len(admissions) == 3
    assert admissions.admit(crowd[0]) is first
    assert admissions.admit(crowd[2]) is third
    assert admissions.admit(crowd[1]) is not second


def test_who_is_refused_is_not_remembered() -> None:
    clock = Clock()
    admissions = Admissions(verifier(clock), remembered=3)
    for password in (b"secret", TOKENS[0][:-4] + b"AAAA"):
        assert isinstance(admissions.admit(asked("alice", DEVICES[0], password)), Refusal)
    assert isinstance(admissions.admit(asked("bob", DEVICES[0], TOKENS[0])), Refusal)
    assert isinstance(admissions.admit(asked("alice", "looking", TOKENS[0])), Refusal)
    assert len(admissions) == 0
    # Nobody's client id is another's, nor is a token's beginning one.
    assert isinstance(admissions.admit(asked("alice", DEVICES[0], TOKENS[0])), Admission)
    assert isinstance(admissions.admit(asked("alice", DEVICES[0], TOKENS[0][:-1])), Refusal)
    assert isinstance(admissions.admit(asked("alice", "", TOKENS[0])), Refusal)
    assert len(admissions) == 1


def test_a_made_up_client_id_is_new_each_time() -> None:
    admissions = Admissions(verifier(Clock()), remembered=3)
    first, second = (admissions.admit(asked("alice", "", TOKENS[3])) for _ in range(2))
    assert isinstance(first, Admission)
    assert isinstance(second, Admission)
    assert first.key != second.key


def test_no_token_is_kept() -> None:
    admissions = Admissions(verifier(Clock()), remembered=3)
    admissions.admit(asked("alice", DEVICES[0], TOKENS[0]))
    signature = TOKENS[0].rpartition(b".")[2].decode()
    assert set(signature) <= set(string.ascii_letters + string.digits + "-_")
    assert signature not in repr(admissions._known)


async def test_back_within_a_moment_or_after_a_revocation(running: Running) -> None:
    """The usual way over the wire: admitted twice, then withdrawn."""
    device, held = new_device(), mint(jti="withdrawn")
    for _ in range(2):
        client = await running.device(device=device, token=held)
        client.send(wire.DISCONNECT)
        await client.closed()
    service = await running.service()
    payload = {"type": "close", "user": "alice", "jti": "withdrawn", "reason": "revoked"}
    service.send(wire.publish("soul/v1/broker/close", json.dumps(payload).encode(), qos=1))
    await service.expect(wire.acknowledge(wire.PUBACK, 1))
    assert await running.refused(device, "alice", held) == wire.REFUSED


async def test_nothing_of_who_was_deleted_is_remembered(running: Running) -> None:
    admissions = running.broker._hub.admissions
    kept, gone = new_device(), new_device()
    for user, its in (("alice", kept), ("alice", gone), ("bob", gone)):
        await running.device(user, its)
    service = await running.service()
    for named, left in ({"device": gone}, 3), ({}, 2):
        payload = {"type": "close", "user": "alice", "reason": "deleted"} | named
        service.send(wire.publish("soul/v1/broker/close", json.dumps(payload).encode(), qos=1))
        await service.expect(wire.acknowledge(wire.PUBACK, 1))
        assert len(admissions) == left
