"""What a turn of the loop writes: everybody's, though one of them fails; counted when it is written."""

import json
import time
from pathlib import Path

import pytest

from broker import wire
from broker.house import KEY, mint, new_device
from broker.world import MemoryLink, World
from soul_broker.connection import Connection
from soul_broker.packets import Publish
from soul_broker.revocations import Revocations
from soul_broker.settings import BrokerSettings
from soul_broker.tokens import TokenVerifier

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


class Saved(MemoryLink):
    """Notes what it acknowledges before there is a file."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file
        self.unsaved: list[bytes] = []

    def write(self, packets: list[bytes]) -> None:
        if not self.file.exists():
            self.unsaved += [packet for packet in packets if packet[0] == wire.PUBACK]
        super().write(packets)


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


def coordinator(file: Path, link: MemoryLink) -> tuple[World, Connection]:
    """A world that keeps its revocations, and the coordinator's connection in it."""
    world = World(TokenVerifier([KEY.public_key()], revocations=Revocations(file, time.time)))
    connection = Connection(world.hub, link, world.gate, "memory:0")
    assert world.hub.opened(connection)
    connection.receive(wire.connect("coordinator", "coordinator", mint("coordinator", "service")))
    world.turn()
    link.written.clear()
    return world, connection


def test_what_a_turn_withdraws_is_on_disk_before_any_of_it_is_acknowledged(tmp_path: Path) -> None:
    file, link = tmp_path / "revocations.json", MemoryLink()
    world, connection = coordinator(file, link)
    ids = ["one", "two", "three"]
    for number, jti in enumerate(ids, 1):
        close = json.dumps({"type": "close", "user": "alice", "jti": jti, "reason": "revoked"}).encode()
        connection.receive(wire.publish("soul/v1/broker/close", close, qos=1, packet_id=number))
    assert not link.written
    assert not file.exists()
    world.turn()
    assert link.written == [wire.acknowledge(wire.PUBACK, number) for number in (1, 2, 3)]
    assert set(json.loads(file.read_text())["tokens"]) == set(ids)


def test_nor_is_it_acknowledged_before_where_the_sender_leaves_at_once(tmp_path: Path) -> None:
    link = Saved(tmp_path / "revocations.json")
    world, connection = coordinator(link.file, link)
    close = json.dumps({"type": "close", "user": "alice", "jti": "one", "reason": "revoked"}).encode()
    connection.receive(wire.publish("soul/v1/broker/close", close, qos=1, packet_id=1) + wire.DISCONNECT)
    world.turn()
    assert wire.acknowledge(wire.PUBACK, 1) in link.written
    assert link.unsaved == []


def test_a_turn_saves_once_and_writes_even_where_the_disk_fails() -> None:
    world, link, saves = World(), MemoryLink(), list[int]()
    listener(world, link)

    def save() -> None:
        saves.append(len(link.written))
        raise OSError("no space left on device")

    for _ in range(3):
        world.hub.outbox.save_first(save)
        world.hub.distribute(Publish(TOPIC, b"x"))
    world.turn()
    assert (saves, len(link.written)) == ([0], 3)
    # Alone in its turn, too.
    world.hub.outbox.save_first(save)
    world.turn()
    assert saves == [0, 3]


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
