"""Who receives, and what is retained: against a model that tries every filter."""

import itertools

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from soul_broker.packets import Publish
from soul_broker.retained import RetainedMessages
from soul_broker.router import Router
from soul_broker.topics import matches

TOPICS = [
    "/".join(levels) for depth in (1, 2, 3) for levels in itertools.product(("a", "b", "$s"), repeat=depth)
]
TOPICS += ["/", "a/", "/a", "a//b"]
FILTERS = [
    "/".join(levels) for depth in (1, 2, 3) for levels in itertools.product(("a", "+", "$s"), repeat=depth)
]
FILTERS += [f"{pattern}/#" for pattern in FILTERS[:12]] + ["#", "/", "+/", "/+", "/#", "a//+", "a//b"]


class RouterMachine(RuleBasedStateMachine):
    """Subscribe and unsubscribe at random; after every step every topic reaches whom it should."""

    def __init__(self) -> None:
        super().__init__()
        self.router: Router[str] = Router()
        self.model: dict[tuple[str, str], int] = {}

    @rule(who=st.sampled_from("xyz"), pattern=st.sampled_from(FILTERS), qos=st.integers(0, 2))
    def subscribe(self, who: str, pattern: str, qos: int) -> None:
        self.router.subscribe(who, pattern, qos)
        self.model[who, pattern] = qos

    @rule(who=st.sampled_from("xyz"), pattern=st.sampled_from(FILTERS))
    def unsubscribe(self, who: str, pattern: str) -> None:
        assert self.router.unsubscribe(who, pattern) == ((who, pattern) in self.model)
        self.model.pop((who, pattern), None)

    @rule()
    def unsubscribe_all(self) -> None:
        for who, pattern in self.model:
            assert self.router.unsubscribe(who, pattern)
        self.model.clear()

    @invariant()
    def everybody_is_reached_once_at_the_highest_qos(self) -> None:
        for topic in TOPICS:
            expected: dict[str, int] = {}
            for (who, pattern), qos in self.model.items():
                if matches(pattern, topic):
                    expected[who] = max(qos, expected.get(who, 0))
            assert self.router.receivers(topic) == expected, topic

    @invariant()
    def counts_and_lists(self) -> None:
        assert self.router.count == len(self.model)
        listed = {(who, pattern): qos for pattern, subs in self.router.filters() for who, qos in subs.items()}
        assert listed == self.model

    @invariant()
    def nothing_is_left_when_nobody_is(self) -> None:
        if not self.model:
            assert self.router._named == {}
            assert self.router._root.children is None


TestRouter = RouterMachine.TestCase


def test_the_memory_of_topics_is_bounded() -> None:
    router: Router[str] = Router()
    router.subscribe("x", "#", 0)
    for number in range(20_000):
        assert router.match(f"a/{number}")
    assert len(router._found) <= 8_192


@given(st.lists(st.tuples(st.sampled_from(TOPICS), st.binary(max_size=2)), max_size=20))
def test_retained_messages(kept: list[tuple[str, bytes]]) -> None:
    retained = RetainedMessages(1_000, 10_000)
    model: dict[str, bytes] = {}
    for topic, payload in kept:
        retained.keep(Publish(topic, payload, retain=True))
        model[topic] = payload
        if not payload:
            del model[topic]
    assert retained.count == len(model)
    assert retained.bytes == sum(len(topic) + len(payload) for topic, payload in model.items())
    assert {message.topic for message in retained.all()} == set(model)
    for pattern in FILTERS:
        found = {message.topic: message.payload for message in retained.matching(pattern)}
        expected = {topic: payload for topic, payload in model.items() if matches(pattern, topic)}
        assert found == expected, pattern
    for topic in model:
        retained.keep(Publish(topic, b"", retain=True))
    assert (retained.count, retained.bytes, retained._root.children) == (0, 0, None)
