"""Forwarded commands: pending from `accepted` until the renderer's report, or their expiry."""

from dataclasses import dataclass, replace
from typing import Final

from soul_coordinator.core import messages, receipts
from soul_coordinator.core.device import Device
from soul_coordinator.core.records import Pending
from soul_coordinator.core.user import Turn, User
from soul_coordinator.core.values import Address, Command, Instant, QueueChange
from soul_protocol import limits
from soul_protocol.errors import Code

PENDING_MAX: Final = 256
"""Commands of one user that may wait for their devices; the rates keep honest users far below."""

PENDING_QUEUES: Final = 32
"""Of them, those that carry a queue: each may be a megabyte, here and in the database."""

_TO_BEGIN: Final = 3
"""Commands to a device that becomes active at most: the queue that was kept, the place in it, and `play`."""


@dataclass(frozen=True, slots=True)
class Projection:
    """The queue and modes as they will be once every forwarded command is applied."""

    queue: tuple[str, ...]
    order: tuple[int, ...] | None
    queue_position: int
    queue_rev: int
    shuffle: bool
    repeat_mode: str
    stepped: bool
    """Whether a forwarded command moves to another track, of which nothing is known yet."""
    position_ms: int | None = None
    """Where in the track the latest forwarded command that says so puts the music."""


def projection(user: User) -> Projection:
    """Fold the pending commands of the active device over the canonical state."""
    playback = user.playback
    shown = Projection(
        playback.queue,
        playback.order,
        playback.queue_position,
        playback.queue_rev,
        playback.shuffle,
        playback.repeat_mode,
        stepped=False,
    )
    for pending in user.pending.values():
        if pending.target != playback.device_id:
            continue
        command, change = pending.command, pending.change
        if change is not None:
            shown = replace(
                shown,
                queue=change.queue,
                order=change.order,
                queue_position=change.queue_position,
                queue_rev=rev_after(shown.queue, shown.order, shown.queue_rev, change),
            )
        match command["type"]:
            case "next" | "previous":
                shown = replace(shown, queue_position=command["queue_position"], stepped=True, position_ms=0)
            case "set_queue" if not command.get("keep_position"):
                shown = replace(shown, stepped=True, position_ms=0)
            case "seek":
                shown = replace(shown, position_ms=command["position_ms"])
            case "stop":
                shown = replace(shown, position_ms=0)
            case "set_shuffle":
                shown = replace(shown, shuffle=command["enabled"])
            case "set_repeat":
                shown = replace(shown, repeat_mode=command["mode"])
            case _:
                pass
    # A report of a local change may have shortened the queue that a pending step counted on.
    last = max(0, len(shown.queue) - 1)
    return shown if shown.queue_position <= last else replace(shown, queue_position=last)


def rev_after(queue: tuple[str, ...], ranks: tuple[int, ...] | None, rev: int, change: QueueChange) -> int:
    """The `queue_rev` once a forwarded queue is adopted.

    Usually the one that was forwarded. The renderer may have changed its queue meanwhile: a
    `queue_rev` never comes twice for different queues.
    """
    if change.queue_rev > rev:  # before two long queues are compared, once for each that waits
        return change.queue_rev
    return rev + (change.queue != queue or change.order != ranks)


def forward(
    turn: Turn,
    requester: Address,
    request: str,
    device: Device,
    command: Command,
    *,
    change: QueueChange | None = None,
    issued_at: Instant,
    expires_at: Instant,
    own: bool = False,
) -> bool:
    """Send a command to a device, and wait for its report. Returns whether there was room for it."""
    user = turn.user
    if not _has_room(user, 1, 0 if change is None else 1):
        if not own:
            _refuse(turn, requester, request)
        return False
    user.number += 1
    pending = Pending(
        requester=requester,
        id=request,
        target=device.id,
        command=command,
        change=change,
        epoch=user.playback.epoch,
        issued_at=issued_at,
        expires_at=expires_at,
        number=user.number,
        own=own,
        accepted_at=turn.now,
    )
    user.pending[requester.device, request] = pending
    turn.save_pending(pending)
    if not own:
        receipts.accept(turn, requester, request)
    turn.execute(device.address, messages.execute(pending, device))
    return True


def room_to_begin(turn: Turn, requester: Address, request: str) -> bool:
    """Whether all that makes a device active may wait for it; if not, the request is rejected."""
    if _has_room(turn.user, _TO_BEGIN, 1):
        return True
    _refuse(turn, requester, request)
    return False


def _has_room(user: User, commands: int, queues: int) -> bool:
    if queues and sum(one.change is not None for one in user.pending.values()) + queues > PENDING_QUEUES:
        return False
    return len(user.pending) + commands <= PENDING_MAX


def _refuse(turn: Turn, requester: Address, request: str) -> None:
    receipts.reject(turn, requester, request, Code.RATE_LIMITED, "too many commands wait for their devices")


def forward_own(turn: Turn, device: Device, command: Command, *, change: QueueChange | None = None) -> None:
    """A command of the coordinator's own, whose result nobody waits for."""
    forward(
        turn,
        device.address,
        turn.new_id(),
        device,
        command,
        change=change,
        issued_at=turn.now,
        expires_at=turn.now + limits.COMMAND_LIFETIME,
        own=True,
    )


def send_again(turn: Turn, device: Device) -> None:
    """A device registered: what it did not answer yet is sent once more, in order."""
    _renumber(turn, device)
    for pending in tuple(turn.user.pending.values()):
        if pending.target == device.id:
            turn.execute(device.address, messages.execute(pending, device))


def _renumber(turn: Turn, device: Device) -> None:
    """A forwarded queue whose `queue_rev` was taken meanwhile goes out with the one that it will have."""
    user = turn.user
    if user.playback.device_id != device.id:
        return
    queue, ranks, rev = user.playback.queue, user.playback.order, user.playback.queue_rev
    for key, pending in tuple(user.pending.items()):
        change = pending.change
        if change is None or pending.target != device.id:
            continue
        rev = rev_after(queue, ranks, rev, change)
        queue, ranks = change.queue, change.order
        if rev != change.queue_rev:
            user.pending[key] = replace(pending, change=replace(change, queue_rev=rev))
            turn.save_pending(user.pending[key])


def renderer_changed(turn: Turn) -> None:
    """Commands for a device that no longer renders end; its own volume it keeps."""
    for pending in tuple(turn.user.pending.values()):
        if pending.target != turn.user.playback.device_id and pending.command["type"] != "set_volume":
            finish(turn, pending, Code.NOT_ACTIVE)


def device_deleted(turn: Turn, device: str) -> None:
    """Commands for a deleted device end. What it asked of others goes on, without its name."""
    for pending in tuple(turn.user.pending.values()):
        if pending.target == device:
            finish(turn, pending, Code.DEVICE_NOT_FOUND)
        elif pending.requester.device == device:
            receipts.settle(turn, pending)
            orphan = replace(pending, requester=turn.user.devices[pending.target].address, own=True)
            turn.user.pending[orphan.requester.device, orphan.id] = orphan
            turn.save_pending(orphan)


def time_passed(turn: Turn) -> None:
    """Commands that no report answered in time end."""
    for pending in tuple(turn.user.pending.values()):
        if pending.expires_at <= turn.now:
            turn.user.devices[pending.target].note_late(pending)
            finish(turn, pending, Code.TIMEOUT)


def finish(turn: Turn, pending: Pending, code: Code | str) -> None:
    """End a pending command as `rejected`."""
    receipts.settle(turn, pending)
    if not pending.own:
        receipts.reject(turn, pending.requester, pending.id, code)
