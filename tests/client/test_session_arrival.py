"""How a session registers, stays registered, and notices that nobody is there."""

from typing import Any

import pytest

from client.bench import CONN, ME, REPLY, ROOT, SERVER, STATE, Bench, of, sent
from client.simulation import device_id
from soul_connect.actions import (
    Arrived,
    Away,
    DevicesChanged,
    Ended,
    Probe,
    Settled,
    StateChanged,
)
from soul_connect.errors import (
    DeviceInUseError,
)
from soul_connect.requests import Ask
from soul_protocol.commands import Play


def test_it_registers_and_repeats_with_backoff_until_answered() -> None:
    bench = Bench()
    actions = bench.connect()
    first = sent(actions, "register")
    assert [message["conn"] for message in first] == [CONN]
    assert first[0]["device"]["name"] == "Remote"
    assert "resume" not in first[0]
    start, times = bench.now, []
    while bench.now < start + 130_000:
        due = bench.session.next_deadline()
        assert due is not None
        bench.now = due
        if sent(bench.session.wake(now=due), "register"):
            times.append(round((due - start) / 1_000))
    assert times == [5, 15, 35, 65, 95, 125]
    bench.registered()
    assert sent(bench.pass_ms(100_000), "register") == []


def test_registered_of_another_connection_means_nothing() -> None:
    bench = Bench()
    bench.connect()
    assert of(Arrived, bench.registered(conn="f" * 16)) == []
    assert of(Arrived, bench.registered()) != []


def test_the_snapshot_is_told() -> None:
    bench = Bench()
    bench.connect()
    actions = bench.registered()
    assert [type(action) for action in actions] == [Arrived, StateChanged, DevicesChanged]
    assert bench.session.view.position_ms(now=bench.now, server_now=SERVER + 500) == 1_500
    assert bench.session.clock.at(bench.now) == SERVER + int(bench.now)


def test_the_answer_to_a_repetition_is_a_snapshot_and_no_second_arrival() -> None:
    bench = Bench()
    bench.connect()
    bench.registered()
    later = bench.registered(current_state=STATE | {"sequence": 11, "is_playing": False})
    assert [type(action) for action in later] == [StateChanged]
    bench.hear(REPLY, type="error", code="not_registered", message="")
    assert of(Arrived, bench.registered()) != []


def test_a_snapshot_cannot_come_before_the_connection_nor_after_its_end() -> None:
    bench = Bench()
    assert bench.registered() == []
    bench.online()
    bench.drop()
    assert bench.registered() == []


def test_not_registered_registers_again_and_repeats_what_is_open() -> None:
    bench = Bench()
    bench.online()
    name, actions = bench.ask(Ask(Play()))
    first = sent(actions, "command")
    bench.now += 100
    again = bench.hear(REPLY, type="error", code="not_registered", message="")
    assert len(sent(again, "register")) == 1
    assert of(Away, again)
    # A second complaint meanwhile changes nothing.
    assert bench.hear(REPLY, type="error", code="not_registered", message="") == []
    assert sent(bench.registered(), "command") == first
    assert first[0]["id"] == name


def test_a_rejection_for_not_being_registered_is_no_answer() -> None:
    bench = Bench()
    bench.online()
    name, _ = bench.ask(Ask(Play()))
    again = bench.hear(REPLY, type="command_result", id=name, status="rejected", code="not_registered")
    assert of(Settled, again) == []
    assert len(sent(again, "register")) == 1


def test_offline_by_silence_alone_is_undone_on_the_same_connection() -> None:
    bench = Bench()
    bench.online()
    name, _ = bench.ask(Ask(Play()))
    event: dict[str, Any] = {"type": "device_offline", "device_id": ME}
    for reason in ("connection_lost", "disconnect", "token_expired"):
        assert sent(bench.hear(f"{ROOT}/all/event", **event, reason=reason), "register") == []
    other = {**event, "device_id": device_id(2)}
    assert bench.hear(f"{ROOT}/all/event", **other, reason="timeout") == []
    again = bench.hear(f"{ROOT}/all/event", **event, reason="timeout")
    assert of(Away, again)
    assert [one["conn"] for one in sent(again, "register")] == [CONN]
    assert sent(bench.hear(f"{ROOT}/all/event", **event, reason="timeout"), "register") == []
    assert [one["id"] for one in sent(bench.registered(), "command")] == [name]  # what is open is repeated


def test_another_coordinator_is_registered_with_within_three_seconds() -> None:
    bench = Bench()
    bench.online()
    name, actions = bench.ask(Ask(Play()))
    first = sent(actions, "command")
    status: dict[str, Any] = {"type": "coordinator_status", "online": True, "started_at": SERVER}
    assert of(Away, bench.hear("soul/v1/coordinator", coordinator="two", **status))
    assert len(sent(bench.pass_ms(3_000), "register")) == 1
    assert sent(bench.registered(coordinator="two"), "command") == first
    # The same one again is no news.
    assert bench.hear("soul/v1/coordinator", coordinator="two", **status) == []
    assert name in [request.id for request in bench.session.requests]


def test_whoever_asks_for_something_meanwhile_is_not_kept_waiting() -> None:
    bench = Bench()
    bench.online()
    bench.hear(
        "soul/v1/coordinator", type="coordinator_status", coordinator="two", online=True, started_at=SERVER
    )
    _, actions = bench.ask(Ask(Play()))
    assert len(sent(actions, "register")) == 1
    assert len(sent(bench.registered(coordinator="two"), "command")) == 1


def test_a_coordinator_that_was_away_is_registered_with_again() -> None:
    bench = Bench()
    bench.online()
    status: dict[str, Any] = {"type": "coordinator_status", "coordinator": "one", "started_at": SERVER}
    assert bench.hear("soul/v1/coordinator", online=False, **status) == []
    assert of(Away, bench.hear("soul/v1/coordinator", online=True, **status))
    assert len(sent(bench.pass_ms(3_000), "register")) == 1


def test_while_arriving_a_coordinator_that_starts_is_asked_soon() -> None:
    bench = Bench()
    bench.connect()
    status: dict[str, Any] = {
        "type": "coordinator_status",
        "coordinator": "one",
        "online": True,
        "started_at": SERVER,
    }
    bench.hear("soul/v1/coordinator", retained=True, **status)
    assert sent(bench.pass_ms(1_100), "register") == []  # an old copy says nothing
    bench.hear("soul/v1/coordinator", **status)
    assert len(sent(bench.pass_ms(1_000), "register")) == 1


def test_a_late_snapshot_of_an_earlier_coordinator_is_ignored() -> None:
    bench = Bench()
    bench.online()
    bench.hear(
        "soul/v1/coordinator", type="coordinator_status", coordinator="two", online=True, started_at=SERVER
    )
    bench.pass_ms(3_000)
    bench.registered(coordinator="two")
    assert bench.registered(coordinator="one") == []


def test_three_short_lives_in_a_row_mean_that_somebody_else_is_here() -> None:
    bench = Bench()
    for number in range(3):
        bench.online()
        bench.now += 9_000
        ended = of(Ended, bench.drop())
        assert bool(ended) == (number == 2)
    assert isinstance(ended[0].error, DeviceInUseError)


@pytest.mark.parametrize("why", ["own fault", "network", "server", "long"])
def test_other_ends_are_no_displacement(why: str) -> None:
    bench = Bench()
    for number in range(6):
        bench.connect()
        bench.registered(coordinator=str(number) if why == "server" else "one")
        bench.now += 11_000 if why == "long" else 1_000
        assert of(Ended, bench.drop(by_peer=why != "own fault")) == []
        if why == "network":
            bench.session.failed()


def test_pings_are_quick_at_first_and_then_every_thirty_seconds() -> None:
    bench = Bench()
    start, times = bench.now, []
    actions = bench.connect()
    while bench.now - start < 100_000:
        for ping in sent(actions, "ping"):
            times.append(round(bench.now - start, -2))
            bench.hear(REPLY, type="pong", t0=ping["t0"], t1=SERVER + 5, t2=SERVER + 5)
        bench.registered()
        due = bench.session.next_deadline()
        assert due is not None
        bench.now = due
        actions = bench.session.wake(now=due)
        assert of(Probe, actions) == []
    assert times[:6] == [0, 200, 400, 900, 1_600, 2_500]
    assert times[6:] == [32_500, 62_500, 92_500]


def test_a_ping_without_an_answer_probes_the_broker() -> None:
    bench = Bench()
    bench.online()
    assert len(of(Probe, bench.pass_ms(5_000))) == 1


def test_a_machine_that_slept_looks_at_once_whether_anybody_is_there() -> None:
    bench = Bench()
    bench.online()
    bench.now += 120_000
    actions = bench.session.wake(now=bench.now)
    assert of(Probe, actions)
    assert sent(actions, "ping")
