"""What the coordinator says, as PUBLISH packets: topics, QoS and retain as the contract has them."""

import json
from typing import Any

import pytest

from coordinator.core.kit import START, House
from soul_coordinator.adapters.outbound import Outgoing, close, outgoing, status
from soul_coordinator.core.effects import CloseConnection, Execute, Publish, Reply, Tell
from soul_coordinator.core.values import Address

DEVICE = "00000001-0000-4000-8000-000000000000"
KITCHEN = Address("ann", "device", DEVICE)
GUEST = Address("ann", "guest", DEVICE)


@pytest.mark.parametrize(
    ("tell", "topic", "qos", "retain"),
    [
        (Execute(KITCHEN, {"type": "stop_playback"}), f"soul/v1/ann/device/{DEVICE}/down/execute", 1, False),
        (Reply(KITCHEN, {"type": "command_result"}), f"soul/v1/ann/device/{DEVICE}/down/reply", 1, False),
        (Reply(GUEST, {"type": "registered"}), f"soul/v1/ann/guest/{DEVICE}/down/reply", 1, False),
        (Reply(KITCHEN, {"type": "pong", "t2": 1}), f"soul/v1/ann/device/{DEVICE}/down/reply", 0, False),
        (Publish("ann", "state", {"type": "playback_state"}), "soul/v1/ann/all/state", 1, True),
        (Publish("ann", "devices", {"type": "devices_update"}), "soul/v1/ann/all/devices", 1, True),
        (Publish("ann", "position", {"type": "position"}), "soul/v1/ann/all/position", 0, False),
        (Publish("ann", "event", {"type": "notice"}), "soul/v1/ann/all/event", 1, False),
        (CloseConnection("ann", DEVICE, "deleted"), "soul/v1/broker/close", 1, False),
    ],
)
def test_topic_qos_and_retain_of_everything(tell: Tell, topic: str, qos: int, retain: bool) -> None:
    out = outgoing(tell, now=START)
    assert (out.topic, out.qos, out.retain) == (topic, qos, retain)
    assert isinstance(json.loads(out.payload), dict)


def test_a_pong_says_when_it_is_sent() -> None:
    out = outgoing(Reply(KITCHEN, {"type": "pong", "t0": 1, "t1": 5, "t2": 5}), now=9)
    assert json.loads(out.payload) == {"type": "pong", "t0": 1, "t1": 5, "t2": 9}


@pytest.mark.parametrize("channel", ["state", "devices"])
def test_what_is_gone_clears_its_retained_copy(channel: Any) -> None:
    out = outgoing(Publish("ann", channel, None), now=START)
    assert out == Outgoing(f"soul/v1/ann/all/{channel}", b"", 1, retain=True)


@pytest.mark.parametrize("online", [False, True])
def test_the_status_is_retained_and_its_offline_form_is_a_will(online: bool) -> None:
    out = status("c1", online=online, started_at=START)
    assert (out.topic, out.qos, out.retain) == ("soul/v1/coordinator", 1, True)
    assert json.loads(out.payload) == {
        "type": "coordinator_status",
        "coordinator": "c1",
        "online": online,
        "started_at": START,
    }


def test_a_close_names_what_is_to_be_closed() -> None:
    assert json.loads(close("ann", device=DEVICE, reason="deleted").payload) == {
        "type": "close",
        "user": "ann",
        "device": DEVICE,
        "reason": "deleted",
    }
    assert json.loads(close("ann", jti="t", exp=5, reason="revoked").payload) == {
        "type": "close",
        "user": "ann",
        "jti": "t",
        "exp": 5,
        "reason": "revoked",
    }


def test_the_tick_leaves_the_queue_out_and_the_state_has_it() -> None:
    house = House()
    kitchen = house.device().playing([f"track-{n}" for n in range(10_000)])
    house.pass_time(1_000)
    kitchen.report(position_ms=1_000)
    tick = house.events("position")[-1]
    assert len(json.dumps(tick)) < 300
    assert len(house.state()["queue"]) == 10_000
