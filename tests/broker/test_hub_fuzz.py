"""Whole connections without sockets: whatever clients send, in whatever order, nothing breaks or stays."""

import structlog.testing
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from broker import wire
from broker.catalogue import GOOD
from broker.house import mint
from broker.malformed import LATER, every
from broker.world import World

BAD = every(LATER)
DEVICES = ("00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002")
DEVICE_TOKEN, SERVICE_TOKEN = mint(), mint("coordinator", "service")
TOPICS = [f"soul/v1/alice/device/{device}/up/state" for device in DEVICES]
TOPICS += ["soul/v1/alice/all/state", "soul/v1/alice/all/event", "soul/v1/broker/close", "other"]
FILTERS = ["soul/v1/alice/all/+", "soul/v1/coordinator", "soul/v1/#", "soul/v1/+/all/state", "#"]


class HubMachine(RuleBasedStateMachine):
    """Six places for clients that connect, talk sense or nonsense, stop reading, vanish."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.capture = structlog.testing.capture_logs()
        self.logged = self.capture.__enter__()

    def teardown(self) -> None:
        try:
            self.world.end()
        finally:
            self.capture.__exit__(None, None, None)

    @rule(
        device=st.sampled_from(DEVICES),
        clean=st.booleans(),
        service=st.booleans(),
        will=st.booleans(),
        guessed=st.sampled_from([False, False, False, True]),
    )
    def connect(self, *, device: str, clean: bool, service: bool, will: bool, guessed: bool) -> None:
        if not self.world.open():
            return
        last = wire.Will(f"soul/v1/alice/device/{device}/up/will", b"gone", 1) if will else None
        user, token = ("coordinator", SERVICE_TOKEN) if service else ("alice", DEVICE_TOKEN)
        if guessed:
            token = "guessed"
        self.world.send(-1, wire.connect(device, user, token, clean=clean, keep_alive=30, will=last))

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
        self.world.send(index, packet * times)

    @rule(
        index=st.integers(0, 5),
        patterns=st.lists(st.sampled_from(FILTERS), min_size=1, max_size=3),
        qos=st.integers(0, 2),
    )
    def subscribe(self, index: int, patterns: list[str], qos: int) -> None:
        self.world.send(index, wire.subscribe(*((pattern, qos) for pattern in patterns)))

    @rule(index=st.integers(0, 5), pattern=st.sampled_from(FILTERS))
    def unsubscribe(self, index: int, pattern: str) -> None:
        self.world.send(index, wire.unsubscribe(pattern))

    @rule(
        index=st.integers(0, 5),
        first=st.sampled_from([wire.PUBACK, wire.PUBREC, wire.PUBREL, wire.PUBCOMP]),
        packet_id=st.integers(1, 6),
    )
    def acknowledge(self, index: int, first: int, packet_id: int) -> None:
        self.world.send(index, wire.acknowledge(first, packet_id))

    @rule(index=st.integers(0, 5), name=st.sampled_from(sorted(GOOD)), cut=st.integers(0, 40))
    def any_good_packet(self, index: int, name: str, cut: int) -> None:
        raw = GOOD[name][0]
        self.world.send(index, raw[:cut] or raw)

    @rule(index=st.integers(0, 5), name=st.sampled_from(sorted(BAD)))
    def a_bad_packet(self, index: int, name: str) -> None:
        self.world.send(index, BAD[name])

    @rule(index=st.integers(0, 5), data=st.binary(min_size=1, max_size=20))
    def anything(self, index: int, data: bytes) -> None:
        self.world.send(index, data)

    @rule(index=st.integers(0, 5), writable=st.booleans())
    def stop_or_start_reading(self, index: int, writable: bool) -> None:
        self.world.read(index, writable=writable)

    @rule(index=st.integers(0, 5))
    def vanish(self, index: int) -> None:
        self.world.lose(index)

    @rule(seconds=st.sampled_from([0.3, 11.0, 50.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.wait(seconds)

    @invariant()
    def no_error_of_our_own(self) -> None:
        assert not [entry for entry in self.logged if entry["event"].startswith("internal error")]

    @invariant()
    def what_was_written_is_well_formed(self) -> None:
        self.world.check_written()

    @invariant()
    def bounds_hold(self) -> None:
        self.world.check_bounds()


TestHub = HubMachine.TestCase
TestHub.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
