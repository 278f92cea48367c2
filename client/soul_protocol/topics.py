"""Topics: build and parse ("Topics" in docs/protocol.md).

PUBLISH carries no sender in MQTT 3.1.1, so the topic is the authenticated identity.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

PREFIX: Final = "soul/v1"
COORDINATOR: Final = f"{PREFIX}/coordinator"
BROKER_CLOSE: Final = f"{PREFIX}/broker/close"
RESERVED_USERS: Final = frozenset({"broker", "coordinator"})

_USER = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DEVICE = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class UpChannel(StrEnum):
    """The last level of a topic that a device writes."""

    REGISTER = "register"
    WILL = "will"
    DISCONNECT = "disconnect"
    PING = "ping"
    QUERY = "query"
    COMMAND = "command"
    QUEUE = "queue"
    TRANSFER = "transfer"
    MANAGE = "manage"
    STATE = "state"
    OUTCOME = "outcome"


_UP: Final = {str(channel): channel for channel in UpChannel}

DEVICE_ONLY: Final = frozenset({UpChannel.MANAGE, UpChannel.STATE, UpChannel.OUTCOME})
"""Channels that guests do not have."""


class DownChannel(StrEnum):
    """The last level of a topic that the coordinator writes to one device."""

    EXECUTE = "execute"
    REPLY = "reply"


class AllChannel(StrEnum):
    """The last level of a topic that the coordinator writes to everyone of a user."""

    STATE = "state"
    POSITION = "position"
    DEVICES = "devices"
    EVENT = "event"


RETAINED: Final = frozenset({AllChannel.STATE, AllChannel.DEVICES})


@dataclass(frozen=True, slots=True)
class UpTopic:
    """A parsed `soul/v1/U/N/D/up/CHANNEL`: who speaks, and on which channel."""

    user: str
    node: Literal["device", "guest"]
    device: str
    channel: UpChannel


def is_user(text: str) -> bool:
    """Whether `text` may name a user of music (the reserved names may not)."""
    return _USER.fullmatch(text) is not None and text not in RESERVED_USERS


def is_device(text: str) -> bool:
    """Whether `text` is a device id: a UUID in lower case."""
    return _DEVICE.fullmatch(text) is not None


def up_topic(user: str, node: str, device: str, channel: UpChannel) -> str:
    """`soul/v1/U/N/D/up/CHANNEL`."""
    return f"{PREFIX}/{user}/{node}/{device}/up/{channel}"


def down_topic(user: str, node: str, device: str, channel: DownChannel) -> str:
    """`soul/v1/U/N/D/down/CHANNEL`."""
    return f"{PREFIX}/{user}/{node}/{device}/down/{channel.value}"


def down_filter(user: str, node: str, device: str) -> str:
    """`soul/v1/U/N/D/down/+`: all that is said to one device."""
    return f"{PREFIX}/{user}/{node}/{device}/down/+"


def all_topic(user: str, channel: AllChannel | Literal["state", "position", "devices", "event", "+"]) -> str:
    """`soul/v1/U/all/CHANNEL`; with `+`, the filter for all of them."""
    return f"{PREFIX}/{user}/all/{channel}"


def parse_up(topic: str) -> UpTopic | None:
    """The parts of a topic under `up`; None where it is not a topic of the contract."""
    match topic.split("/"):
        case ["soul", "v1", user, ("device" | "guest") as node, device, "up", channel]:
            up = _UP.get(channel)
            if up is None or not is_user(user) or not is_device(device):
                return None
            if node == "guest" and up in DEVICE_ONLY:
                return None
            return UpTopic(user, node, device, up)
        case _:
            return None
