"""Grants: containment against a brute-force model, and the contract's table by role."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soul_broker.acl import EVERYTHING, compile_grant, contains, matches
from soul_protocol.roles import Grant, Identity, Role, Scope, grant_for

LEVELS = ("", "a", "b", "$s")
NAMES = [
    "/".join(levels)
    for depth in range(1, 5)
    for levels in itertools.product(LEVELS, repeat=depth)
    if levels != ("",)
]
FILTERS = [
    "/".join(levels)
    for depth in range(1, 4)
    for levels in itertools.product(("a", "b", "+", "$s"), repeat=depth)
]
FILTERS += [f"{pattern}/#" for pattern in FILTERS] + ["#"]
DEVICE = "0b7b2a3c-8a55-4c77-9d3c-0d6a3b1c2d3e"


def model_matches(pattern: str, topic: str) -> bool:
    """Section 4.7, said another way: by recursion."""

    def rest(wanted: list[str], levels: list[str]) -> bool:
        if wanted == ["#"]:
            return True
        if not wanted or not levels:
            return not wanted and not levels
        return wanted[0] in ("+", levels[0]) and rest(wanted[1:], levels[1:])

    if topic.startswith("$") and pattern[0] in "+#":
        return False
    return rest(pattern.split("/"), topic.split("/"))


@given(st.sampled_from(FILTERS), st.sampled_from(NAMES))
def test_matching(pattern: str, topic: str) -> None:
    assert matches(pattern, topic) == model_matches(pattern, topic)


def test_containment_is_that_every_topic_is_granted() -> None:
    # A level in no filter stands for all others; deeper than any filter, so that `#` differs from `+`.
    names = [*NAMES, *(f"{name}/a" for name in NAMES)]
    names += [
        "/".join(levels) for depth in range(1, 5) for levels in itertools.product(("a", "z"), repeat=depth)
    ]
    matched = {pattern: {name for name in names if model_matches(pattern, name)} for pattern in FILTERS}
    wrong = [
        (granted, requested)
        for granted, requested in itertools.product(FILTERS, repeat=2)
        if contains(granted, requested) != (matched[requested] <= matched[granted])
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("granted", "requested", "verdict"),
    [
        ("a/+", "a/#", False),
        ("a/+/#", "a/#", False),
        ("a/#", "a/#", True),
        ("a/#", "a", True),
        ("a/#", "a/+/b", True),
        ("a/+", "a/b", True),
        ("a/+", "a/+", True),
        ("a/b", "a/+", False),
        ("a/b", "+/b", False),
        ("#", "$SYS/#", False),
        ("+/b", "$SYS/b", False),
        ("$SYS/#", "$SYS/broker/+", True),
        ("$SYS/#", "#", False),
        ("+/#", "#", True),
        ("a/#", "$share/g/a/b", True),
        ("a/#", "$share/g/b", False),
        ("a/#", "$share/a", False),
        ("#", "$share/g/$SYS/#", False),
    ],
)
def test_containment_by_example(granted: str, requested: str, verdict: bool) -> None:
    assert contains(granted, requested) is verdict


@given(st.lists(st.sampled_from(FILTERS), max_size=4), st.sampled_from(NAMES))
def test_a_compiled_grant_decides_as_its_filters_do(patterns: list[str], topic: str) -> None:
    permissions = compile_grant(Grant(tuple(patterns), (), will=True, retain=True))
    assert permissions.may_publish(topic) == any(model_matches(pattern, topic) for pattern in patterns)


def table(identity: Identity) -> tuple[list[str], list[str]]:
    """What of everything interesting an identity may publish and subscribe."""
    permissions = compile_grant(grant_for(identity))
    other = DEVICE.replace("0b", "0c")
    topics = [
        *(f"soul/v1/alice/device/{DEVICE}/up/{channel}" for channel in ("state", "command", "queue")),
        *(f"soul/v1/alice/guest/{DEVICE}/up/{channel}" for channel in ("ping", "command", "queue", "state")),
        f"soul/v1/alice/device/{other}/up/state",
        f"soul/v1/bob/device/{DEVICE}/up/state",
        f"soul/v1/alice/device/{DEVICE}/down/execute",
        "soul/v1/alice/all/state",
        "soul/v1/coordinator",
        "soul/v1/broker/close",
        "other",
        "$SYS/x",
    ]
    filters = [
        *topics,
        f"soul/v1/alice/device/{DEVICE}/down/+",
        f"soul/v1/alice/device/{DEVICE}/down/#",
        f"soul/v1/alice/guest/{DEVICE}/down/+",
        "soul/v1/alice/all/+",
        "soul/v1/alice/#",
        "soul/v1/+/all/state",
        "soul/v1/bob/#",
        "soul/v1/#",
        "soul/#",
        "#",
        "+/v1/alice/all/state",
        "$SYS/#",
        "$share/g/soul/v1/alice/all/+",
    ]
    short = [name.replace(DEVICE, "D").replace(other, "E").replace("soul/v1/", "") for name in topics]
    short_filters = [
        name.replace(DEVICE, "D").replace(other, "E").replace("soul/v1/", "") for name in filters
    ]
    return (
        [name for topic, name in zip(topics, short, strict=True) if permissions.may_publish(topic)],
        [
            name
            for topic, name in zip(filters, short_filters, strict=True)
            if permissions.may_subscribe(topic)
        ],
    )


def test_device() -> None:
    publish, subscribe = table(Identity("alice", Role.DEVICE, DEVICE))
    assert publish == [f"alice/device/D/up/{channel}" for channel in ("state", "command", "queue")]
    assert subscribe == [
        "alice/device/D/down/execute",
        "alice/all/state",
        "coordinator",
        "alice/device/D/down/+",
        "alice/all/+",
        "$share/g/alice/all/+",
    ]


def test_guest() -> None:
    publish, subscribe = table(Identity("alice", Role.GUEST, DEVICE, frozenset({Scope.QUEUE})))
    assert publish == ["alice/guest/D/up/ping", "alice/guest/D/up/queue"]
    assert "alice/guest/D/down/+" in subscribe
    assert "alice/device/D/down/+" not in subscribe


def test_observer() -> None:
    publish, subscribe = table(Identity("alice", Role.OBSERVER))
    assert publish == []
    assert "alice/#" in subscribe and "coordinator" in subscribe
    assert not {"bob/#", "#", "soul/#", "$SYS/#", "soul/v1/#", "+/all/state"} & set(subscribe)


def test_service() -> None:
    publish, subscribe = table(Identity("coordinator", Role.SERVICE))
    assert "other" not in publish and "$SYS/x" not in publish and "broker/close" in publish
    assert "#" in subscribe or "$SYS/#" in subscribe
    assert not {"soul/#", "other"} & set(subscribe)


def test_a_filter_that_is_granted_word_for_word_is_held_once() -> None:
    permissions = compile_grant(grant_for(Identity("alice", Role.DEVICE, DEVICE)))
    for granted in permissions.subscribe:
        assert permissions.own("".join(granted)) is granted
    for rules, pattern in (permissions, "soul/v1/alice/all/state"), (EVERYTHING, permissions.subscribe[0]):
        assert rules.own(pattern) is pattern
