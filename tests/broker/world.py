"""A whole broker without sockets, loop or clock: what the fuzzers drive, and what must hold of it.

Links are kept in memory, time is a number, and the rest of a loop's turn is a call.
"""

from collections.abc import Callable

from broker.house import KEY
from soul_broker.connection import CLOSED, Connection
from soul_broker.decoder import Decoder, TopicMemory
from soul_broker.endpoint import Gate
from soul_broker.hub import Hub
from soul_broker.settings import BrokerSettings
from soul_broker.tokens import TokenVerifier

SETTINGS = BrokerSettings(
    connections=6, connections_per_user=3, subscriptions=3, flood_messages=200, write_hard=4_000
)
"""Bounds that a short run of nonsense reaches."""


class MemoryLink:
    """A link whose peer is the test: it keeps what was written until it is read."""

    def __init__(self) -> None:
        self.connection: Connection | None = None
        self.written: list[bytes] = []
        self.open = True
        self.reading = True

    def write(self, packets: list[bytes]) -> None:
        assert self.open
        self.written += packets

    def gone(self) -> bool:
        return not self.open

    def close(self) -> None:
        self.open = False

    def abort(self) -> None:
        self.open = False

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class World:
    """A hub with up to six clients on it."""

    def __init__(self, verifier: TokenVerifier | None = None) -> None:
        self.time = 1_000.0
        self.soon: list[Callable[[], None]] = []
        self.hub = Hub(
            SETTINGS,
            verifier or TokenVerifier([KEY.public_key()]),
            now=lambda: self.time,
            call_soon=self.soon.append,
        )
        self.gate = Gate("memory")
        self.links: list[MemoryLink] = []

    def open(self) -> bool:
        """One more client; False where the broker has no room for it."""
        link = MemoryLink()
        connection = Connection(self.hub, link, self.gate, "memory:0")
        if not self.hub.opened(connection):
            return False
        link.connection = connection
        self.links.append(link)
        return True

    def send(self, index: int, data: bytes) -> None:
        """What a client says; nothing happens where there is none."""
        if self.links and data:
            link = self.links[index % len(self.links)]
            assert link.connection is not None
            link.connection.receive(data)
            self.turn()

    def lose(self, index: int) -> None:
        """A client is gone."""
        if self.links:
            self._lost(self.links[index % len(self.links)])
            self.turn()

    def read(self, index: int, *, writable: bool) -> None:
        """A client reads again, or no more."""
        if self.links:
            connection = self.links[index % len(self.links)].connection
            assert connection is not None
            if writable:
                connection.resume_writing()
            else:
                connection.pause_writing()
            self.turn()

    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.time += seconds
        self.hub.tick()
        self.turn()

    def turn(self) -> None:
        """The rest of a turn of the loop."""
        while self.soon:
            self.soon.pop(0)()
        for link in list(self.links):
            if not link.open:
                self._lost(link)

    def _lost(self, link: MemoryLink) -> None:
        link.open = False
        self.links.remove(link)
        assert link.connection is not None
        link.connection.lost("gone")

    def check_bounds(self) -> None:
        """Every bound holds, and the counts are those of what is there."""
        hub = self.hub
        assert len(hub.registry.open) <= SETTINGS.connections
        assert hub.statistics.connections == len(hub.registry.open) == self.gate.count
        live = [each for held in hub.registry.users.values() for each in held]
        assert hub.statistics.clients_connected == len(live)
        assert all(connection.state != CLOSED for connection in live)
        for session in hub.registry.sessions.values():
            assert session.inflight_out <= SETTINGS.service_session.inflight
        devices = [each for each in live if not each.service]
        assert len(devices) <= SETTINGS.connections_per_user

    def check_written(self) -> None:
        """What the broker wrote is well formed: its PUBLISH and acknowledgements read as a client's do."""
        for link in self.links:
            decoder = Decoder(1 << 20, TopicMemory())
            for packet in link.written:
                if packet[0] >> 4 in {3, 4, 5, 6, 7}:
                    decoder.feed(packet)
                    assert decoder.next_packet() is not None
                    assert decoder.pending() == 0
            link.written.clear()

    def end(self) -> None:
        """Everybody goes, all sessions expire: nothing is left."""
        while self.links:
            self.lose(0)
        self.wait(10 * SETTINGS.session_expiry)
        hub = self.hub
        assert len(hub.wheel) == 0
        assert hub.registry.open == set()
        assert hub.registry.users == {}
        assert hub.registry.sessions == {}
        assert hub.router.count == 0
        assert list(hub.router.filters()) == []
        assert hub.statistics.connections == hub.statistics.clients_connected == 0
        assert self.gate.count == 0
        found = list(hub.retained.all())
        assert len(found) == hub.retained.count
        assert sum(len(each.topic) + len(each.payload) for each in found) == hub.retained.bytes
