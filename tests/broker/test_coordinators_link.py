"""The coordinator's link, against the real broker."""

import pytest

from broker import wire
from broker.house import Running, mint, new_device
from soul_coordinator.adapters.mqtt import MqttLink
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
