"""Playback commands: who is meant, who wins, and what exactly is forwarded."""

from typing import Final

from soul_coordinator.core import forwarding, gate, order, position, receipts, recovery, transfers
from soul_coordinator.core.device import Device
from soul_coordinator.core.events import CommandRequested
from soul_coordinator.core.forwarding import Projection, projection
from soul_coordinator.core.user import Turn
from soul_coordinator.core.values import CLASSES, Command, Instant, Playback, QueueChange
from soul_protocol import limits
from soul_protocol.errors import Code

_MAKES_ACTIVE: Final = frozenset({"play", "set_queue"})


def command_requested(turn: Turn, sender: Device, event: CommandRequested) -> None:
    """Answer a command, forward it, or run it as a transfer."""
    if receipts.answer_again(turn, event.sender, event.id):
        return
    recovery.commanded(turn)
    issued_at = turn.now if event.issued_at is None else min(event.issued_at, turn.now)
    expires_at = turn.now + limits.COMMAND_LIFETIME if event.expires_at is None else event.expires_at
    expires_at = min(expires_at, turn.now + limits.COMMAND_LIFETIME_MAX)
    if turn.now - issued_at > limits.ISSUED_AT_MAX_AGE or expires_at <= turn.now:
        receipts.expire(turn, event.sender, event.id)
        return
    target = _target(turn, sender, event)
    if target is None:
        return
    if not _newest(turn, target, event, issued_at):
        text = "a newer command of its kind was there first"
        receipts.supersede(turn, event.sender, event.id, text)
        return
    if not _expected(turn, target, event):
        text = "the queue has moved on"
        receipts.supersede(turn, event.sender, event.id, text)
        return
    _carry_out(turn, target, event, issued_at, expires_at)


def _target(turn: Turn, sender: Device, event: CommandRequested) -> Device | None:
    """The device that is meant; None: the request was rejected."""
    user, kind = turn.user, event.command["type"]
    device = user.active if event.target is None else user.devices.get(event.target)
    if event.target is None and user.playback.device_id is None:
        device = sender if kind in _MAKES_ACTIVE and sender.can_render else None
        if device is None:
            receipts.reject(turn, event.sender, event.id, Code.NO_ACTIVE_DEVICE)
            return None
    refusal: Code | None = None
    if device is None:
        refusal = Code.DEVICE_NOT_FOUND
    elif device is not sender and not sender.capabilities.can_control:
        refusal = Code.NOT_AUTHORIZED
    elif not device.can_render:
        refusal = Code.UNSUPPORTED
    elif not device.is_online:
        refusal = Code.DEVICE_OFFLINE
    elif device is not user.active and kind not in _MAKES_ACTIVE and kind != "set_volume":
        refusal = Code.NOT_ACTIVE
    elif device is not user.active and user.active is not None and not _may_transfer(turn, sender, kind):
        refusal = Code.NOT_AUTHORIZED
    if refusal is not None:
        receipts.reject(turn, event.sender, event.id, refusal)
        return None
    return device


def _may_transfer(turn: Turn, sender: Device, kind: str) -> bool:
    """Whether the sender may take the music from the active device: a guest needs the scope for it."""
    if sender.node != "guest" or kind not in _MAKES_ACTIVE:
        return True
    allowed = turn.user.passes.get(sender.id)
    return allowed is not None and "transfer" in allowed.scope


def _newest(turn: Turn, target: Device, event: CommandRequested, issued_at: Instant) -> bool:
    """Whether no newer command of its class came first; equal times: the later arrival wins."""
    name = CLASSES.get(event.command["type"])
    if name is None:
        return True
    return issued_at >= (target.volume_issued_at if name == "volume" else turn.user.issued.get(name, 0))


def _expected(turn: Turn, target: Device, event: CommandRequested) -> bool:
    """Whether the queue is where the sender saw it, commands already forwarded included."""
    place, rev = event.command.get("expect_position"), event.command.get("expect_rev")
    if target is not turn.user.active:
        return rev in {None, turn.user.playback.queue_rev}
    shown = projection(turn.user)
    return place in {None, shown.queue_position} and rev in {None, shown.queue_rev}


def _carry_out(
    turn: Turn, target: Device, event: CommandRequested, issued_at: Instant, expires_at: Instant
) -> None:
    user, command = turn.user, event.command
    kind = command["type"]
    if target is not user.active and kind in _MAKES_ACTIVE:
        if user.playback.device_id is not None:
            if gate.transfer_allowed(turn, event.sender, event.id):
                turn.user.remember(target, command, issued_at)
                _as_transfer(turn, target, event)
            return
        if not forwarding.room_to_begin(turn, event.sender, event.id):
            return
        _activate(turn, target, kind)
    resolved, change = _resolve(turn, command)
    if resolved is None:
        receipts.reject(turn, event.sender, event.id, Code.INVALID_COMMAND, "the queue is empty")
        return
    forwarded = forwarding.forward(
        turn,
        event.sender,
        event.id,
        target,
        resolved,
        change=change,
        issued_at=issued_at,
        expires_at=expires_at,
    )
    if forwarded:
        user.remember(target, command, issued_at)


def _activate(turn: Turn, target: Device, kind: str) -> None:
    """No device is active: this one becomes it, and is told what it did not hear."""
    transfers.supersede(turn)
    playback = turn.user.playback
    turn.change(
        device_id=target.id,
        epoch=playback.epoch + 1,
        is_playing=False,
        position_at=turn.now,
        volume=1.0 if target.volume is None else target.volume,
        paused_reason=None,
        error=None,
    )
    if kind == "play" and playback.queue:
        # A queue outlived its device: the new one must have it before it can play.
        kept = QueueChange(playback.queue, playback.order, playback.queue_position, playback.queue_rev + 1)
        forwarding.forward_own(turn, target, {"type": "set_queue"}, change=kept)
        if playback.position_ms:
            seek = {"type": "seek", "position_ms": playback.position_ms}
            forwarding.forward_own(turn, target, seek)


def _as_transfer(turn: Turn, target: Device, event: CommandRequested) -> None:
    """`play` or `set_queue` for another device than the active one: a transfer, playing."""
    playback: Playback | None = None
    if event.command["type"] == "set_queue":
        playback = _with_queue(turn, event.command)
    transfers.begin(turn, event.sender, event.id, target, play="play", playback=playback)


def _with_queue(turn: Turn, command: Command) -> Playback:
    """The state as a `set_queue` run as a transfer leaves it."""
    before = turn.user.playback
    change = _new_queue(turn, projection(turn.user), command, keep=False)
    tracks = change.queue
    return Playback(
        track_id=tracks[change.queue_position] if tracks else None,
        queue=tracks,
        order=change.order,
        queue_position=change.queue_position,
        queue_rev=change.queue_rev,
        shuffle=before.shuffle,
        repeat_mode=before.repeat_mode,
        epoch=before.epoch,
        sequence=before.sequence,
        updated_at=before.updated_at,
        applied=before.applied,
        device_id=before.device_id,
    )


def _new_queue(turn: Turn, shown: Projection, command: Command, *, keep: bool) -> QueueChange:
    tracks: tuple[str, ...] = tuple(command["tracks"])
    start: int = command["start_index"]
    ranks: tuple[int, ...] | None = None
    if shown.shuffle and keep:
        ranks = order.carried_order(shown.queue, shown.order, tracks)
    elif shown.shuffle:
        tracks, ranks = order.shuffled(tracks, None, start, turn.entropy)
        start = 0
    return QueueChange(tracks, ranks, start, shown.queue_rev + 1)


def _resolve(turn: Turn, command: Command) -> tuple[Command | None, QueueChange | None]:
    """The command as the device gets it; None: there is nothing it could do."""
    shown = projection(turn.user)
    match command["type"]:
        case "seek":
            return {"type": "seek", "position_ms": _within_track(turn, shown, command["position_ms"])}, None
        case "next":
            return _next(shown), None
        case "previous":
            return _previous(turn, shown), None
        case "set_queue":
            keep = bool(command.get("keep_position"))
            change = _new_queue(turn, shown, command, keep=keep)
            current = shown.queue[shown.queue_position] if shown.queue else None
            goes_on = keep and change.queue and change.queue[change.queue_position] == current
            return {"type": "set_queue", **({"keep_position": True} if goes_on else {})}, change
        case "set_shuffle":
            enabled: bool = command["enabled"]
            return {"type": "set_shuffle", "enabled": enabled}, _shuffle(turn, shown, enabled=enabled)
        case "set_repeat":
            return {"type": "set_repeat", "mode": command["mode"]}, None
        case "set_volume":
            return {"type": "set_volume", "volume": command["volume"]}, None
        case kind:
            return {"type": kind}, None


def _within_track(turn: Turn, shown: Projection, position_ms: int) -> int:
    duration = None if shown.stepped else turn.user.playback.duration_ms
    return position_ms if duration is None else min(position_ms, duration)


def _next(shown: Projection) -> Command | None:
    if not shown.queue:
        return None
    place = order.next_position(len(shown.queue), shown.queue_position, shown.repeat_mode)
    if place is None:
        # Past the end: paused at 0 of the last track.
        return {"type": "next", "queue_position": len(shown.queue) - 1, "is_playing": False}
    return {"type": "next", "queue_position": place}


def _previous(turn: Turn, shown: Projection) -> Command | None:
    if not shown.queue:
        return None
    place = shown.queue_position
    here = shown.position_ms
    if here is None:
        here = position.position_now(turn.user.playback, turn.now)
    if here <= limits.PREVIOUS_RESTARTS_AFTER:
        place = max(0, place - 1)
    return {"type": "previous", "queue_position": place}


def _shuffle(turn: Turn, shown: Projection, *, enabled: bool) -> QueueChange:
    """The queue permuted, or in its original order; as it is where nothing changes."""
    queue, ranks, place = shown.queue, shown.order, shown.queue_position
    if enabled and not shown.shuffle:
        queue, ranks = order.shuffled(queue, ranks, place, turn.entropy)
        place = 0
    elif not enabled and shown.shuffle:
        queue, place = order.restored(queue, ranks, place)
        ranks = None
    else:
        return QueueChange(queue, ranks, place, shown.queue_rev)
    return QueueChange(queue, ranks, place, shown.queue_rev + 1)
