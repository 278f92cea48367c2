"""Guests through the real broker: what each scope opens, and how an invitation ends."""

import json
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from e2e.test_access import REFUSED, code, settle
from e2e.wire import Message, WireDevice
from serving import Server, serving
from soul_coordinator.accounts import Accounts
from soul_protocol import limits
from soul_protocol.roles import Role, Scope
from waiting import LostTime


class Host:
    """A user with a player that plays and another one, and guests."""

    def __init__(self, server: Server, stack: ExitStack) -> None:
        self.server, self.stack = server, stack
        self.accounts = Accounts.of_data_dir(server.data_dir)
        self.user = f"host-{uuid.uuid4().hex}"
        self.accounts.add(self.user)
        self.attic, self.cellar = (self.device(name) for name in ("Attic", "Cellar"))
        request = self.attic.command({"type": "set_queue", "tracks": ["one", "two"], "start_index": 0})
        self.attic.carry_out(request, track_id="one")
        self.attic.hear("command_result", id=request, status="applied")

    def device(self, name: str) -> WireDevice:
        token = self.accounts.issue(self.user).token
        device = self.stack.enter_context(WireDevice(self.server.mqtt_port, self.user, token, name=name))
        device.register()
        return device

    def guest(self, *scope: Scope, token: str | None = None, device: str | None = None) -> WireDevice:
        """A guest who is connected, and does not register yet."""
        device = device or str(uuid.uuid4())
        if token is None:
            token = self.accounts.issue(self.user, Role.GUEST, device=device, scope=frozenset(scope)).token
        wire = WireDevice(
            self.server.mqtt_port,
            self.user,
            token,
            name=f"Guest {device[:8]}",
            node="guest",
            device=device,
            can_render=False,
        )
        return self.stack.enter_context(wire)

    def post(self, path: str, body: object = None, *, bearer: str | None = None) -> tuple[int, Message]:
        request = urllib.request.Request(
            f"{self.server.http}{path}", json.dumps(body).encode(), method="POST"
        )
        if bearer:
            request.add_header("Authorization", f"Bearer {bearer}")
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def guests(self, update: Message) -> set[str]:
        return {one["id"] for one in update["devices"] if one["is_guest"]}

    def told(self, guests: set[str], *, seconds: float = 6.0) -> None:
        """Everyone is told that exactly these guests are there."""
        deadline = time.monotonic() + seconds
        while self.guests(self.attic.hear("devices_update", seconds=deadline - time.monotonic())) != guests:
            pass


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("guests")) as server:
        yield server


@pytest.fixture
def host(running: Server) -> Iterator[Host]:
    with ExitStack() as stack:
        yield Host(running, stack)


def reaches(host: Host, guest: WireDevice) -> set[str]:
    """Which of its three kinds of requests of a guest have an effect."""
    volume = guest.command({"type": "set_volume", "volume": 0.25})
    queue = guest.command({"type": "set_queue", "tracks": ["three"], "start_index": 0})
    move = str(uuid.uuid4())
    guest.up("transfer", {"type": "transfer_playback", "id": move, "to_device": host.cellar.id})
    found = set()
    # The answer to a question says that all of it was decided.
    answers = heard_until_settled(guest)
    executed = {one["id"] for one in heard_until_settled(host.attic) if one["type"] == "execute_command"}
    prepared = [one for one in heard_until_settled(host.cellar) if one["type"] == "prepare_playback"]
    found |= {"control"} if volume in executed else set()
    found |= {"queue"} if queue in executed else set()
    found |= {"transfer"} if prepared else set()
    # What the broker dropped was not even refused by the coordinator.
    told = {one["id"] for one in answers if one["type"] == "command_result"}
    assert told == {
        request
        for request, scope in ((volume, "control"), (queue, "queue"), (move, "transfer"))
        if scope in found
    }
    return found


def heard_until_settled(device: WireDevice) -> list[Message]:
    request = str(uuid.uuid4())
    device.up("query", {"type": "request_devices", "id": request})
    heard: list[Message] = []
    while True:
        _, message = device.heard.get(timeout=6)
        if message.get("id") == request:
            return heard
        heard.append(message)


@pytest.mark.parametrize("scope", list(Scope))
def test_each_scope_opens_its_own_topic_and_no_other(host: Host, scope: Scope) -> None:
    guest = host.guest(scope)
    guest.register()
    assert reaches(host, guest) == {str(scope)}


def test_a_guest_without_scope_sees_and_does_nothing(host: Host) -> None:
    guest = host.guest()
    seen = guest.register()
    assert seen["current_state"]["queue"] == ["one", "two"]
    assert {one["name"] for one in seen["devices"]} >= {"Attic", "Cellar"}
    assert reaches(host, guest) == set()
    for channel in ("manage", "state", "outcome"):
        forged = {"type": "delete_device", "id": str(uuid.uuid4()), "device_id": host.cellar.id}
        guest.up(channel, forged)
    settle(guest)
    assert not host.cellar.closed(0)


def test_only_with_transfer_may_a_guest_take_the_music_elsewhere(host: Host) -> None:
    guest = host.guest(Scope.CONTROL, Scope.QUEUE)
    guest.register()
    elsewhere = guest.command({"type": "play"}, target_device=host.cellar.id)
    assert guest.hear("command_result", id=elsewhere)["code"] == "not_authorized"
    here = guest.command({"type": "play"})
    host.attic.carry_out(here, track_id="one")
    guest.hear("command_result", id=here, status="applied")


def test_an_invitation_ends_at_its_time_and_is_never_longer(host: Host) -> None:
    done = host.server.run(
        "invite", host.user, "--scope", "control", "--ttl", "5s", "--url", host.server.http
    )
    assert done.returncode == 0, done.stderr
    code_word, device = done.stdout.strip().partition("#invite=")[2], str(uuid.uuid4())
    status, granted = host.post("/api/invite", {"code": code_word, "device": device})
    assert (status, granted["user"]) == (200, host.user)
    assert host.post("/api/invite", {"code": code_word, "device": str(uuid.uuid4())})[0] == 401
    guest = host.guest(token=granted["token"], device=device)
    guest.register()
    host.told({device})
    status, again = host.post("/api/refresh", bearer=granted["token"])
    assert (status, again["expires_at"]) == (200, granted["expires_at"])

    with LostTime() as lost:
        end = granted["expires_at"] / 1_000 - time.time() + time.monotonic()
        assert guest.closed(15)
        assert -0.3 < guest.closed_at - end < 1.5 + lost.seconds
    host.attic.hear("device_offline", device_id=device, reason="token_expired")
    host.told(set())
    for token in (granted["token"], again["token"]):
        assert host.post("/api/refresh", bearer=token)[0] == 401
        assert code(host.server, host.user, token, node="guest", device=device) == REFUSED


def test_ten_guests_and_a_revoked_one_frees_its_place_within_a_second(host: Host) -> None:
    issued = {}
    guests = []
    for _ in range(limits.GUESTS_PER_USER):
        device = str(uuid.uuid4())
        issued[device] = host.accounts.issue(host.user, Role.GUEST, device=device)
        guests.append(host.guest(token=issued[device].token, device=device))
        guests[-1].register()
    eleventh = host.guest(Scope.CONTROL)
    eleventh.introduce()
    eleventh.hear("error", code="device_limit_reached")
    host.told(set(issued))
    gone = guests[0].id
    token = issued[gone]
    host.accounts.revoke(token.claims.jti)
    assert guests[0].closed(1.5)  # a second, on a machine that has other things to do
    host.attic.hear("device_offline", device_id=gone, reason="token_expired")
    host.told(set(issued) - {gone})
    eleventh.register()
    host.told(set(issued) - {gone} | {eleventh.id})
    assert code(host.server, host.user, token.token, node="guest", device=gone) == REFUSED
