"""The ways through a session that a day at home seldom takes."""

from typing import Any

import pytest

from client.bench import CONN, DEVICE, ME, REPLY, SERVER, STATE, Bench, of, sent
from client.simulation import device_id
from soul_connect.actions import Arrived, Away, Hindered, Publish, Settled
from soul_connect.expectation import expected
from soul_connect.pulse import MORE, QUICK, Pulse
from soul_connect.requests import AskDevices, AskState, Forget, Rename, Transfer
from soul_protocol.commands import Command, Next, Previous, RepeatMode, SetQueue, SetRepeat, Stop
from soul_protocol.models import PlaybackState
from soul_protocol.topics import COORDINATOR
from soul_protocol.up import PlaybackReady

OTHER = device_id(7)


def test_without_a_place_it_may_look_and_make_room_and_then_comes_in() -> None:
    bench = Bench()
    bench.connect()
    full: dict[str, Any] = {"type": "error", "code": "device_limit_reached", "message": "full"}
    assert len(of(Hindered, bench.hear(REPLY, **full))) == 1
    assert of(Hindered, bench.hear(REPLY, **full)) == []  # it has stopped asking
    assert bench.session.view.position_ms(now=0, server_now=None) == 0
    asked, actions = bench.ask(AskDevices())
    assert sent(actions, "query") == [{"type": "request_devices", "id": asked}]
    settled = of(Settled, bench.hear(REPLY, type="devices_update", devices=[DEVICE], id=asked))
    assert [one.id for one in settled] == [asked]
    renamed, actions = bench.ask(Rename(OTHER, "x"))
    assert sent(actions, "manage") == []  # only what makes room
    gone, actions = bench.ask(Forget(OTHER))
    assert sent(actions, "manage") == [{"type": "delete_device", "id": gone, "device_id": OTHER}]
    actions = bench.hear(REPLY, type="command_result", id=gone, status="applied")
    assert bench.session.next_deadline() == bench.now
    assert len(sent(actions + bench.pass_ms(0), "register")) == 1
    actions = bench.registered()
    assert of(Arrived, actions)
    assert [one["id"] for one in sent(actions, "manage")] == [renamed]


def test_a_forgotten_device_of_somebody_who_has_a_place_changes_nothing() -> None:
    bench = Bench()
    bench.online()
    gone, _ = bench.ask(Forget(OTHER))
    actions = bench.hear(REPLY, type="command_result", id=gone, status="applied")
    assert [type(one) for one in actions] == [Settled]


def test_answers_to_nothing_are_nothing() -> None:
    bench = Bench()
    bench.online()
    assert bench.hear(REPLY, type="pong", t0=5, t1=SERVER, t2=SERVER) == []
    assert bench.hear(REPLY, type="command_result", id=OTHER, status="applied") == []
    assert bench.hear(REPLY, type="devices_update", devices=[DEVICE], id=OTHER) == []
    assert bench.hear(REPLY, type="playback_state", state=STATE, id=OTHER) == []
    assert bench.session.cancel(OTHER) == []


def test_a_retained_word_of_the_same_coordinator_is_no_news() -> None:
    bench = Bench()
    bench.online()
    status: dict[str, Any] = {
        "type": "coordinator_status",
        "coordinator": "one",
        "online": True,
        "started_at": SERVER,
    }
    assert bench.hear(COORDINATOR, retained=True, **status) == []
    assert bench.hear(COORDINATOR, **status) == []
    # It went, and came again: it may have forgotten us.
    assert bench.hear(COORDINATOR, **{**status, "online": False}) == []
    assert of(Away, bench.hear(COORDINATOR, **status))
    assert len(sent(bench.pass_ms(3_000), "register")) == 1


def test_not_registered_while_registering_is_waited_out() -> None:
    bench = Bench()
    bench.connect()
    assert bench.hear(REPLY, type="error", code="not_registered", message="") == []
    bench.registered()
    assert of(Away, bench.hear(REPLY, type="error", code="not_registered", message=""))


def test_every_request_is_said_in_its_own_words() -> None:
    bench = Bench()
    bench.online()
    for wish, channel, kind in (
        (Rename(OTHER, "Den"), "manage", "rename_device"),
        (Forget(OTHER), "manage", "delete_device"),
        (AskState(), "query", "request_state"),
        (Transfer(OTHER), "transfer", "transfer_playback"),
    ):
        _, actions = bench.ask(wish)
        assert [one["type"] for one in sent(actions, channel)] == [kind]


def test_a_step_of_a_transfer_is_lost_while_away() -> None:
    bench = Bench()
    ready = PlaybackReady(transfer_id=OTHER)
    assert bench.session.outcome(ready) == []
    bench.online()
    (said,) = bench.session.outcome(ready)
    assert isinstance(said, Publish)
    assert said.qos == 1


def test_paused_the_position_stays_where_it_is() -> None:
    bench = Bench()
    bench.connect()
    bench.registered(current_state={**STATE, "is_playing": False})
    for later in (0, 90_000):
        assert bench.session.view.position_ms(now=bench.now, server_now=SERVER + later) == 1_000
    assert len(bench.session.view.overlay) == 0


def test_another_registration_than_ours_is_not_believed() -> None:
    bench = Bench()
    bench.connect()
    assert bench.registered("f" * 16) == []
    bench.registered()
    assert bench.registered(coordinator="another") == []  # a late one of an earlier coordinator
    bench.drop()
    assert bench.registered(CONN) == []


def test_over_a_slow_link_there_are_more_pings_until_the_clock_is_good() -> None:
    bench = Bench()
    actions, asked, start = bench.connect(), 0, bench.now
    while bench.now - start < 29_000:
        for ping in sent(actions, "ping"):
            asked += 1
            bench.now += 80
            bench.hear(
                REPLY, type="pong", t0=ping["t0"], t1=SERVER + int(bench.now), t2=SERVER + int(bench.now)
            )
        bench.registered()
        actions = bench.pass_ms(100)
    assert asked == len(QUICK) + len(MORE)


def test_a_connection_that_ends_before_it_was_one_is_no_news() -> None:
    bench = Bench()
    bench.connect()
    assert bench.drop() == []


def test_nothing_that_is_said_to_one_device_is_retained() -> None:
    bench = Bench()
    bench.connect()
    assert bench.hear(REPLY, retained=True, type="error", code="not_registered", message="") == []


def test_two_pings_in_one_millisecond_are_told_apart() -> None:
    pulse = Pulse()
    pulse.soon(0)
    assert pulse.deadline is None
    pulse.start(1_000.0)
    first = pulse.due(1_000.0)
    pulse.soon(1_000.0)
    second = pulse.due(1_000.0)
    assert (first, second) == (1_000, 1_001)
    assert pulse.answered(7) is None
    assert pulse.answered(1_001) == 1_000.0


@pytest.mark.parametrize(
    ("state", "command", "changed"),
    [
        ({"queue_position": 2, "repeat_mode": "all"}, Next(), {"queue_position": 0, "track_id": "a"}),
        ({"queue_position": 2}, Next(), {"queue_position": 2, "position_ms": 0, "is_playing": False}),
        ({"queue_position": 1}, Previous(), {"queue_position": 0, "track_id": "a"}),
        ({"queue_position": 1, "position_ms": 9_000}, Previous(), {"queue_position": 1, "position_ms": 0}),
        ({"queue_position": 1, "is_playing": False}, Previous(), {"queue_position": 0, "is_playing": False}),
        ({"queue_position": 0}, Previous(), {"queue_position": 0, "position_ms": 0}),
        ({}, Stop(), {"is_playing": False, "position_ms": 0}),
        ({}, SetRepeat(mode=RepeatMode.ONE), {"repeat_mode": "one"}),
        ({}, SetQueue(tracks=(), start_index=0), {"track_id": None, "is_playing": False, "queue": ()}),
        ({}, SetQueue(tracks=("b", "a"), start_index=1, keep_position=True), {"queue_position": 1}),
        ({}, SetQueue(tracks=("b", "a"), start_index=0, keep_position=True), {"track_id": "b"}),
    ],
)
def test_what_is_expected(state: dict[str, object], command: Command, changed: dict[str, object]) -> None:
    fields = {**STATE, "queue": ["a", "b", "c"], "track_id": "a", **state}
    known = PlaybackState.model_validate(fields, strict=False)
    guessed = expected(known, command, known.position_at)
    assert {name: getattr(guessed, name) for name in changed} == changed
    assert guessed.device_id == ME
