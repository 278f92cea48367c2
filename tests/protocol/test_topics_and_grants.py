"""The topic is the identity and the permission."""

import pytest

from protocol.samples import DEVICE
from soul_protocol import topics
from soul_protocol.roles import Grant, Identity, Role, Scope, grant_for
from soul_protocol.topics import AllChannel, DownChannel, UpChannel, UpTopic


@pytest.mark.parametrize("channel", list(UpChannel))
def test_what_is_built_is_parsed(channel: UpChannel) -> None:
    topic = topics.up_topic("ann", "device", DEVICE, channel)
    assert topics.parse_up(topic) == UpTopic("ann", "device", DEVICE, channel)


@pytest.mark.parametrize("channel", list(UpChannel))
def test_guests_have_no_manage_state_and_outcome(channel: UpChannel) -> None:
    parsed = topics.parse_up(topics.up_topic("ann", "guest", DEVICE, channel))
    assert (parsed is None) == (channel in topics.DEVICE_ONLY)


@pytest.mark.parametrize(
    "topic",
    [
        f"soul/v2/ann/device/{DEVICE}/up/ping",
        f"soul/v1/ann/device/{DEVICE}/down/ping",
        f"soul/v1/ann/device/{DEVICE}/up/sing",
        f"soul/v1/ann/device/{DEVICE}/up/ping/more",
        f"soul/v1/ann/device/{DEVICE[:-1]}/up/ping",
        f"soul/v1/ann/device/{DEVICE.replace('1', 'A')}/up/ping",
        f"soul/v1/ann/observer/{DEVICE}/up/ping",
        f"soul/v1/a n/device/{DEVICE}/up/ping",
        f"soul/v1//device/{DEVICE}/up/ping",
        f"soul/v1/broker/device/{DEVICE}/up/ping",
        f"soul/v1/coordinator/device/{DEVICE}/up/ping",
        f"soul/v1/{'x' * 65}/device/{DEVICE}/up/ping",
        "soul/v1/coordinator",
        "",
    ],
)
def test_foreign_topics_are_nobodys(topic: str) -> None:
    assert topics.parse_up(topic) is None


def test_topics_down_and_for_all() -> None:
    base = f"soul/v1/ann/guest/{DEVICE}/down"
    assert topics.down_topic("ann", "guest", DEVICE, DownChannel.REPLY) == f"{base}/reply"
    assert topics.down_filter("ann", "guest", DEVICE) == f"{base}/+"
    assert topics.all_topic("ann", AllChannel.STATE) == "soul/v1/ann/all/state"
    assert topics.all_topic("ann", "+") == "soul/v1/ann/all/+"
    assert topics.is_user("coordinator-2")
    assert not topics.is_user("coordinator")
    assert topics.is_device(DEVICE)


def test_a_device_writes_under_its_own_up_only() -> None:
    grant = grant_for(Identity("ann", Role.DEVICE, DEVICE))
    base = f"soul/v1/ann/device/{DEVICE}"
    assert grant == Grant(
        publish=(f"{base}/up/+",),
        subscribe=(f"{base}/down/+", "soul/v1/ann/all/+", "soul/v1/coordinator"),
        will=True,
        retain=False,
    )


@pytest.mark.parametrize(
    ("scope", "more"),
    [
        (frozenset(), []),
        (frozenset({Scope.CONTROL}), ["command"]),
        (frozenset({Scope.QUEUE}), ["queue"]),
        (frozenset({Scope.TRANSFER}), ["transfer"]),
        (frozenset(Scope), ["command", "queue", "transfer"]),
    ],
)
def test_a_guests_scope_opens_its_topics(scope: frozenset[Scope], more: list[str]) -> None:
    grant = grant_for(Identity("ann", Role.GUEST, DEVICE, scope))
    always = ["register", "will", "disconnect", "ping", "query"]
    assert [topic.rsplit("/", 1)[1] for topic in grant.publish] == always + more
    assert all(topic.startswith(f"soul/v1/ann/guest/{DEVICE}/up/") for topic in grant.publish)
    assert (grant.will, grant.retain) == (True, False)


def test_observers_look_and_services_do_all() -> None:
    observer = grant_for(Identity("ann", Role.OBSERVER))
    assert observer == Grant((), ("soul/v1/ann/#", "soul/v1/coordinator"), will=False, retain=False)
    service = grant_for(Identity("coordinator", Role.SERVICE))
    assert service == Grant(("soul/v1/#",), ("soul/v1/#", "$SYS/#"), will=True, retain=True)


@pytest.mark.parametrize("role", [Role.DEVICE, Role.GUEST])
def test_devices_and_guests_need_an_id(role: Role) -> None:
    with pytest.raises(ValueError, match="device id"):
        grant_for(Identity("ann", role))
