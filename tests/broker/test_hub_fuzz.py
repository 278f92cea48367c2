"""Whole connections without sockets: whatever clients send, in whatever order, nothing breaks or stays."""

from collections.abc import Callable

import structlog.testing
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from broker import wire
from broker.catalogue import BAD, GOOD
from broker.house import KEY, mint
from soul_broker.connection import CLOSED, Connection
from soul_broker.decoder import Decoder, TopicMemory
from soul_broker.endpoint import Gate
from soul_broker.hub import Hub
from soul_broker.settings import BrokerSettings
from soul_broker.tokens import TokenVerifier

DEVICES = ("00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002")
DEVICE_TOKEN, SERVICE_TOKEN = mint(), mint("coordinator", "service")
TOPICS = [f"soul/v1/alice/device/{device}/up/state" for device in DEVICES]
TOPICS += ["soul/v1/alice/all/state", "soul/v1/alice/all/event", "soul/v1/broker/close", "other"]
FILTERS = ["soul/v1/alice/all/+", "soul/v1/coordinator", "soul/v1/#", "soul/v1/+/all/state", "#"]
SETTINGS = BrokerSettings(
    connections=6, connections_per_user=3, subscriptions=3, flood_messages=200, write_hard=4_000
)


class MemoryLink:
    """A link whose peer is this test: it keeps what was written until it is read."""

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

    abort = close

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class HubMachine(RuleBasedStateMachine):
    """Six places for clients that connect, talk sense or nonsense, stop reading, vanish."""

    def __init__(self) -> None:
        super().__init__()
        self.time = 1_000.0
        self.soon: list[Callable[[], None]] = []
        self.hub = Hub(
            SETTINGS, TokenVerifier([KEY.public_key()]), now=lambda: self.time, call_soon=self.soon.append
        )
        self.gate = Gate("memory")
        self.links: list[MemoryLink] = []
        self.capture = structlog.testing.capture_logs()
        self.logged = self.capture.__enter__()

    def teardown(self) -> None:
        try:
            for link in list(self.links):
                self.lose(link)
            self.turn()
            self.time += 10 * SETTINGS.session_expiry
            self.hub.tick()
            assert len(self.hub.wheel) == 0
            assert self.hub.registry.open == set()
            assert self.hub.registry.users == {}
            assert self.hub.registry.sessions == {}
            assert self.hub.router.count == 0
            assert self.hub.statistics.connections == self.hub.statistics.clients_connected == 0
            assert self.gate.count == 0
        finally:
            self.capture.__exit__(None, None, None)

    def turn(self) -> None:
        """The rest of a turn of the loop."""
        while self.soon:
            self.soon.pop(0)()
        for link in list(self.links):
            if not link.open:
                self.lose(link)

    def lose(self, link: MemoryLink) -> None:
        link.open = False
        self.links.remove(link)
        assert link.connection is not None
        link.connection.lost("gone")

    def send(self, index: int, data: bytes) -> None:
        if self.links:
            link = self.links[index % len(self.links)]
            assert link.connection is not None
            link.connection.receive(data)
            self.turn()

    @rule(device=st.sampled_from(DEVICES), clean=st.booleans(), service=st.booleans(), will=st.booleans())
    def connect(self, device: str, clean: bool, service: bool, will: bool) -> None:
        link = MemoryLink()
        connection = Connection(self.hub, link, self.gate, "memory:0")
        if not self.hub.opened(connection):
            return
        link.connection = connection
        self.links.append(link)
        last = wire.Will(f"soul/v1/alice/device/{device}/up/will", b"gone", 1) if will else None
        user, token = ("coordinator", SERVICE_TOKEN) if service else ("alice", DEVICE_TOKEN)
        connection.receive(wire.connect(device, user, token, clean=clean, keep_alive=30, will=last))
        self.turn()

    @rule(
        index=st.integers(0, 5),
        topic=st.sampled_from(TOPICS),
        qos=st.integers(0, 2),
        retain=st.booleans(),
        packet_id=st.integers(1, 5),
        payload=st.sampled_from([b"", b"x", b"y" * 300, b'{"type":"close","user":"alice","reason":"x"}']),
        times=st.sampled_from([1, 1, 1, 20]),
    )
    def publish(
        self, *, index: int, topic: str, qos: int, retain: bool, packet_id: int, payload: bytes, times: int
    ) -> None:
        packet = wire.publish(topic, payload, qos=qos, retain=retain, packet_id=packet_id)
        self.send(index, packet * times)

    @rule(
        index=st.integers(0, 5),
        patterns=st.lists(st.sampled_from(FILTERS), min_size=1, max_size=3),
        qos=st.integers(0, 2),
    )
    def subscribe(self, index: int, patterns: list[str], qos: int) -> None:
        self.send(index, wire.subscribe(*((pattern, qos) for pattern in patterns)))

    @rule(index=st.integers(0, 5), pattern=st.sampled_from(FILTERS))
    def unsubscribe(self, index: int, pattern: str) -> None:
        self.send(index, wire.unsubscribe(pattern))

    @rule(
        index=st.integers(0, 5),
        first=st.sampled_from([wire.PUBACK, wire.PUBREC, wire.PUBREL, wire.PUBCOMP]),
        packet_id=st.integers(1, 6),
    )
    def acknowledge(self, index: int, first: int, packet_id: int) -> None:
        self.send(index, wire.acknowledge(first, packet_id))

    @rule(index=st.integers(0, 5), name=st.sampled_from(sorted(GOOD)), cut=st.integers(0, 40))
    def any_good_packet(self, index: int, name: str, cut: int) -> None:
        raw = GOOD[name][0]
        self.send(index, raw[:cut] or raw)

    @rule(index=st.integers(0, 5), name=st.sampled_from(sorted(BAD)))
    def a_bad_packet(self, index: int, name: str) -> None:
        self.send(index, BAD[name])

    @rule(index=st.integers(0, 5), data=st.binary(min_size=1, max_size=20))
    def anything(self, index: int, data: bytes) -> None:
        self.send(index, data)

    @rule(index=st.integers(0, 5), writable=st.booleans())
    def stop_or_start_reading(self, index: int, writable: bool) -> None:
        if self.links:
            connection = self.links[index % len(self.links)].connection
            assert connection is not None
            if writable:
                connection.resume_writing()
            else:
                connection.pause_writing()

    @rule(index=st.integers(0, 5))
    def vanish(self, index: int) -> None:
        if self.links:
            self.lose(self.links[index % len(self.links)])
            self.turn()

    @rule(seconds=st.sampled_from([0.3, 11.0, 50.0]))
    def time_passes(self, seconds: float) -> None:
        self.time += seconds
        self.hub.tick()
        self.turn()

    @invariant()
    def no_error_of_our_own(self) -> None:
        assert not [entry for entry in self.logged if entry["event"].startswith("internal error")]

    @invariant()
    def what_was_written_is_well_formed(self) -> None:
        for link in self.links:
            # The broker's PUBLISH, and the acknowledgements, read as a client's do.
            decoder = Decoder(1 << 20, TopicMemory())
            for packet in link.written:
                if packet[0] >> 4 in {3, 4, 5, 6, 7}:
                    decoder.feed(packet)
                    assert decoder.next_packet() is not None
                    assert decoder.pending() == 0
            link.written.clear()

    @invariant()
    def bounds_hold(self) -> None:
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


TestHub = HubMachine.TestCase
TestHub.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
