"""However many devices a user deletes: little is kept of it, and none of them comes back."""

import hashlib
import json
import time
import uuid
from pathlib import Path

from broker import wire
from broker.house import Start, mint, new_device
from soul_broker.revocations import DEVICES_KEPT, LONGEST_LIFETIME, Revocations
from soul_protocol.tokens import TokenClaims
from soul_protocol.topics import BROKER_CLOSE as CLOSE

START = 1_000_000
MANY = 3 * DEVICES_KEPT


def token(issued: float, user: str = "alice", device: str | None = None) -> TokenClaims:
    return TokenClaims(
        sub=user, iat=issued, exp=int(issued) + 5_000, jti="j", aud="soul-connect", device=device
    )


def kept(file: Path) -> list[list[object]]:
    deleted: list[list[object]] = json.loads(file.read_text())["deleted"]
    return deleted


def test_what_is_kept_of_a_user_is_bounded_and_no_deleted_device_comes_back(tmp_path: Path) -> None:
    now, file = float(START), tmp_path / "revocations.json"
    revocations = Revocations(file, lambda: now)
    devices = [str(uuid.uuid4()) for _ in range(MANY)]
    for device in devices:
        revocations.delete("alice", device)
        now += 10
    revocations.delete("bob", devices[0])
    revocations.save()
    assert len(kept(file)) == DEVICES_KEPT + 1 + 1
    for each in (revocations, Revocations(file, lambda: now)):
        for place, device in enumerate(devices):
            deleted = START + 10 * place
            for bound in (None, device):
                assert each.refuses(token(START - 1, device=bound), device)
                assert each.refuses(token(deleted, device=bound), device)
                # One that was issued to it after this and all the forgotten ones.
                after = max(deleted, START + 10 * (MANY - DEVICES_KEPT)) + 1
                assert not each.refuses(token(after, device=bound), device)


def test_other_devices_are_refused_to_tokens_only_that_are_older_than_a_forgotten_deletion() -> None:
    now = float(START)
    revocations, other = Revocations(None, lambda: now), new_device()
    for _ in range(DEVICES_KEPT):
        revocations.delete("alice", new_device())
        now += 10
    assert not revocations.refuses(token(START - 1), other)
    # The first one of all is forgotten.
    revocations.delete("alice", new_device())
    assert revocations.refuses(token(START), other)
    assert not revocations.refuses(token(START + 1), other)
    assert not revocations.refuses(token(START, "bob"), other)
    # One that is told late takes its place among them.
    revocations.delete("alice", new_device(), (START + 5) * 1_000)
    assert revocations.refuses(token(START + 5), other)
    assert not revocations.refuses(token(START + 6), other)


def test_a_deletion_of_the_whole_user_is_not_made_older() -> None:
    now = float(START)
    revocations = Revocations(None, lambda: now)
    for _ in range(DEVICES_KEPT):
        revocations.delete("alice", new_device())
    now += 1_000
    revocations.delete("alice", None)
    revocations.delete("alice", new_device())
    assert revocations.refuses(token(now), new_device())
    assert not revocations.refuses(token(now + 1), new_device())


def test_what_an_earlier_version_kept_is_bounded_when_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / "revocations.json"
    user = hashlib.sha256(b"alice").hexdigest()
    devices = [new_device() for _ in range(MANY)]
    deleted = [
        [user, hashlib.sha256(device.encode()).hexdigest(), START + place, START + LONGEST_LIFETIME]
        for place, device in enumerate(devices)
    ]
    file.write_text(json.dumps({"version": 2, "tokens": {}, "deleted": deleted}))
    revocations = Revocations(file, lambda: float(START))
    assert all(revocations.refuses(token(START + place), device) for place, device in enumerate(devices))
    revocations.save()
    assert len(kept(file)) == DEVICES_KEPT + 1


async def test_a_deletion_that_is_told_again_refuses_older_tokens_and_leaves_who_came_back(
    start: Start,
) -> None:
    """The broker, or the link to it, ended just when the device was deleted; the id is known no more."""
    running = await start()
    now = int(time.time())
    old, new, lost, back = mint(iat=now - 20), mint(iat=now - 5), new_device(), new_device()
    thief, other = await running.device(device=lost, token=old), await running.device(token=old)
    returned, service = await running.device(device=back, token=new), await running.service()
    for number, device in enumerate((lost, back, lost), 1):
        hashed = hashlib.sha256(device.encode()).hexdigest()
        refuse = {"type": "refuse", "user": "alice", "device_hash": hashed, "at": (now - 10) * 1_000}
        service.send(wire.publish(CLOSE, json.dumps(refuse).encode(), qos=1, packet_id=number))
        await service.expect(wire.acknowledge(wire.PUBACK, number))
    await thief.closed()
    await returned.silent()
    await other.silent()
    assert await running.refused(lost, "alice", old) == wire.REFUSED
    assert await running.refused(back, "alice", old) == wire.REFUSED
    await running.broker.shutdown()
    again = await start()
    assert await again.refused(lost, "alice", old) == wire.REFUSED
    await again.device(device=back, token=new)
