"""Limits through the real server: requests a minute, places, and states that come too fast."""

import queue
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from e2e.wire import Message, WireDevice
from serving import Server, serving
from soul_coordinator.accounts import Accounts
from soul_protocol import limits
from waiting import until


class Home:
    """A user's devices."""

    def __init__(self, server: Server, stack: ExitStack) -> None:
        self.server, self.stack = server, stack
        accounts = Accounts.of_data_dir(server.data_dir)
        self.user = f"home-{uuid.uuid4().hex}"
        accounts.add(self.user)
        self.token = accounts.issue(self.user).token

    def device(self, name: str, can_render: bool = True) -> WireDevice:
        """Connected, not yet registered."""
        device = WireDevice(self.server.mqtt_port, self.user, self.token, name=name, can_render=can_render)
        return self.stack.enter_context(device)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("limits")) as server:
        yield server


@pytest.fixture
def home(running: Server) -> Iterator[Home]:
    with ExitStack() as stack:
        yield Home(running, stack)


def ask(device: WireDevice) -> str:
    request = str(uuid.uuid4())
    device.client.publish(f"{device.base}/up/query", f'{{"type":"request_devices","id":"{request}"}}', qos=1)
    return request


def listen(device: WireDevice, heard: list[Message], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        try:
            heard.append(device.heard.get(timeout=left)[1])
        except queue.Empty:
            return


def refused_place(device: WireDevice, **more: bool) -> None:
    """It asks for a place and is told that there is none."""
    device.introduce(**more)
    assert device.hear("error", code="device_limit_reached")


def test_a_hundred_requests_a_minute_and_one_complaint_a_second(home: Home) -> None:
    phone, other = home.device("Phone"), home.device("Other")
    phone.register()
    other.register()
    heard: list[Message] = []
    begun = time.monotonic()
    asked = [ask(phone) for _ in range(130)]
    complaints: list[Message] = []
    # It goes on asking, ten times a second, until it was told twice.
    while len(complaints) < 2 and time.monotonic() - begun < 20:
        asked.append(ask(phone))
        listen(phone, heard, 0.1)
        complaints = [one for one in heard if one["type"] == "error"]
    listen(phone, heard, 0.5)
    took = time.monotonic() - begun
    answered = {one["id"] for one in heard if one["type"] == "devices_update" and "id" in one}
    assert answered <= set(asked)
    assert len(answered) >= limits.REQUESTS_PER_MINUTE
    assert len(answered) <= limits.REQUESTS_PER_MINUTE * (1 + took / 60) + 1
    assert {one["code"] for one in complaints} == {"rate_limited"}
    assert 2 <= len(complaints) <= took + 1
    assert all(0 < one["retry_after_ms"] <= 60_000 for one in complaints)
    # Another device is not slowed by it; and this one is heard again.
    request = ask(other)
    other.hear("devices_update", id=request)

    def is_answered() -> bool:
        listen(phone, heard, 60_000 / limits.REQUESTS_PER_MINUTE / 1_000)
        request = ask(phone)
        listen(phone, heard, 0.3)
        return any(one["type"] == "devices_update" and one.get("id") == request for one in heard)

    until(is_answered, what="it is answered again")


def test_ten_devices_and_the_eleventh_may_make_itself_a_place(home: Home) -> None:
    devices = [home.device(f"Device {number}") for number in range(limits.DEVICES_PER_USER)]
    for device in devices:
        device.register()
    eleventh = home.device("Eleventh")
    refused_place(eleventh)
    request = ask(eleventh)
    listed = eleventh.hear("devices_update", id=request)["devices"]
    assert {one["id"] for one in listed} == {one.id for one in devices}
    play = eleventh.command({"type": "play"})
    with pytest.raises(AssertionError):
        eleventh.hear("command_result", id=play, seconds=0.5)
    request = str(uuid.uuid4())
    eleventh.up("manage", {"type": "delete_device", "id": request, "device_id": devices[0].id})
    assert devices[0].closed(1.5)
    assert eleventh.register()["device"]["name"] == "Eleventh"


def test_ten_ephemeral_clients_who_are_not_listed_and_give_their_place_back(home: Home) -> None:
    devices = [home.device(f"Device {number}") for number in range(limits.DEVICES_PER_USER)]
    for device in devices:
        device.register()
    lines = [home.device("Line", can_render=False) for _ in range(limits.EPHEMERAL_PER_USER)]
    for line in lines:
        seen = line.register(ephemeral=True)
    assert len(seen["devices"]) == limits.DEVICES_PER_USER
    eleventh = home.device("One more", can_render=False)
    refused_place(eleventh, ephemeral=True)
    lines[0].up("disconnect", {"type": "disconnect", "conn": lines[0].conn, "reason": "quit"})
    eleventh.register(ephemeral=True)


def test_states_over_ten_a_second_are_merged_and_no_applied_is_lost(home: Home) -> None:
    attic, phone, watcher = home.device("Attic"), home.device("Phone"), home.device("Watcher")
    for device in (attic, phone, watcher):
        device.register()
    request = attic.command({"type": "set_queue", "tracks": ["one"], "start_index": 0})
    attic.carry_out(request, track_id="one", is_playing=False)
    attic.hear("command_result", id=request, status="applied")
    watcher.hear("playback_state")
    requests = [phone.command({"type": "seek", "position_ms": 500 * number}) for number in range(10)]
    epoch = [attic.hear("execute_command", id=one)["epoch"] for one in requests][-1]
    begun = time.monotonic()
    # Sixty reports, each a jump of a second; every sixth says that a seek was carried out.
    for number in range(60):
        applied = (requests[number // 6],) if number % 6 == 3 else ()
        attic.report(epoch, applied=applied, position_ms=1_000 * number, is_playing=False, track_id="one")
    heard: list[Message] = []

    def all_told() -> bool:
        listen(phone, heard, 0.05)
        told = [one["state"]["position_ms"] for one in heard if one["type"] == "playback_state"]
        return bool(told) and told[-1] == 59_000

    until(all_told, what="the last report is the state")
    took = time.monotonic() - begun
    results = [one for one in heard if one["type"] == "command_result" and one["status"] != "accepted"]
    assert {(one["id"], one["status"]) for one in results} == {(one, "applied") for one in requests}
    assert len(results) == len(requests)
    # An answer is never held back, nor is what came before it.
    states = [one for one in heard if one["type"] == "playback_state"]
    assert len(states) <= limits.STATES_PER_SECOND * (1 + took) + 2 * len(requests) + 2
