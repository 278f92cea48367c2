"""From the core to the wire: an effect as one PUBLISH."""

from typing import assert_never

from pydantic_core import to_json

from soul_coordinator.core.effects import CloseConnection, Execute, Publish, Reply, Tell
from soul_coordinator.core.immutable import immutable
from soul_coordinator.core.values import Message
from soul_protocol.topics import (
    BROKER_CLOSE,
    COORDINATOR,
    RETAINED,
    DownChannel,
    all_topic,
    down_topic,
)


@immutable
class Outgoing:
    """A PUBLISH: its topic, payload, QoS and retain flag."""

    topic: str
    payload: bytes
    qos: int
    retain: bool = False


def outgoing(tell: Tell, *, now: int) -> Outgoing:
    """The PUBLISH for an effect; `now` (ms) is when it is sent."""
    match tell:
        case Reply():
            to, message = tell.to, tell.message
            topic = down_topic(to.user, to.node, to.device, DownChannel.REPLY)
            if message["type"] == "pong":
                return Outgoing(topic, to_json(message | {"t2": now}), qos=0)
            return Outgoing(topic, to_json(message), qos=1)
        case Execute():
            to = tell.to
            topic = down_topic(to.user, to.node, to.device, DownChannel.EXECUTE)
            return Outgoing(topic, to_json(tell.message), qos=1)
        case Publish():
            channel = tell.channel
            payload = b"" if tell.message is None else to_json(tell.message)
            qos = 0 if channel == "position" else 1
            return Outgoing(all_topic(tell.user, channel), payload, qos, channel in RETAINED)
        case CloseConnection():
            return close(tell.user, device=tell.device, reason=tell.reason, at=tell.at)
        case _:
            assert_never(tell)


def close(
    user: str,
    *,
    device: str | None = None,
    jti: str | None = None,
    exp: int | None = None,
    at: int | None = None,
    reason: str,
) -> Outgoing:
    """`close`, for the broker; `exp` in seconds, `at` in ms."""
    fields: Message = {"type": "close", "user": user, "device": device, "jti": jti, "exp": exp, "at": at}
    present = {name: value for name, value in fields.items() if value is not None}
    return Outgoing(BROKER_CLOSE, to_json(present | {"reason": reason}), qos=1)


def refuse(user: str, device_hash: str, at: int) -> Outgoing:
    """`refuse`, for the broker; `at` in ms."""
    fields: Message = {"type": "refuse", "user": user, "device_hash": device_hash, "at": at}
    return Outgoing(BROKER_CLOSE, to_json(fields), qos=1)


def status(coordinator: str, *, online: bool, started_at: int) -> Outgoing:
    """`coordinator_status`, retained; with `online` false it is the coordinator's own will."""
    message = {
        "type": "coordinator_status",
        "coordinator": coordinator,
        "online": online,
        "started_at": started_at,
    }
    return Outgoing(COORDINATOR, to_json(message), qos=1, retain=True)
