"""A client in the broker's process answers in the turn of the loop in which it is asked."""

from collections.abc import Callable

from broker import wire
from broker.house import mint, new_device
from broker.world import MemoryLink, World
from soul_broker.connection import Connection
from soul_broker.endpoint import Gate
from soul_broker.local import NearConnection
from soul_broker.packets import Publish


class Writes(MemoryLink):
    """What was written, write by write."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[list[bytes]] = []

    def write(self, packets: list[bytes]) -> None:
        self.writes.append(packets)


class Answering(MemoryLink):
    """A link in the same process, whose client says something when it hears something."""

    def __init__(self, answer: Callable[[], None]) -> None:
        super().__init__()
        self._answer = answer

    def write(self, packets: list[bytes]) -> None:
        if any(packet[0] >> 4 == 3 for packet in packets):
            self._answer()


def enter(world: World, link: MemoryLink, gate: Gate, packet: bytes) -> Connection:
    return admitted(world, Connection(world.hub, link, gate, "memory:0"), packet)


def enter_near(world: World, link: MemoryLink, hand: Callable[[Publish], None] | None = None) -> Connection:
    packet = wire.connect("c", "coordinator", mint("coordinator", "service"))
    return admitted(world, NearConnection(world.hub, link, hand), packet)


def admitted(world: World, connection: Connection, packet: bytes) -> Connection:
    assert world.hub.opened(connection)
    connection.receive(packet)
    world.turn()
    return connection


def test_an_answer_leaves_together_with_the_acknowledgement() -> None:
    world, device = World(), new_device()
    base = f"soul/v1/alice/device/{device}"
    answer = wire.publish(f"{base}/down/reply", b"answer")

    def say() -> None:
        # As a task does that is woken by the message.
        world.soon.append(lambda: service.receive(answer))

    service = enter_near(world, Answering(say))
    service.receive(wire.subscribe(("soul/v1/+/+/+/up/+", 0)))
    link = Writes()
    client = enter(world, link, world.gate, wire.connect(device, "alice", mint()))
    client.receive(wire.subscribe((f"{base}/down/+", 0)))
    world.turn()
    link.writes.clear()
    client.receive(wire.publish(f"{base}/up/query", b"question", qos=1, packet_id=7))
    world.turn()
    assert link.writes == [[wire.acknowledge(wire.PUBACK, 7), answer]]


def test_a_message_comes_as_it_is_and_is_counted() -> None:
    world, device, heard = World(), new_device(), list[Publish]()
    service = enter_near(world, Answering(lambda: None), heard.append)
    service.receive(wire.subscribe(("soul/v1/+/+/+/up/+", 0)))
    client = enter(world, Writes(), world.gate, wire.connect(device, "alice", mint()))
    before = world.hub.statistics.publish_sent
    topic = f"soul/v1/alice/device/{device}/up/query"
    client.receive(wire.publish(topic, b"question", qos=1, packet_id=7))
    assert [(one.topic, one.payload, one.retain) for one in heard] == [(topic, b"question", False)]
    assert world.hub.statistics.publish_sent - before == service.sent == 1


def test_an_answer_waits_for_no_more_than_one_turn_of_the_others() -> None:
    """Two devices ask in one turn: both get answer and acknowledgement in one write each."""
    world, devices = World(), [new_device(), new_device()]
    answers = [f"soul/v1/alice/device/{device}/down/reply" for device in devices]
    heard: list[None] = []

    def say() -> None:
        heard.append(None)
        answer = wire.publish(answers[len(heard) - 1], b"answer")
        world.soon.append(lambda: service.receive(answer))

    service = enter_near(world, Answering(say))
    service.receive(wire.subscribe(("soul/v1/+/+/+/up/+", 0)))
    links = [Writes(), Writes()]
    clients = [
        enter(world, link, world.gate, wire.connect(device, "alice", mint()))
        for link, device in zip(links, devices, strict=True)
    ]
    for client, device in zip(clients, devices, strict=True):
        client.receive(wire.subscribe((f"soul/v1/alice/device/{device}/down/+", 0)))
    world.turn()
    for link in links:
        link.writes.clear()
    for client, device in zip(clients, devices, strict=True):
        question = f"soul/v1/alice/device/{device}/up/query"
        client.receive(wire.publish(question, b"question", qos=1, packet_id=7))
    world.turn()
    acknowledged = wire.acknowledge(wire.PUBACK, 7)
    assert [link.writes for link in links] == [
        [[acknowledged, wire.publish(answer, b"answer")]] for answer in answers
    ]


def test_a_client_that_talks_to_itself_holds_up_nobody() -> None:
    world, device = World(), new_device()
    turns = 0

    def again() -> None:
        nonlocal turns
        turns += 1
        if turns < 50:
            world.soon.append(lambda: service.receive(wire.publish("soul/v1/alice/all/event", b"x")))

    service = enter_near(world, Answering(again))
    service.receive(wire.subscribe(("soul/v1/#", 0)))
    world.turn()
    link = Writes()
    client = enter(world, link, world.gate, wire.connect(device, "alice", mint()))
    link.writes.clear()
    client.receive(wire.PING)
    service.receive(wire.publish("soul/v1/alice/all/event", b"x"))
    for _ in range(4):
        world.soon.pop(0)()
    assert link.writes == [[wire.PONG]]
    world.turn()
    assert turns == 50


class Named(MemoryLink):
    """Says its name when it is written to."""

    def __init__(self, name: str, order: list[str]) -> None:
        super().__init__()
        self._name, self._order = name, order

    def write(self, packets: list[bytes]) -> None:
        self._order.extend([self._name] * bool(packets))


def test_who_hears_of_it_is_written_to_before_who_said_it() -> None:
    world, device, other = World(), new_device(), new_device()
    order: list[str] = []
    token = mint("coordinator", "service")
    said = enter(world, Named("who said it", order), world.gate, wire.connect("c", "coordinator", token))
    heard = enter(world, Named("who hears it", order), world.gate, wire.connect(device, "alice", mint()))
    enter(world, Named("nobody", order), world.gate, wire.connect(other, "alice", mint()))
    heard.receive(wire.subscribe((f"soul/v1/alice/device/{device}/down/+", 0)))
    world.turn()
    order.clear()
    said.receive(wire.publish(f"soul/v1/alice/device/{device}/down/reply", b"x", qos=1, packet_id=7))
    world.turn()
    assert order == ["who hears it", "who said it"]


def test_who_asked_is_answered_before_others_and_who_only_hears_itself_after_them() -> None:
    world, asking, playing = World(), new_device(), new_device()
    order: list[str] = []
    links = {device: Named(device, order) for device in (asking, playing)}
    clients = {
        device: enter(world, link, world.gate, wire.connect(device, "alice", mint()))
        for device, link in links.items()
    }
    for device, client in clients.items():
        client.receive(
            wire.subscribe((f"soul/v1/alice/device/{device}/down/+", 1), ("soul/v1/alice/all/+", 1))
        )
    world.turn()

    def told(who: str, *messages: str) -> list[str]:
        """One device says something, and in the same turn there are messages about it."""
        order.clear()
        clients[who].receive(wire.publish(f"soul/v1/alice/device/{who}/up/state", b"x", qos=1, packet_id=7))
        for topic in messages:
            world.hub.distribute(Publish(topic, b"x", 1))
        world.turn()
        return list(order)

    command = told(
        asking, f"soul/v1/alice/device/{playing}/down/execute", f"soul/v1/alice/device/{asking}/down/reply"
    )
    assert command == [asking, playing]
    report = told(playing, "soul/v1/alice/all/state", f"soul/v1/alice/device/{asking}/down/reply")
    assert report == [asking, playing]
