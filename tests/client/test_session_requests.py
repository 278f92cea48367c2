"""What becomes of requests: each ends exactly once."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.bench import ME, REPLY, ROOT, SERVER, STATE, Bench, of, sent
from client.simulation import device_id
from soul_connect.actions import (
    Accepted,
    Action,
    Publish,
    Settled,
    StateChanged,
)
from soul_connect.errors import (
    ExpiredError,
    NoAnswerError,
    RateLimitedError,
    RejectedError,
    RequestError,
)
from soul_connect.requests import HELD, Ask, AskState, Rename, Transfer
from soul_protocol.commands import Pause, Play, Seek, SetQueue, SetVolume
from soul_protocol.down import CommandResult
from soul_protocol.errors import Code


def test_a_request_ends_once() -> None:
    bench = Bench()
    bench.online()
    name, actions = bench.ask(Ask(Pause()))
    assert [message["command"] for message in sent(actions, "command")] == [{"type": "pause"}]
    told = bench.hear(REPLY, type="command_result", id=name, status="accepted")
    assert len(of(Accepted, told)) == 1
    assert bench.hear(REPLY, type="command_result", id=name, status="accepted") == []
    told = bench.hear(REPLY, type="command_result", id=name, status="applied", sequence=11)
    (settled,) = of(Settled, told)
    assert isinstance(settled.outcome, CommandResult)
    assert settled.outcome.sequence == 11
    assert bench.hear(REPLY, type="command_result", id=name, status="rejected", code="timeout") == []
    assert of(Settled, bench.pass_ms(60_000)) == []


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ({"type": "command_result", "status": "rejected", "code": "not_active"}, RejectedError),
        ({"type": "command_result", "status": "expired"}, ExpiredError),
        ({"type": "error", "code": "rate_limited", "message": "", "retry_after_ms": 7}, RateLimitedError),
        ({"type": "error", "code": "invalid_command", "message": "no"}, RejectedError),
    ],
)
def test_a_refusal_is_a_typed_error(message: dict[str, Any], kind: type[RequestError]) -> None:
    bench = Bench()
    bench.online()
    name, _ = bench.ask(Ask(Pause()))
    (settled,) = of(Settled, bench.hear(REPLY, **{**message, "id": name}))
    assert type(settled.outcome) is kind
    assert settled.outcome.id == name


def test_errors_about_nothing_in_particular_end_nothing() -> None:
    bench = Bench()
    bench.online()
    bench.ask(Ask(Pause()))
    assert bench.hear(REPLY, type="error", code="invalid_command", message="") == []


def test_a_query_is_answered_by_what_was_asked_for() -> None:
    bench = Bench()
    bench.online()
    name, actions = bench.ask(AskState())
    assert sent(actions, "query") == [{"type": "request_state", "id": name}]
    told = bench.hear(REPLY, type="playback_state", state={**STATE, "sequence": 11}, id=name)
    assert [type(action) for action in told] == [StateChanged, Settled]


def test_unanswered_it_ends_by_itself_later_for_a_transfer() -> None:
    bench = Bench()
    bench.online()
    bench.ask(Ask(Pause()))
    (settled,) = of(Settled, bench.pass_ms(7_000))
    assert isinstance(settled.outcome, NoAnswerError)
    for wish in (Transfer(ME), Ask(SetQueue(tracks=("a",), start_index=0), ME)):
        bench.ask(wish)
        assert of(Settled, bench.pass_ms(11_900)) == []
        assert len(of(Settled, bench.pass_ms(200))) == 1


def test_offline_commands_wait_collapse_and_go_out_as_they_were_meant() -> None:
    bench = Bench()
    bench.online()
    bench.drop()
    loud, _ = bench.ask(Ask(SetVolume(volume=0.1)))
    other, _ = bench.ask(Ask(SetVolume(volume=0.2), device_id(2)))
    bench.ask(Ask(Play()))
    bench.now += 1_000
    made = bench.now
    quiet, actions = bench.ask(Ask(SetVolume(volume=0.3)))
    assert [action.id for action in of(Settled, actions)] == [loud]
    bench.now += 1_000
    bench.connect("a" * 16)
    out = sent(bench.registered(conn="a" * 16), "command")
    assert [message["command"]["type"] for message in out] == ["set_volume", "play", "set_volume"]
    assert [out[0]["id"], out[2]["id"]] == [other, quiet]
    assert abs(out[2]["issued_at"] - (SERVER + made)) <= 2
    assert out[2]["expires_at"] == out[2]["issued_at"] + 5_000


def test_what_expires_while_offline_is_never_sent() -> None:
    bench = Bench()
    bench.online()
    bench.drop()
    bench.ask(Ask(Seek(position_ms=5)))
    (settled,) = of(Settled, bench.pass_ms(5_000))
    assert isinstance(settled.outcome, ExpiredError)
    assert not settled.outcome.sent
    bench.connect()
    assert sent(bench.registered(), "command") == []


def test_before_the_first_contact_moments_are_left_to_the_server() -> None:
    bench = Bench()
    bench.ask(Ask(Play()))
    bench.connect()
    bench.session.register_sent = None  # as if the snapshot told nothing of the time
    (message,) = sent(bench.registered(), "command")
    assert "issued_at" not in message


def test_a_request_that_was_sent_cannot_be_withdrawn() -> None:
    bench = Bench()
    bench.online()
    name, _ = bench.ask(Ask(Play()))
    assert bench.session.cancel(name) == []
    bench.drop()
    held, _ = bench.ask(Ask(Play()))
    assert len(bench.session.cancel(held)) == 1
    assert bench.session.cancel(held) == []


def test_only_so_many_requests_wait() -> None:
    bench = Bench()
    for _ in range(HELD):
        assert of(Settled, bench.ask(Ask(Play()))[1]) == []
    (settled,) = of(Settled, bench.ask(Ask(Play()))[1])
    assert isinstance(settled.outcome, RateLimitedError)
    assert len(of(Settled, bench.session.end())) == HELD


def test_nonsense_of_the_caller_is_refused() -> None:
    bench = Bench()
    name, _ = bench.ask(Ask(Play()))
    with pytest.raises(ValueError, match="once"):
        bench.session.request(name, Ask(Play()), now=0)
    with pytest.raises(ValueError, match="30 s"):
        bench.ask(Ask(Play()), lifetime_ms=30_001)


def test_guests_use_only_what_their_scope_allows() -> None:
    bench = Bench(role="guest", device=ME, scope=["queue"])
    for wish in (Ask(Play()), Transfer(ME), Rename(ME, "x")):
        (settled,) = of(Settled, bench.ask(wish)[1])
        assert isinstance(settled.outcome, RejectedError)
        assert settled.outcome.code is Code.NOT_AUTHORIZED
    bench.connect()
    guest_reply = REPLY.replace("/device/", "/guest/")
    payload: dict[str, Any] = {"type": "error", "code": "invalid_command", "message": ""}
    assert bench.hear(guest_reply, **payload) == []
    assert of(Settled, bench.ask(Ask(SetQueue(tracks=("a",), start_index=0)))[1]) == []


def test_observers_watch_and_say_nothing() -> None:
    bench = Bench(role="observer")
    assert bench.connect() == []
    assert bench.session.next_deadline() is None
    assert bench.session.goodbye("quit") is None
    assert of(StateChanged, bench.hear(f"{ROOT}/all/state", type="playback_state", state=STATE))
    (settled,) = of(Settled, bench.ask(AskState())[1])
    assert isinstance(settled.outcome, RejectedError)
    assert settled.outcome.code is Code.NOT_AUTHORIZED


steps = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.sampled_from(["play", "volume", "seek", "transfer", "state"])),
        st.tuples(st.just("answer"), st.sampled_from(["accepted", "applied", "rejected", "expired", "lost"])),
        st.tuples(st.sampled_from(["connect", "register", "drop", "unregister", "cancel"]), st.just("")),
        st.tuples(st.just("wait"), st.sampled_from(["10", "900", "6000", "40000"])),
    ),
    max_size=40,
)


@given(steps)
def test_every_request_ends_exactly_once_whatever_happens(story: list[tuple[str, str]]) -> None:
    bench = Bench()
    asked: list[str] = []
    ended: list[str] = []
    bytes_of: dict[str, bytes] = {}
    connected = False
    wishes = {
        "play": Ask(Play()),
        "volume": Ask(SetVolume(volume=0.5)),
        "seek": Ask(Seek(position_ms=1)),
        "transfer": Transfer(ME),
        "state": AskState(),
    }

    def look(actions: list[Action]) -> None:
        ended.extend(action.id for action in of(Settled, actions))
        for action in of(Publish, actions):
            assert connected
            message = json.loads(action.payload)
            if "id" in message:
                assert message["id"] not in ended
                assert bytes_of.setdefault(message["id"], action.payload) == action.payload

    for what, how in story:
        match what:
            case "ask":
                name, actions = bench.ask(wishes[how])
                asked.append(name)
                look(actions)
            case "answer" if asked and connected and how != "lost":
                code: dict[str, Any] = {"code": "timeout"} if how == "rejected" else {}
                look(bench.hear(REPLY, type="command_result", id=asked[-1], status=how, **code))
            case "connect" if not connected:
                connected = True
                look(bench.connect())
            case "register" if connected:
                look(bench.registered())
            case "drop" if connected:
                connected = False
                look(bench.drop(by_peer=False))
            case "unregister" if connected:
                look(bench.hear(REPLY, type="error", code="not_registered", message=""))
            case "cancel" if asked:
                look(bench.session.cancel(asked[-1]))
            case "wait":
                look(bench.pass_ms(float(how)))
            case _:
                pass
    look(bench.pass_ms(60_000))
    assert sorted(ended) == sorted(asked)
