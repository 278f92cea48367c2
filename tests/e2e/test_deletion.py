"""A device or a user that is deleted leaves nothing: no byte, no retained message, no connection."""

import sqlite3
import time
from pathlib import Path

from e2e.test_access import REFUSED, code
from e2e.test_separate_processes import coordinator
from e2e.wire import WireDevice
from serving import Process, Server
from soul_coordinator.accounts import Accounts
from soul_protocol import limits
from soul_protocol.roles import Role
from waiting import until

_LAST = "soul/v1/coordinator"
WITHIN = 1.5
"""A second, and a half for a machine that has other things to do."""
NAME = "Grandmother's gramophone"


def traces(server: Server, *words: str) -> list[tuple[str, str]]:
    """Which of the words stand in which file of the data directory."""
    found = []
    for file in sorted(server.data_dir.rglob("*")):
        try:
            content = file.read_bytes() if file.is_file() else b""
        except FileNotFoundError:
            continue  # a file that was written anew just now
        found += [(file.name, word) for word in words if word.encode() in content]
    return found


def retained(server: Server) -> str:
    """Every retained message, as a service sees them with mosquitto_sub."""
    token = Accounts.of_data_dir(server.data_dir).issue("coordinator", Role.SERVICE).token
    looking = Process(
        [
            *("mosquitto_sub", "-h", "127.0.0.1", "-p", str(server.mqtt_port), "-u", "coordinator"),
            *("-P", token, "--retained-only", "-v", "-t", "soul/v1/#", "-t", _LAST),
        ]
    )
    try:
        # The second filter is answered after the first: then there is nothing more to come.
        until(lambda: sum(line.startswith(f"{_LAST} ") for line in looking.lines) == 2)
        return "\n".join(looking.lines)
    finally:
        looking.kill()


def account(server: Server, user: str) -> tuple[Accounts, str]:
    """A new user, and a token for any of its devices."""
    accounts = Accounts.of_data_dir(server.data_dir)
    accounts.add(user)
    return accounts, accounts.issue(user).token


def device(server: Server, user: str, token: str, name: str, **more: str) -> WireDevice:
    return WireDevice(server.mqtt_port, user, token, name=name, **more)  # type: ignore[arg-type]


def play(renderer: WireDevice, *tracks: str) -> None:
    request = renderer.command({"type": "set_queue", "tracks": tracks, "start_index": 0})
    renderer.carry_out(request, track_id=tracks[0], queue=tracks)


def test_a_deleted_device_leaves_no_byte_no_message_and_no_connection(server: Server) -> None:
    accounts, token = account(server, "alice")
    with device(server, "alice", token, "Kitchen") as kitchen, device(server, "alice", token, NAME) as lost:
        kitchen.register()
        lost.register()
        play(lost, "one", "two")
        kitchen.hear("playback_state")
        until(lambda: {word for _, word in traces(server, lost.id, "gramophone")} == {lost.id, "gramophone"})
        assert lost.id in retained(server)

        request = "10000000-0000-4000-8000-000000000002"
        kitchen.up("manage", {"type": "delete_device", "id": request, "device_id": lost.id})
        kitchen.hear("command_result", id=request, status="applied")
        assert lost.closed(WITHIN)
        until(
            lambda: not traces(server, lost.id, "gramophone"),
            what=lambda: f"{traces(server, lost.id, 'gramophone')}",
        )
        told = retained(server)
        assert "soul/v1/alice/all/state" in told
        assert lost.id not in told
        assert "gramophone" not in told

        # Older tokens are refused to it, whatever else they are good for; a new one is not.
        assert code(server, "alice", token, device=lost.id) == REFUSED
        assert code(server, "alice", accounts.refresh(token).token, device=lost.id) == REFUSED
        assert code(server, "alice", token) is None
        fresh = accounts.issue("alice", device=lost.id).token
        with device(server, "alice", fresh, NAME, device=lost.id) as again:
            until(lambda: registers(again), what="it has its place again")
        assert not kitchen.closed(0)


def test_a_removed_user_leaves_no_byte_no_message_and_no_connection(server: Server) -> None:
    _, token = account(server, "great-grandmother")
    _, other = account(server, "bob")
    with (
        device(server, "great-grandmother", token, NAME) as lost,
        device(server, "bob", other, "Den") as den,
    ):
        den.register()
        lost.register()
        play(lost, "one", "two")
        lost.hear("playback_state")
        words = ("great-grandmother", "gramophone", lost.id)
        until(lambda: {word for _, word in traces(server, *words)} == set(words))

        Accounts.of_data_dir(server.data_dir).remove("great-grandmother")
        assert lost.closed(WITHIN)
        until(lambda: not traces(server, *words), what=lambda: f"{traces(server, *words)}")
        told = retained(server)
        assert not [word for word in words if word in told]
        assert "soul/v1/bob/all/devices" in told
        assert code(server, "great-grandmother", token) == REFUSED
        assert not den.closed(0)
    # Somebody else may have the name at once; who had it before stays out.
    _, fresh = account(server, "great-grandmother")
    assert code(server, "great-grandmother", token) == REFUSED
    assert code(server, "great-grandmother", fresh) is None


def test_time_removes_a_device_after_30_days_and_what_played_after_24_hours(server: Server) -> None:
    _, token = account(server, "alice")
    _, other = account(server, "bob")
    with device(server, "alice", token, NAME) as lost, device(server, "bob", other, "Den") as den:
        for one in (lost, den):
            one.register()
            play(one, f"uncommon-track-of-{one.user}", "two")
            one.hear("playback_state")
            one.up("disconnect", {"type": "disconnect", "conn": one.conn, "reason": "quit"})
            one.hear("device_offline", device_id=one.id)
    assert server.stop() == 0
    # As if the month, and the day, were over a moment after the start.
    soon = time.time_ns() // 1_000_000 + 3 * limits.SECOND
    db = sqlite3.connect(server.data_dir / "soul-connect.db", isolation_level=None)
    db.execute("UPDATE user_devices SET last_seen = ? WHERE user_id = 'alice'", (soon - limits.DEVICE_KEPT,))
    db.execute(
        "UPDATE device_playback_state SET lost_at = ? WHERE user_id = 'bob'", (soon - limits.RESUME_WITHIN,)
    )
    db.close()
    server.start()
    track = "uncommon-track-of-bob"
    until(lambda: not traces(server, lost.id, "gramophone"), what=lambda: f"{traces(server, lost.id)}")
    until(lambda: not traces(server, track), what=lambda: f"{traces(server, track)}")
    assert time.time_ns() // 1_000_000 >= soon
    told = retained(server)
    assert lost.id not in told
    assert "gramophone" not in told
    assert track not in told
    # Its device is known for the rest of its month, and counters never go back.
    assert den.id in told
    with device(server, "bob", other, "Den", device=den.id) as back:
        state = back.register()["current_state"]
    assert (state["queue"], state["device_id"], state["track_id"]) == ([], None, None)
    assert state["sequence"] > 2


def test_a_user_removed_while_no_coordinator_runs_is_gone_when_it_starts(tmp_path: Path) -> None:
    broker, processes = Server(tmp_path, command="broker"), list[Process]()
    try:
        broker.start()
        processes.append(coordinator(broker))
        _, token = account(broker, "alice")
        _, other = account(broker, "bob")
        with device(broker, "alice", token, NAME) as lost, device(broker, "bob", other, "Den") as den:
            lost.register()
            den.register()
            play(lost, "one", "two")
            processes.pop().kill()
            Accounts.of_data_dir(broker.data_dir).remove("alice")
            assert lost.id in retained(broker)
            processes.append(coordinator(broker))
            assert lost.closed(WITHIN)
            told = retained(broker)
            assert "alice" not in told
            assert "soul/v1/bob/all/devices" in told
            assert not den.closed(0)
    finally:
        for one in processes:
            one.kill()
        broker.kill()


def registers(new: WireDevice) -> bool:
    """Whether it has its place: for a moment nothing is heard of whom was deleted."""
    new.introduce()
    try:
        return bool(new.hear("registered", conn=new.conn, seconds=0.5)["device"]["name"] == new.name)
    except AssertionError:
        return False
