"""What a turn of the loop writes: everybody's, though one of them fails; counted when it is written."""

import pytest

from broker import wire
from broker.house import mint, new_device
from broker.world import MemoryLink, World
from soul_broker.connection import Connection
from soul_broker.packets import Publish
from soul_broker.settings import BrokerSettings

TOPIC = "soul/v1/alice/all/position"


class Broken(MemoryLink):
    """A link with a bug of our own, that shows once."""

    broken = False

    def _break(self) -> None:
        if self.broken:
            self.broken = False
            raise RuntimeError("a bug")

    def write(self, packets: list[bytes]) -> None:
        self._break()
        super().write(packets)

    def abort(self) -> None:
        self._break()
        super().abort()


def listener(world: World, link: MemoryLink) -> Connection:
    connection = Connection(world.hub, link, world.gate, "memory:0")
    assert world.hub.opened(connection)
    connection.receive(wire.connect(new_device(), "alice", mint(), keep_alive=10))
    connection.receive(wire.subscribe((TOPIC, 0)))
    world.turn()
    link.written.clear()
    return connection


def test_a_bug_in_writing_costs_one_connection() -> None:
    world, broken = World(), Broken()
    links = [MemoryLink(), broken, MemoryLink()]
    connections = [listener(world, link) for link in links]
    broken.broken = True
    world.hub.distribute(Publish(TOPIC, b"x"))
    world.turn()
    assert [len(link.written) for link in links] == [1, 0, 1]
    assert [link.open for link in links] == [True, False, True]
    # And the next turn is as ever.
    world.hub.distribute(Publish(TOPIC, b"y"))
    world.turn()
    assert [len(link.written) for link in links] == [2, 0, 2]
    assert len(world.hub.registry.users["alice"]) == 2
    assert connections[1].session is not None


def test_a_bug_in_waking_one_wakes_the_others() -> None:
    world, broken = World(), Broken()
    links = [MemoryLink(), broken, MemoryLink()]
    for link in links:
        listener(world, link)
    broken.broken = True
    # Silent for longer than one and a half times 10 s.
    world.wait(16)
    assert [link.open for link in links] == [False, False, False]


@pytest.mark.parametrize("stopped", [True, False])
def test_what_is_dropped_is_not_counted_as_sent(monkeypatch: pytest.MonkeyPatch, *, stopped: bool) -> None:
    monkeypatch.setattr("broker.world.SETTINGS", BrokerSettings(write_soft=1_000, write_hard=4_000))
    world, link = World(), MemoryLink()
    connection, statistics = listener(world, link), world.hub.statistics
    sent, size = statistics.publish_sent, statistics.publish_bytes_sent
    if stopped:
        connection.pause_writing()
    for _ in range(100):
        world.hub.distribute(Publish(TOPIC, b"x" * 50))
        if stopped:
            world.turn()
    connection.receive(wire.PING)
    world.turn()
    if stopped:
        assert statistics.publish_sent == sent
        connection.resume_writing()
    published = [packet for packet in link.written if packet[0] >> 4 == 3]
    # Who takes it gets it all, also what one turn of the loop gathers.
    assert 0 < len(published) < 20 if stopped else len(published) == 100
    assert wire.PONG in link.written
    assert statistics.publish_sent - sent == len(published) == connection.sent
    assert statistics.publish_bytes_sent - size == sum(map(len, published))
    assert statistics.publish_dropped == 100 - len(published)
    assert statistics.bytes_sent == 4 + 5 + len(wire.PONG) + sum(map(len, published))
