"""Topic names and filters: what is well formed, within our bounds, and shared."""

import pytest

from soul_broker.acl import EVERYTHING, compile_grant
from soul_broker.topics import MAX_CHARACTERS, MAX_LEVELS, is_filter, is_topic, shared_filter, within_bounds
from soul_protocol.roles import Grant


@pytest.mark.parametrize(
    ("text", "name", "pattern"),
    [
        ("a", True, True),
        ("/", True, True),
        ("a//b", True, True),
        ("$SYS/x", True, True),
        ("", False, False),
        ("a\0b", False, False),
        ("+", False, True),
        ("#", False, True),
        ("a/+/b", False, True),
        ("a/#", False, True),
        ("a/#/b", False, False),
        ("a#", False, False),
        ("a/b#", False, False),
        ("a+", False, False),
        ("+a/b", False, False),
    ],
)
def test_what_is_well_formed(text: str, name: bool, pattern: bool) -> None:
    assert is_topic(text) is name
    assert is_filter(text) is pattern


def test_bounds_on_length_and_depth() -> None:
    assert within_bounds("a" * MAX_CHARACTERS)
    assert not within_bounds("a" * (MAX_CHARACTERS + 1))
    assert within_bounds("/" * (MAX_LEVELS - 1))
    assert not within_bounds("/" * MAX_LEVELS)


@pytest.mark.parametrize(
    ("pattern", "inner"), [("a/b", None), ("$share/g/a/+", "a/+"), ("$share/g", ""), ("$share/g/", "")]
)
def test_a_shared_filter(pattern: str, inner: str | None) -> None:
    assert shared_filter(pattern) == inner


def test_a_malformed_filter_in_a_grant_grants_nothing() -> None:
    permissions = compile_grant(Grant(("a/#/b", "c#"), ("a/#/b", "", "d/+"), will=False, retain=False))
    assert not any(permissions.may_publish(topic) for topic in ("a", "a/x/b", "a/#/b", "c", "c#"))
    assert permissions.subscribe == ("d/+",)


def test_each_shape_of_a_filter_grants_what_it_matches() -> None:
    grant = Grant(("one", "two/+", "three/#", "+/four", "five/+/x"), (), will=False, retain=False)
    permissions = compile_grant(grant)
    granted = ("one", "two/a", "two/", "three", "three/a/b", "a/four", "five/a/x")
    refused = ("two", "two/a/b", "threes", "four", "a/b/four", "five/x", "$a/four", "other")
    assert [topic for topic in granted if not permissions.may_publish(topic)] == []
    assert [topic for topic in refused if permissions.may_publish(topic)] == []


def test_what_may_be_delivered_is_what_may_be_subscribed() -> None:
    permissions = compile_grant(Grant((), ("a/+", "b"), will=False, retain=False))
    assert permissions.may_receive("a/x") and permissions.may_receive("b")
    assert not permissions.may_receive("a") and not permissions.may_receive("c")


def test_where_plugins_alone_decide_the_brokers_own_topics_stay_its_own() -> None:
    assert EVERYTHING.may_publish("any/thing")
    assert not EVERYTHING.may_publish("$SYS/x")
    assert EVERYTHING.may_subscribe("#")
    assert not EVERYTHING.may_subscribe("/" * MAX_LEVELS)
