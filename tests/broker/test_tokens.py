"""Who is admitted: every way in which a token can be wrong, over the wire."""

import base64
import hashlib
import hmac
import json
import time
import uuid
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from broker import wire
from broker.house import KEY, Running, Start, mint, new_device
from broker.wire import Will
from broker.world import World
from soul_broker.errors import RefusedTokenError, SoulBrokerError
from soul_broker.revocations import Revocations
from soul_broker.server import BrokerSettings
from soul_broker.tokens import TokenVerifier
from soul_protocol.tokens import TokenClaims
from waiting import until_async

CLOSE = "soul/v1/broker/close"
DEVICE = new_device()


def forged(header: dict[str, str], secret: bytes) -> str:
    """A token of our claims under another header."""
    now = int(time.time())
    claims = {
        "sub": "alice",
        "role": "device",
        "iat": now,
        "exp": now + 600,
        "jti": "j",
        "aud": "soul-connect",
    }

    def part(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    body = f"{part(json.dumps(header).encode())}.{part(json.dumps(claims).encode())}"
    signature = hmac.new(secret, body.encode(), hashlib.sha256).digest() if secret else b""
    return f"{body}.{part(signature)}"


def strangers_token() -> str:
    import jwt  # noqa: PLC0415 (only this case signs with another key)

    now = int(time.time())
    claims = {
        "sub": "alice",
        "role": "device",
        "iat": now,
        "exp": now + 60,
        "jti": "j",
        "aud": "soul-connect",
    }
    return jwt.encode(claims, ec.generate_private_key(ec.SECP256R1()), algorithm="ES256")


REFUSED = {
    "a stranger's key": ("alice", strangers_token),
    "expired": ("alice", lambda: mint(ttl=-1)),
    "expires now": ("alice", lambda: mint(ttl=0)),
    "issued in the future": ("alice", lambda: mint(iat=int(time.time()) + 60)),
    "another audience": ("alice", lambda: mint(aud="something-else")),
    "no audience": ("alice", lambda: mint(aud=None)),
    "no jti": ("alice", lambda: mint(jti=None)),
    "no iat": ("alice", lambda: mint(iat=None)),
    "no exp": ("alice", lambda: mint(exp=None)),
    "no sub": ("alice", lambda: mint(None)),
    "alg none": ("alice", lambda: forged({"alg": "none", "typ": "JWT"}, b"")),
    "another user name": ("bob", mint),
    "a reserved user": ("broker", lambda: mint("broker")),
    "a service that is not the coordinator": ("alice", lambda: mint("alice", "service")),
    "the coordinator as a device": ("coordinator", lambda: mint("coordinator")),
    "another device's": ("alice", lambda: mint(device=new_device())),
    "a guest without a device": ("alice", lambda: mint("alice", "guest")),
    "an unknown role": ("alice", lambda: mint("alice", "admin")),
    "an unknown scope": ("alice", lambda: mint("alice", "guest", device=DEVICE, scope=["all"])),
    "not a token": ("alice", lambda: "secret"),
    "too long": ("alice", lambda: "x" * 9_000),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_refused_with_5(running: Running, name: str) -> None:
    user, token = REFUSED[name]
    assert await running.refused(DEVICE, user, token()) == wire.REFUSED
    assert running.broker.statistics.connects_refused == 1
    assert running.broker.statistics.sessions == 0


async def test_hs256_with_the_public_key_as_secret(
    running: Running, signing_key: ec.EllipticCurvePrivateKey
) -> None:
    public = signing_key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    token = forged({"alg": "HS256", "typ": "JWT"}, public)
    assert await running.refused(DEVICE, "alice", token) == wire.REFUSED


@pytest.mark.parametrize(
    "client_id", ["", "phone", DEVICE.upper(), DEVICE + " "], ids=["none", "no-uuid", "capitals", "space"]
)
async def test_a_devices_client_id_is_its_device_id(running: Running, client_id: str) -> None:
    assert await running.refused(client_id, "alice", mint()) == wire.REFUSED


async def test_nothing_given(running: Running) -> None:
    assert await running.refused(DEVICE) == wire.REFUSED
    assert await running.refused(DEVICE, "alice") == wire.REFUSED
    assert await running.refused(DEVICE, "alice", "") == wire.REFUSED
    assert await running.refused(DEVICE, "", mint()) == wire.REFUSED


async def test_admitted(running: Running) -> None:
    await running.device(device=DEVICE)
    await running.device(device=DEVICE, token=mint(device=DEVICE))
    await running.connect(DEVICE, "alice", mint("alice", "guest", device=DEVICE, scope=["control"]))
    await running.observer(client_id="")
    await running.service()
    assert running.broker.statistics.clients_connected == 4


async def test_keys_rotate(signing_key: ec.EllipticCurvePrivateKey) -> None:
    newer = ec.generate_private_key(ec.SECP256R1())
    verifier = TokenVerifier([newer.public_key(), signing_key.public_key()])
    assert verifier.verify("alice", mint().encode(), DEVICE).sub == "alice"
    with pytest.raises(RefusedTokenError):
        TokenVerifier([newer.public_key()]).verify("alice", mint().encode(), DEVICE)


async def test_without_a_client_id_and_with_a_session_is_2(running: Running) -> None:
    answer = await running.refused("", "alice", mint("alice", "observer"), clean=False)
    assert answer == b"\x20\x02\x00\x02"


UP = f"soul/v1/alice/device/{DEVICE}/up"


@pytest.mark.parametrize(
    ("role", "will"),
    [
        ("device", Will(f"{UP}/will", b"x", 1, True)),
        ("device", Will(f"soul/v1/alice/device/{new_device()}/up/will", b"x")),
        ("device", Will("soul/v1/bob/all/state", b"x")),
        ("device", Will("soul/v1/coordinator", b"x")),
        ("observer", Will(f"{UP}/will", b"x")),
        ("guest", Will(f"{UP}/will", b"x")),
    ],
)
async def test_a_refused_will_is_5(running: Running, role: str, will: Will) -> None:
    token = mint("alice", role, device=DEVICE if role == "guest" else None)
    assert await running.refused(DEVICE, "alice", token, will=will) == wire.REFUSED


async def test_an_observer_with_a_devices_id_does_not_disturb_it(running: Running) -> None:
    device = await running.device(device=DEVICE, clean=False)
    observer = await running.connect(DEVICE, "alice", mint("alice", "observer"))
    await running.connect(DEVICE, "bob", mint("bob"))
    await running.connect(DEVICE, "alice", mint("alice", "guest", device=DEVICE))
    await device.silent()
    await observer.silent()


def test_a_token_ends_by_the_calendar_though_the_machine_slept() -> None:
    calendar = time.time()
    world = World(TokenVerifier([KEY.public_key()], clock=lambda: calendar))

    def go_on(seconds: int) -> None:
        nonlocal calendar
        for _ in range(seconds // 10):
            world.send(0, wire.PING)
            calendar += 10
            world.wait(10)

    world.open()
    world.send(0, wire.connect(DEVICE, "alice", mint(ttl=3_600), keep_alive=30))
    calendar -= 600  # somebody set it
    go_on(3_700)
    assert len(world.links) == 1
    calendar += 8 * 3_600  # the lid was closed for the night: the loop's clock knows nothing of it
    go_on(50)
    assert world.links == []


async def test_the_connection_ends_with_its_token(running: Running) -> None:
    watch = await running.watch("soul/v1/#")
    device = await running.device(device=DEVICE, token=mint(ttl=2), will=Will(f"{UP}/will", b"gone", 1))
    assert await device.closed() == b""
    assert (await watch.message()).payload == b"gone"


async def close(running: Running, **what: object) -> None:
    service = await running.service(f"close-{uuid.uuid4()}")
    service.send(wire.publish(CLOSE, json.dumps({"type": "close", **what}).encode(), qos=1))
    await service.expect(wire.acknowledge(wire.PUBACK, 1))


async def test_close_by_user(running: Running) -> None:
    mine, other = await running.device(), await running.device("bob")
    await close(running, user="alice", reason="signed_out")
    await mine.closed()
    await other.silent()
    # Other reasons than `deleted` only close.
    await running.device()


async def test_close_by_device(running: Running) -> None:
    mine, other = await running.device(device=DEVICE), await running.device()
    await close(running, user="alice", device=DEVICE, reason="signed_out")
    await mine.closed()
    await other.silent()


async def test_what_was_said_before_a_close_still_arrives(running: Running) -> None:
    device = await running.device(device=DEVICE)
    device.send(wire.subscribe(("soul/v1/alice/all/+", 0)))
    await device.receive()
    service = await running.service()
    payload = json.dumps({"type": "close", "user": "alice", "reason": "x"}).encode()
    last = wire.publish("soul/v1/alice/all/event", b"last")
    service.send(last, wire.publish(CLOSE, payload))
    assert await device.closed() == last


async def test_a_revoked_token_is_closed_and_stays_refused(start: Start, tmp_path: Path) -> None:
    running = await start()
    token = mint(jti="withdrawn")
    device = await running.device(device=DEVICE, token=token)
    other = await running.device()
    await close(running, user="alice", jti="withdrawn", reason="revoked")
    await device.closed()
    await other.silent()
    assert await running.refused(DEVICE, "alice", token) == wire.REFUSED
    await running.broker.shutdown()
    assert (tmp_path / "revocations.json").stat().st_mode & 0o777 == 0o600
    again = await start()
    assert await again.refused(DEVICE, "alice", token) == wire.REFUSED
    await again.device(device=DEVICE)


async def test_a_deleted_device_is_refused_to_older_tokens_only(start: Start, tmp_path: Path) -> None:
    running = await start()
    old, of_another = mint(), mint()
    device = await running.device(device=DEVICE, token=old)
    await close(running, user="alice", device=DEVICE, reason="deleted")
    await device.closed()
    assert await running.refused(DEVICE, "alice", old) == wire.REFUSED
    await running.device(token=of_another)
    await running.device("bob", DEVICE)
    # A new token for it, dated past the second of the deletion.
    await running.device(device=DEVICE, token=mint(iat=int(time.time()) + 1))
    await running.broker.shutdown()
    assert DEVICE not in (tmp_path / "revocations.json").read_text()
    again = await start()
    assert await again.refused(DEVICE, "alice", old) == wire.REFUSED


async def test_a_deleted_user_is_refused_whole(running: Running) -> None:
    device, observer = await running.device(), await running.observer()
    await close(running, user="alice", reason="deleted")
    await device.closed()
    await observer.closed()
    assert (
        await running.refused("looking", "alice", mint("alice", "observer", iat=int(time.time()) - 5))
        == wire.REFUSED
    )
    await running.device("bob")


async def test_a_deletion_that_is_told_late_refuses_what_was_issued_before_it(running: Running) -> None:
    device = await running.device()
    now = time.time()
    before, after = (mint("alice", "observer", iat=moment) for moment in (now - 20, now - 10))
    await close(running, user="alice", reason="deleted", at=int((now - 15) * 1_000))
    await device.closed()
    assert await running.refused("looking", "alice", before) == wire.REFUSED
    await running.connect("looking", "alice", after)
    # An earlier one, told again, changes nothing.
    await close(running, user="alice", reason="deleted", at=int((now - 25) * 1_000))
    assert await running.refused("looking", "alice", before) == wire.REFUSED


async def test_a_token_of_nobody_knows_whom_is_closed_by_its_jti(running: Running) -> None:
    device, other = await running.device(token=mint(jti="orphan")), await running.device("bob")
    await close(running, user="-", jti="orphan", reason="revoked")
    await device.closed()
    await other.silent()
    await close(running, user="-", reason="revoked")
    await other.silent()


async def test_only_a_service_closes(running: Running) -> None:
    victim, attacker = await running.device("bob"), await running.device()
    payload = json.dumps({"type": "close", "user": "bob", "reason": "deleted"}).encode()
    attacker.send(wire.publish(CLOSE, payload))
    await attacker.silent()
    await victim.silent()


@pytest.mark.parametrize(
    "payload", [b"", b"{", b"[]", b'{"type": "close"}', b'{"type": "other", "user": "alice"}']
)
async def test_a_broken_close_changes_nothing(running: Running, payload: bytes) -> None:
    device, service = await running.device(), await running.service()
    service.send(wire.publish(CLOSE, payload))
    await service.silent()
    await device.silent()


def test_what_is_revoked_already_is_not_written_again_unless_the_disk_refused_it(tmp_path: Path) -> None:
    file = tmp_path / "data" / "revocations.json"
    revocations = Revocations(file, time.time)
    assert revocations.saved
    end = int(time.time()) + 60
    revocations.revoke("jti", end)
    with pytest.raises(FileNotFoundError):
        revocations.save()
    revocations.revoke("jti", end)
    assert not revocations.saved
    file.parent.mkdir()
    revocations.save()
    revocations.revoke("jti", end)
    assert revocations.saved
    revocations.revoke("jti", end + 1)
    assert not revocations.saved


def claims(**changes: object) -> TokenClaims:
    base = {"sub": "alice", "iat": 1_000, "exp": 5_000, "jti": "j", "aud": "soul-connect"}
    return TokenClaims.model_validate({**base, **changes})


def test_revocations_are_pruned_when_they_can_matter_no_more(tmp_path: Path) -> None:
    now = 1_000.0
    file = tmp_path / "revocations.json"
    revocations = Revocations(file, lambda: now)
    revocations.revoke("short", 1_010)
    revocations.revoke("long", 9_000)
    revocations.save()
    assert revocations.refuses(claims(jti="short"), DEVICE)
    now = 1_011.0
    revocations.revoke("another", 9_000)
    revocations.save()
    assert set(json.loads(file.read_text())["tokens"]) == {"long", "another"}


def test_a_token_of_the_second_of_a_deletion_counts_if_it_says_that_it_is_later() -> None:
    revocations = Revocations(None, lambda: 1_000.7009)
    revocations.delete("alice", DEVICE)
    assert revocations.refuses(claims(iat=999), DEVICE)
    # It may be of before or after.
    assert revocations.refuses(claims(iat=1_000), DEVICE)
    assert revocations.refuses(claims(iat=1_000.7), DEVICE)
    assert not revocations.refuses(claims(iat=1_000.701), DEVICE)
    assert not revocations.refuses(claims(iat=1_001), DEVICE)
    # A refreshed one is as old as the first.
    assert revocations.refuses(claims(iat=1_002, auth_time=999), DEVICE)
    assert not revocations.refuses(claims(iat=1_002, auth_time=1_001), DEVICE)
    assert not revocations.refuses(claims(iat=999), new_device())
    assert not revocations.refuses(claims(sub="bob", iat=999), DEVICE)


def test_no_name_of_a_deleted_user_or_device_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "revocations.json"
    # As an earlier version left it: the user by name.
    place = hashlib.sha256(DEVICE.encode()).hexdigest()
    file.write_text(json.dumps({"version": 1, "tokens": {}, "deleted": [["alice", place, 1_000, 9_000]]}))
    revocations = Revocations(file, lambda: 1_001.0)
    assert revocations.refuses(claims(iat=1_000), DEVICE)
    revocations.delete("great-grandmother", None)
    revocations.save()
    assert revocations.refuses(claims(sub="great-grandmother", iat=1_000), new_device())
    assert not {name for name in ("alice", "great-grandmother", DEVICE) if name in file.read_text()}
    again = Revocations(file, lambda: 1_001.0)
    assert again.refuses(claims(iat=1_000), DEVICE)
    assert not again.refuses(claims(iat=1_000), new_device())


def test_unreadable_revocations_stop_the_start(tmp_path: Path) -> None:
    file = tmp_path / "revocations.json"
    file.write_text("{")
    with pytest.raises(SoulBrokerError, match=str(file)):
        Revocations(file, time.time)


async def test_the_token_expires_by_the_injected_clock(start: Start) -> None:
    running = await start(settings=BrokerSettings(sys_interval=0))
    await running.device(token=mint(ttl=1.5))
    await until_async(lambda: running.broker.statistics.clients_connected == 0)
