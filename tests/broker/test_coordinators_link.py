"""The coordinator's links, against the real broker."""

import asyncio
import sys
import types
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from amqtt.plugins.base import BaseTopicPlugin
from amqtt.session import Session

from broker import wire
from broker.house import Running, Start, mint, new_device
from soul_broker.listeners import listener_config
from soul_connect.cli.server_local import LocalLink
from soul_coordinator.adapters.mqtt import UP_FILTER, MqttLink
from soul_coordinator.adapters.outbound import Outgoing, status
from soul_coordinator.runner import LinkError
from waiting import until_async


async def test_a_retained_message_of_a_device_is_no_news_to_the_coordinator(running: Running) -> None:
    topic = f"soul/v1/alice/device/{new_device()}/up/register"
    # Only a service can leave one there; the broker refuses it to devices.
    service = await running.service("other")
    service.send(wire.publish(topic, b"old", qos=1, packet_id=1, retain=True))
    await service.expect(wire.acknowledge(wire.PUBACK, 1))
    heard: list[tuple[str, bytes]] = []
    host, port = running.tcp
    link = MqttLink(
        f"mqtt://{host}:{port}",
        user="coordinator",
        token=mint("coordinator", "service"),
        client_id="coordinator",
        will=status("c1", online=False, started_at=1),
        deliver=lambda *message: heard.append(message),
    )
    async with link:
        service.send(wire.publish(topic, b"new", qos=1, packet_id=2))
        await until_async(lambda: heard)
        assert heard == [(topic, b"new")]


async def test_a_link_whose_subscription_is_refused_leaves_no_connection_behind(running: Running) -> None:
    host, port = running.tcp
    device = new_device()
    link = MqttLink(
        f"mqtt://{host}:{port}",
        user="alice",
        token=mint(),
        client_id=device,
        will=Outgoing(f"soul/v1/alice/device/{device}/up/will", b"{}", qos=1),
        deliver=lambda *_: None,
    )
    with pytest.raises(LinkError, match="refused the coordinator's subscription"):
        async with link:
            pass
    assert running.broker.statistics.clients_total == 1
    await until_async(lambda: running.broker.statistics.connections == 0)
    assert running.broker.statistics.wills_published == 0


def local_link(running: Running) -> LocalLink:
    return LocalLink(
        running.broker,
        token=mint("coordinator", "service"),
        client_id="coordinator",
        will=status("c1", online=False, started_at=1),
        deliver=lambda *_: None,
    )


class Pondering(BaseTopicPlugin):  # type: ignore[misc] # amqtt has no types
    """Thinks about the coordinator's subscription until it is told to go on."""

    asked: ClassVar[asyncio.Event]
    go_on: ClassVar[asyncio.Event]
    answer: ClassVar[bool] = True

    async def topic_filtering(  # amqtt's signature
        self,
        *,
        session: Session | None = None,  # noqa: ARG002
        topic: str | None = None,
        action: Any = None,  # noqa: ARG002
    ) -> bool | None:
        if topic != UP_FILTER:
            return True
        self.asked.set()
        await self.go_on.wait()
        return self.answer

    @dataclass
    class Config:
        """Nothing."""


@pytest.fixture
async def pondering(start: Start, monkeypatch: pytest.MonkeyPatch) -> Running:
    # importlib mode gives this module no name that amqtt could import.
    module = types.ModuleType("pondering_plugins")
    vars(module).update(Pondering=Pondering)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for event in ("asked", "go_on"):
        monkeypatch.setattr(Pondering, event, asyncio.Event(), raising=False)
    plugins: dict[str, Any] = {f"{module.__name__}.Pondering": {}}
    running: Running = await start(config=listener_config("127.0.0.1", mqtt_port=0, plugins=plugins))
    return running


async def test_a_local_link_whose_subscription_is_refused_is_not_left_behind(
    pondering: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pondering, "answer", False)
    Pondering.go_on.set()
    with pytest.raises(LinkError, match="refused the subscription"):
        async with local_link(pondering):
            pass
    assert pondering.broker.statistics.clients_total == 1
    await until_async(lambda: pondering.broker.statistics.connections == 0)
    assert pondering.broker.statistics.wills_published == 0


async def test_a_local_link_that_is_cancelled_while_it_subscribes_is_not_left_behind(
    pondering: Running,
) -> None:
    entering = asyncio.create_task(local_link(pondering).__aenter__())
    await until_async(Pondering.asked.is_set)
    assert pondering.broker.statistics.clients_connected == 1
    entering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await entering
    Pondering.go_on.set()
    await until_async(lambda: pondering.broker.statistics.connections == 0)
    assert pondering.broker.statistics.wills_published == 0


async def test_the_coordinators_will_says_that_it_is_offline_and_is_retained(running: Running) -> None:
    host, port = running.tcp
    will = status("c1", online=False, started_at=1)
    link = MqttLink(
        f"mqtt://{host}:{port}",
        user="coordinator",
        token=mint("coordinator", "service"),
        client_id="coordinator",
        will=will,
        deliver=lambda *_: None,
    )
    async with link:
        await running.service("coordinator")  # throws the other out
        await until_async(lambda: running.broker.statistics.wills_published == 1)
    observer = await running.observer()
    observer.send(wire.subscribe(("soul/v1/coordinator", 1)))
    await observer.receive()
    assert (await observer.message())[:4] == (will.topic, will.payload, 1, True)
