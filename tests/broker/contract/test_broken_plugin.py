"""A plugin that fails costs the connection that it failed for, and nothing else."""

import sys
import types
from dataclasses import dataclass
from typing import Any

import pytest
from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin
from amqtt.session import Session

from broker import wire
from broker.house import Running, Start
from soul_broker.listeners import listener_config
from waiting import until_async

HERE = "broken_plugins"


class BrokenAuth(BaseAuthPlugin):  # type: ignore[misc] # amqtt has no types
    """Admits everybody but those whom it falls over."""

    async def authenticate(self, *, session: Session) -> bool | None:
        if session.username == "trouble":
            raise RuntimeError("the database is gone")
        return True

    @dataclass
    class Config:
        """Nothing."""


class BrokenTopics(BaseTopicPlugin):  # type: ignore[misc] # amqtt has no types
    """Falls over one topic."""

    async def topic_filtering(  # amqtt's signature
        self,
        *,
        session: Session | None = None,  # noqa: ARG002
        topic: str | None = None,
        action: Any = None,  # noqa: ARG002
    ) -> bool | None:
        assert topic != "trouble", "the database is gone"
        return True

    @dataclass
    class Config:
        """Nothing."""


@pytest.fixture
async def running(start: Start, monkeypatch: pytest.MonkeyPatch) -> Running:
    # importlib mode gives this module no name that amqtt could import.
    module = types.ModuleType(HERE)
    vars(module).update(BrokenAuth=BrokenAuth, BrokenTopics=BrokenTopics)
    monkeypatch.setitem(sys.modules, HERE, module)
    plugins: dict[str, Any] = {f"{HERE}.BrokenAuth": {}, f"{HERE}.BrokenTopics": {}}
    broker: Running = await start(
        config=listener_config("127.0.0.1", mqtt_port=0, plugins=plugins), verify=False
    )
    return broker


async def test_an_error_while_authenticating_refuses_that_client(running: Running) -> None:
    other = await running.connect("other", "alice", "x")
    raw = await running.raw()
    raw.send(wire.connect("c", "trouble", "x"))
    assert await raw.closed() == b""
    await other.silent()
    await until_async(lambda: running.broker.statistics.connections == 1)
    assert running.broker.statistics.sessions == 1


@pytest.mark.parametrize(
    "packet",
    [wire.publish("trouble", b"x", qos=1), wire.subscribe(("trouble", 0))],
    ids=["publish", "subscribe"],
)
async def test_an_error_in_a_packet_closes_that_connection(running: Running, packet: bytes) -> None:
    watch = await running.connect("watch", "alice", "x")
    watch.send(wire.subscribe(("#", 0)))
    await watch.receive()
    raw = await running.connect("c", "bob", "x", will=wire.Will("will", b"cut"))
    raw.send(packet, wire.publish("after", b"x"))
    assert await raw.closed() == b""
    message = await watch.message()
    assert (message.topic, message.payload) == ("will", b"cut")
    await watch.silent()
    await until_async(lambda: running.broker.statistics.connections == 1)
