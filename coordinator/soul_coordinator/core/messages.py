"""Wire messages, built from the core's values (`soul_protocol.down` is their description)."""

import json
from collections.abc import Iterable
from typing import Any, Final

from soul_coordinator.core import order
from soul_coordinator.core.device import Device
from soul_coordinator.core.records import Pending, Receipt
from soul_coordinator.core.values import Instant, Message, Playback
from soul_protocol import limits
from soul_protocol.errors import MEANING, Code

_ENVELOPE: Final = 2_048
"""Bytes of a windowed message that are not its queue, at least."""

_AROUND: Final = 512
"""Bytes around a state, and the devices beside it, at most."""

LIMITS: Final[Message] = {
    "packet_bytes": limits.PACKET_BYTES,
    "queue_tracks": limits.QUEUE_TRACKS,
    "queue_bytes": limits.QUEUE_JSON_BYTES,
    "requests_per_minute": limits.REQUESTS_PER_MINUTE,
    "other_per_minute": limits.OTHER_PER_MINUTE,
    "states_per_second": limits.STATES_PER_SECOND,
    "devices": limits.DEVICES_PER_USER,
}


def _present(**fields: Any) -> Message:
    return {name: value for name, value in fields.items() if value is not None}


def device(one: Device) -> Message:
    """A `Device`."""
    able = one.capabilities
    return _present(
        id=one.id,
        name=one.name,
        device_type=one.device_type,
        capabilities=_present(
            can_render=one.can_render,
            can_control=able.can_control,
            can_host_jam=able.can_host_jam,
            supported_formats=list(able.supported_formats),
            max_sample_rate=able.max_sample_rate,
            max_payload_bytes=able.max_payload_bytes,
        ),
        volume=one.volume,
        is_online=one.is_online,
        is_guest=one.node == "guest",
        last_seen=one.last_seen,
        created_at=one.created_at,
    )


def _size(part: object) -> int:
    """How many bytes it takes as JSON."""
    return len(json.dumps(part, ensure_ascii=False, separators=(",", ":")).encode())


def windowed(
    queue: tuple[str, ...], position: int, receiver: Device | None, rest: int = 0
) -> tuple[list[str], Message]:
    """The queue as `receiver` can take it beside `rest` bytes, and the fields that say which part."""
    cap = receiver.capabilities.max_payload_bytes if receiver is not None else None
    if cap is None:
        return list(queue), {}
    offset, part = order.window(queue, position, max(0, cap - max(_ENVELOPE, rest)))
    return list(part), {"queue_offset": offset, "queue_length": len(queue)}


def state(playback: Playback, receiver: Device | None = None, beside: int = 0) -> Message:
    """A `PlaybackState`; for a receiver with a payload limit, with a window of the queue."""
    error = playback.error
    told: Message = {
        "device_id": playback.device_id,
        "track_id": playback.track_id,
        "position_ms": playback.position_ms,
        "position_at": playback.position_at,
        "is_playing": playback.is_playing,
        "queue": [],
        "queue_position": playback.queue_position,
        "volume": playback.volume,
        "shuffle": playback.shuffle,
        "repeat_mode": playback.repeat_mode,
        "duration_ms": playback.duration_ms,
        "updated_at": playback.updated_at,
        "epoch": playback.epoch,
        "sequence": playback.sequence,
        "queue_rev": playback.queue_rev,
        "paused_reason": playback.paused_reason,
        "error": None if error is None else {"code": error.code, "track_id": error.track_id},
        "applied": list(playback.applied),
    }
    if receiver is not None and receiver.capabilities.max_payload_bytes is not None:
        beside += _size(told) + _AROUND  # ids of tracks are long where they are addresses
    told["queue"], part = windowed(playback.queue, playback.queue_position, receiver, beside)
    return told | part


def playback_state(playback: Playback, receiver: Device | None = None, request: str | None = None) -> Message:
    """`playback_state`."""
    return _present(type="playback_state", state=state(playback, receiver), id=request)


def position(playback: Playback) -> Message:
    """`position`: the tick."""
    return {
        "type": "position",
        "epoch": playback.epoch,
        "sequence": playback.sequence,
        "device_id": playback.device_id,
        "position_ms": playback.position_ms,
        "position_at": playback.position_at,
        "is_playing": playback.is_playing,
    }


def devices_update(devices: Iterable[Device], request: str | None = None) -> Message:
    """`devices_update`."""
    return _present(type="devices_update", devices=[device(one) for one in devices], id=request)


def registered(
    receiver: Device, devices: Iterable[Device], playback: Playback, *, now: Instant, coordinator: str
) -> Message:
    """`registered`: the full snapshot."""
    listed, own = [device(one) for one in devices], device(receiver)
    beside = _size([*listed, own]) if receiver.capabilities.max_payload_bytes else 0
    return {
        "type": "registered",
        "conn": receiver.conn,
        "device_id": receiver.id,
        "device": own,
        "devices": listed,
        "current_state": state(playback, receiver, beside),
        # A `register` that comes again may find another epoch, with another renderer.
        "should_resume": receiver.resumes == playback.epoch,
        "server_time": now,
        "coordinator": coordinator,
        "limits": LIMITS,
    }


def pong(t0: int, now: Instant) -> Message:
    """`pong`. The adapter replaces `t2` by the moment of sending."""
    return {"type": "pong", "t0": t0, "t1": now, "t2": now}


def device_online(one: Device) -> Message:
    """`device_online`."""
    return {"type": "device_online", "device": device(one)}


def device_offline(one: Device, reason: str) -> Message:
    """`device_offline`."""
    return {"type": "device_offline", "device_id": one.id, "reason": reason}


def notice(level: str, code: str, text: str) -> Message:
    """`notice`."""
    return {"type": "notice", "level": level, "code": code, "message": text}


def result(receipt: Receipt) -> Message:
    """`command_result`."""
    return _present(
        type="command_result",
        id=receipt.id,
        status=receipt.status,
        code=receipt.code,
        message=receipt.message,
        sequence=receipt.sequence,
        epoch=receipt.epoch,
    )


def error(
    code: Code, text: str | None = None, *, request: str | None = None, retry_after_ms: int | None = None
) -> Message:
    """`error`."""
    return _present(
        type="error",
        code=str(code),
        message=text if text is not None else MEANING[code],
        id=request,
        retry_after_ms=retry_after_ms,
    )


def execute(pending: Pending, receiver: Device | None) -> Message:
    """`execute_command`; a queue in it is a window for a receiver with a payload limit."""
    command = dict(pending.command)
    change = pending.change
    if change is not None:
        queue, part = windowed(change.queue, change.queue_position, receiver)
        command |= {"queue_rev": change.queue_rev, **part}
        if command["type"] == "set_queue":
            command |= {"tracks": queue, "start_index": change.queue_position}
        else:
            command |= {"queue": queue, "queue_position": change.queue_position}
    return {
        "type": "execute_command",
        "id": pending.id,
        "command": command,
        "from_device": "coordinator" if pending.own else pending.requester.device,
        "epoch": pending.epoch,
        "expires_at": pending.expires_at,
    }


def window(request: str, command: Message, *, epoch: int, expires_at: Instant) -> Message:
    """`execute_command` with `set_window`."""
    return {
        "type": "execute_command",
        "id": request,
        "command": command,
        "from_device": "coordinator",
        "epoch": epoch,
        "expires_at": expires_at,
    }


def prepare(transfer: str, playback: Playback, receiver: Device | None, *, epoch: int) -> Message:
    """`prepare_playback`."""
    return {
        "type": "prepare_playback",
        "transfer_id": transfer,
        "epoch": epoch,
        "state": state(playback, receiver),
    }


def start(transfer: str, playback: Playback, receiver: Device | None) -> Message:
    """`start_playback`."""
    return {
        "type": "start_playback",
        "transfer_id": transfer,
        "epoch": playback.epoch,
        "state": state(playback, receiver),
    }


def stop(epoch: int, reason: str, transfer: str | None = None) -> Message:
    """`stop_playback`."""
    return _present(type="stop_playback", epoch=epoch, transfer_id=transfer, reason=reason)
