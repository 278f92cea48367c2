"""Subscriptions, retained messages, matching of topics: MQTT 3.1.1, sections 3.3.1, 3.8 to 3.10, 4.7."""

import pytest

from broker import wire
from broker.house import Running, Start
from broker.wire import Raw
from soul_broker.listeners import listener_config
from soul_broker.packets import Publish
from soul_broker.retained import RetainedMessages
from soul_broker.server import BrokerSettings

STATE = "soul/v1/alice/all/state"
ANYBODY: dict[str, object] = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {}}
ASKED: dict[str, object] = {**ANYBODY, "amqtt.plugins.topic_checking.TopicTabooPlugin": {}}
"""Likewise, but a topic plugin is asked about every message: the slower ways of `filtered`."""


@pytest.fixture(params=[ANYBODY, ASKED], ids=["unasked", "asked"])
async def anybody(start: Start, request: pytest.FixtureRequest) -> Running:
    """A broker that lets everybody do everything, and says nothing itself."""
    config = listener_config("127.0.0.1", mqtt_port=0, plugins=request.param)
    running: Running = await start(config=config, verify=False, settings=BrokerSettings(sys_interval=0))
    return running


async def client(anybody: Running, name: str, *filters: str, qos: int = 0) -> Raw:
    raw = await anybody.raw()
    raw.send(wire.connect(name))
    await raw.expect(wire.ACCEPTED)
    if filters:
        raw.send(wire.subscribe(*((pattern, qos) for pattern in filters)))
        await raw.receive()
    return raw


async def topics(raw: Raw, count: int) -> list[str]:
    return [(await raw.message()).topic for _ in range(count)]


async def test_suback_has_the_id_and_a_code_for_each_filter_in_order(running: Running) -> None:
    observer = await running.observer()
    asked = [("soul/v1/bob/#", 1), (STATE, 2), ("soul/v1/alice/+", 0), ("#", 0), ("soul/v1/alice/#", 1)]
    observer.send(wire.subscribe(*asked, packet_id=0xABCD))
    await observer.expect(b"\x90\x07\xab\xcd\x80\x02\x00\x80\x01")


async def test_filters_in_one_packet_are_as_in_many(running: Running) -> None:
    service = await running.service()
    service.send(wire.publish(STATE, b"kept", qos=1, retain=True))
    await service.receive()
    watch = await running.service("watch")
    # The same one twice and an overlapping one: each gets what is retained, with its own QoS.
    watch.send(wire.subscribe((STATE, 0), (STATE, 1), ("soul/v1/alice/all/+", 0), packet_id=9))
    await watch.expect(b"\x90\x05\x00\x09\x00\x01\x00")
    assert [(await watch.message()).qos for _ in range(3)] == [0, 1, 0]
    assert running.broker.statistics.subscriptions_count == 2
    service.send(wire.publish(STATE, b"x", qos=1, packet_id=2))
    assert (await watch.message()).qos == 1
    await watch.silent()


async def test_subscribing_again_does_not_interrupt(running: Running) -> None:
    watch = await running.watch("soul/v1/#", qos=1)
    service = await running.service()
    for number in range(1, 201):
        service.send(wire.publish(STATE, b"%d" % number, qos=1, packet_id=number))
        if number % 10 == 0:
            watch.send(wire.subscribe(("soul/v1/#", 1), packet_id=number))
    heard: list[bytes] = []
    while len(heard) < 200:
        received = await watch.receive()
        if received[0] >> 4 == 3:
            heard.append(received[2 + 2 + len(STATE) + 2 :])
            watch.send(wire.acknowledge(wire.PUBACK, int.from_bytes(received[4 + len(STATE) :][:2], "big")))
    assert heard == [b"%d" % number for number in range(1, 201)]


async def test_unsubscribe_takes_away_exactly_what_it_names(running: Running) -> None:
    watch = await running.watch("soul/v1/#")
    others = ["soul/v1/alice/#", "soul/v1/+/all/state", STATE, "soul/v1/", "soul/v1", "Soul/v1/#", "#"]
    watch.send(wire.unsubscribe(*others, packet_id=5))
    await watch.expect(b"\xb0\x02\x00\x05")
    service = await running.service()
    service.send(wire.publish(STATE, b"1"))
    assert (await watch.message()).payload == b"1"
    watch.send(wire.unsubscribe("#", "soul/v1/#", "a", packet_id=6))
    await watch.expect(b"\xb0\x02\x00\x06")
    service.send(wire.publish(STATE, b"2"))
    await service.silent()
    await watch.silent()


async def test_a_subscription_gets_every_retained_message_that_matches(anybody: Running) -> None:
    publisher = await client(anybody, "publisher")
    names = ["a", "a/b", "a/b/c", "a//c", "/a", "b/c", "$own/b"]
    for number, topic in enumerate(names[:-1]):
        publisher.send(wire.publish(topic, topic.encode(), qos=number % 3, retain=True, packet_id=number + 1))
    for _ in range(4):
        await publisher.receive()
    # Topics that start with $ are the broker's own.
    await anybody.broker.retain_message(None, "$own/b", b"$own/b", 0)
    watch = await client(anybody, "watch")
    for pattern, expected in {
        "a/#": ["a", "a/b", "a/b/c", "a//c"],
        "a/+": ["a/b"],
        "+/+/c": ["a//c", "a/b/c"],
        "+": ["a"],
        "/+": ["/a"],
        "#": names[:-1],
        "+/b": ["a/b"],
        "$own/#": ["$own/b"],
        "a/b/c": ["a/b/c"],
        "x/#": [],
    }.items():
        watch.send(wire.subscribe((pattern, 2)))
        await watch.receive()
        found = [await watch.message() for _ in expected]
        assert sorted(message.topic for message in found) == sorted(expected), pattern
        for message in found:
            assert message.retain and not message.dup
            assert (message.payload, message.qos) == (message.topic.encode(), names.index(message.topic) % 3)
        await watch.silent()


async def test_only_a_retained_message_replaces_one(running: Running) -> None:
    service = await running.service()
    service.send(wire.publish(STATE, b"first", qos=1, retain=True))
    service.send(wire.publish(STATE, b"passing", qos=1, packet_id=2), wire.publish(STATE, b""))
    for _ in range(2):
        await service.receive()
    assert (await (await running.watch(STATE)).message())[1:4] == (b"first", 1, True)
    service.send(wire.publish(STATE, b"second", qos=0, retain=True))
    await service.silent()
    assert (await (await running.watch(STATE)).message())[1:4] == (b"second", 0, True)


async def test_an_empty_retained_message_is_passed_on_and_deletes(running: Running) -> None:
    watch = await running.watch("soul/v1/#", qos=1)
    service = await running.service()
    service.send(wire.publish(STATE, b"kept", retain=True), wire.publish(STATE, b"", qos=1, retain=True))
    assert (await watch.message()).payload == b"kept"
    assert (await watch.message())[:4] == (STATE, b"", 1, False)
    await (await running.watch(STATE)).silent()


async def test_retained_messages_outlive_the_session_that_left_them(running: Running) -> None:
    for clean in (True, False):
        service = await running.service(clean=clean)
        service.send(wire.publish(STATE, b"kept %d" % clean, retain=True), wire.DISCONNECT)
        await service.closed()
        again = await running.service(clean=True)
        again.send(wire.DISCONNECT)
        await again.closed()
        assert (await (await running.watch(STATE)).message()).payload == b"kept %d" % clean


def test_what_there_is_no_room_to_retain_does_not_leave_the_former_one() -> None:
    # The former one would be a lie to whoever subscribes next [MQTT-3.3.1-7].
    retained = RetainedMessages(10, 20)
    assert retained.keep(Publish("a", b"x" * 10, retain=True))
    assert not retained.keep(Publish("a", b"x" * 30, retain=True))
    assert (list(retained.matching("a")), retained.count, retained.bytes) == ([], 0, 0)


async def test_leading_wildcards_match_no_topic_that_starts_with_a_dollar(anybody: Running) -> None:
    watches = [await client(anybody, name, name) for name in ("#", "+/a", "+/#", "+/+")]
    own = [await client(anybody, name, name) for name in ("$own/#", "$own/+", "$own/a")]
    publisher = await client(anybody, "publisher")
    await anybody.broker.internal_message_broadcast("$own/a", b"1")
    publisher.send(wire.publish("$own/a", b"refused"), wire.publish("own/a", b"2"))
    for watch in watches:
        assert await topics(watch, 1) == ["own/a"]
        await watch.silent()
    for watch in own:
        assert await topics(watch, 1) == ["$own/a"]
        await watch.silent()


async def test_characters_are_neither_stripped_nor_normalised(anybody: Running) -> None:
    names = ["caf\u00e9", "cafe\u0301", "\ufeffcafe", "cafe", "CAFE", "cafe ", " cafe", "cafe/", "/cafe"]
    watches = {name: await client(anybody, f"{place}", name) for place, name in enumerate(names)}
    publisher = await client(anybody, "publisher")
    for name in names:
        publisher.send(wire.publish(name, name.encode()))
    await publisher.silent()
    for name, watch in watches.items():
        message = await watch.message()
        assert (message.topic, message.payload) == (name, name.encode())
        await watch.silent()


async def test_a_zero_width_no_break_space_is_kept(anybody: Running) -> None:
    watch = await client(anybody, "\ufeffwatch", "\ufeffa/+")
    publisher = await client(anybody, "publisher")
    publisher.send(*(wire.publish(topic) for topic in ("a/b", "\ufeffa/b", "\ufeffa/\ufeff")))
    assert await topics(watch, 2) == ["\ufeffa/b", "\ufeffa/\ufeff"]
    await watch.silent()
    assert {key.client_id for key in anybody.broker._hub.registry.sessions} == {"\ufeffwatch", "publisher"}


async def test_what_is_sent_matches_a_filter_of_its_receiver(anybody: Running) -> None:
    filters = ["a/+", "a/b/#", "+/b", "a/b", "/+", "+/", "a//b", "#"]
    watches = {name: await client(anybody, f"{place}", name) for place, name in enumerate(filters)}
    publisher = await client(anybody, "publisher")
    names = ["a", "a/b", "a/b/c", "a/b/c/d", "/b", "b/", "a//b", "A/b"]
    publisher.send(*(wire.publish(topic) for topic in names))
    await publisher.silent()
    expected = {
        "a/+": ["a/b"],
        "a/b/#": ["a/b", "a/b/c", "a/b/c/d"],
        "+/b": ["a/b", "/b", "A/b"],
        "a/b": ["a/b"],
        "/+": ["/b"],
        "+/": ["b/"],
        "a//b": ["a//b"],
        "#": names,
    }
    for pattern, watch in watches.items():
        assert await topics(watch, len(expected[pattern])) == expected[pattern]
        await watch.silent()
