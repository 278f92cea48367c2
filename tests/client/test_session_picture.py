"""What a session knows, tells and reports."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from client.bench import CONN, DEVICE, EXECUTE, ME, REPLY, ROOT, SERVER, STATE, Bench, of, sent
from client.simulation import device_id
from soul_connect.actions import (
    DevicesChanged,
    Noticed,
    Ordered,
    Publish,
    StateChanged,
)
from soul_connect.requests import Claim
from soul_protocol.commands import RepeatMode
from soul_protocol.models import ReportedState


def test_older_states_are_dropped() -> None:
    bench = Bench()
    bench.online()
    topic = f"{ROOT}/all/state"

    def state(**changes: object) -> list[StateChanged]:
        return of(StateChanged, bench.hear(topic, type="playback_state", state={**STATE, **changes}))

    assert not state(sequence=9, is_playing=False)
    assert not state(epoch=2, sequence=99, is_playing=False)
    assert not state(position_at=SERVER - 1, is_playing=False)
    assert not state()
    assert state(sequence=11)
    assert state(epoch=4, sequence=12)
    # A coordinator restored from a backup says what is true now.
    bench.drop()
    bench.connect()
    assert of(StateChanged, bench.registered(coordinator="restored"))


def test_ticks_move_the_position_of_their_state_only() -> None:
    bench = Bench()
    bench.online()
    topic = f"{ROOT}/all/position"
    tick: dict[str, Any] = {
        "type": "position",
        "epoch": 3,
        "sequence": 10,
        "device_id": ME,
        "position_ms": 5_000,
        "position_at": SERVER + 4_000,
        "is_playing": True,
    }
    for changes in ({"sequence": 9}, {"epoch": 4}, {"device_id": device_id(9)}, {"position_at": SERVER - 1}):
        assert bench.hear(topic, **{**tick, **changes}) == []
    (changed,) = bench.hear(topic, **tick)
    assert isinstance(changed, StateChanged)
    assert changed.state.position_ms == 5_000
    picture, state = bench.session.picture, changed.state
    assert picture.position_ms(state, now=0, server_now=SERVER + 4_500) == 5_500
    assert picture.position_ms(state, now=0, server_now=SERVER + 999_000) == 60_000  # the duration
    assert picture.position_ms(state, now=bench.now + 100, server_now=None) == 5_100


def test_devices_come_and_go() -> None:
    bench = Bench()
    bench.online()
    other = {**DEVICE, "id": device_id(2), "name": "Other"}
    event = f"{ROOT}/all/event"
    (changed,) = of(DevicesChanged, bench.hear(event, type="device_online", device=other))
    assert [device.name for device in changed.devices] == ["Remote (2)", "Other"]
    (changed,) = of(
        DevicesChanged, bench.hear(event, type="device_offline", device_id=device_id(2), reason="timeout")
    )
    assert [device.is_online for device in changed.devices] == [True, False]
    (changed,) = of(
        DevicesChanged, bench.hear(event, type="device_offline", device_id=device_id(2), reason="deleted")
    )
    assert [device.id for device in changed.devices] == [ME]
    (changed,) = of(DevicesChanged, bench.hear(f"{ROOT}/all/devices", type="devices_update", devices=[other]))
    assert [device.id for device in changed.devices] == [device_id(2)]
    (noticed,) = bench.hear(event, type="notice", level="info", code="x", message="hello")
    assert isinstance(noticed, Noticed)


def test_orders_go_to_the_renderer() -> None:
    bench = Bench()
    bench.online()
    order: dict[str, Any] = {"type": "stop_playback", "epoch": 4, "reason": "claimed"}
    (ordered,) = bench.hear(EXECUTE, **order)
    assert isinstance(ordered, Ordered)


def test_reports_are_counted_in_each_connection_and_need_one() -> None:
    bench = Bench()
    assert bench.session.report(epoch=None, volume=0.5) is None
    bench.online()
    for number in (1, 2):
        (publish,) = bench.session.report(epoch=None, volume=0.5, tick=number == 2) or []
        assert isinstance(publish, Publish)
        assert publish.qos == 2 - number
        assert json.loads(publish.payload) == {
            "type": "state_update",
            "conn": CONN,
            "seq": number,
            "volume": 0.5,
        }
    bench.drop()
    bench.connect("b" * 16)
    bench.registered(conn="b" * 16)
    state = ReportedState(
        position_ms=0, is_playing=False, queue_position=0, volume=1, shuffle=False, repeat_mode=RepeatMode.OFF
    )
    (publish,) = bench.session.report(epoch=3, state=state) or []
    assert isinstance(publish, Publish)
    assert json.loads(publish.payload)["seq"] == 1


def test_a_claim_says_when_it_was_made() -> None:
    bench = Bench()
    bench.online()
    state = ReportedState(
        position_ms=0, is_playing=True, queue_position=0, volume=1, shuffle=False, repeat_mode=RepeatMode.OFF
    )
    _, actions = bench.ask(Claim(state))
    (message,) = sent(actions, "transfer")
    assert message["type"] == "claim_playback"
    assert abs(message["issued_at"] - SERVER - bench.now) <= 1


@given(st.binary(max_size=300), st.sampled_from(["down/reply", "down/execute", "all", "coordinator"]))
def test_no_bytes_can_break_it(payload: bytes, where: str) -> None:
    bench = Bench()
    bench.online()
    topics = {
        "down/reply": REPLY,
        "down/execute": EXECUTE,
        "all": f"{ROOT}/all/state",
        "coordinator": "soul/v1/coordinator",
    }
    bench.session.received(topics[where], payload, now=bench.now)
    bench.session.received("soul/v1/bob/all/state", payload, now=bench.now)
    bench.session.received("", b"", now=bench.now)
