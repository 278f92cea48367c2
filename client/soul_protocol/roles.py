"""Who may use which topics: roles, scopes and the grants that follow from them.

This page only says what is granted, as topic filters; matching and containment
are the broker's (`soul_broker.acl`), or another engine's.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from soul_protocol.topics import COORDINATOR, PREFIX, UpChannel, all_topic, down_filter, up_topic


class Role(StrEnum):
    """What a token's holder is."""

    DEVICE = "device"
    GUEST = "guest"
    OBSERVER = "observer"
    SERVICE = "service"


class Scope(StrEnum):
    """What a guest may do beside looking."""

    CONTROL = "control"
    QUEUE = "queue"
    TRANSFER = "transfer"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is at the other end of a connection, as its token and client id prove.

    `device` is the device id for devices and guests, None for observers and services.
    `scope` counts for guests only.
    """

    user: str
    role: Role
    device: str | None = None
    scope: frozenset[Scope] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class Grant:
    """What an identity may do; everything else is denied.

    `publish` and `subscribe` are MQTT topic filters. A subscription is allowed only where
    one of `subscribe` contains it. `will` and `retain` say whether these may be used at all.
    """

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    will: bool
    retain: bool


_GUEST_ALWAYS = (
    UpChannel.REGISTER,
    UpChannel.WILL,
    UpChannel.DISCONNECT,
    UpChannel.PING,
    UpChannel.QUERY,
)
_GUEST_BY_SCOPE = {
    Scope.CONTROL: UpChannel.COMMAND,
    Scope.QUEUE: UpChannel.QUEUE,
    Scope.TRANSFER: UpChannel.TRANSFER,
}


def grant_for(identity: Identity) -> Grant:
    """The grant of an identity ("Roles and ACL" in docs/protocol.md).

    Raises:
        ValueError: a device or guest without a device id.
    """
    user, role, device = identity.user, identity.role, identity.device
    match role:
        case Role.SERVICE:
            tree = f"{PREFIX}/#"
            return Grant(publish=(tree,), subscribe=(tree, "$SYS/#"), will=True, retain=True)
        case Role.OBSERVER:
            return Grant(publish=(), subscribe=(f"{PREFIX}/{user}/#", COORDINATOR), will=False, retain=False)
        case _:
            if device is None:
                raise ValueError(f"a {role} needs a device id")
            if role is Role.DEVICE:
                publish: tuple[str, ...] = (f"{PREFIX}/{user}/device/{device}/up/+",)
            else:
                channels = (*_GUEST_ALWAYS, *(_GUEST_BY_SCOPE[s] for s in sorted(identity.scope)))
                publish = tuple(up_topic(user, role, device, channel) for channel in channels)
            subscribe = (down_filter(user, role, device), all_topic(user, "+"), COORDINATOR)
            return Grant(publish=publish, subscribe=subscribe, will=True, retain=False)
