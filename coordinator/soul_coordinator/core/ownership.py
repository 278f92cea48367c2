"""Requests about who plays and which devices there are: transfer, claim, rename, delete, queries."""

from typing import Final

from soul_coordinator.core import (
    forwarding,
    gate,
    messages,
    names,
    order,
    position,
    receipts,
    recovery,
    reports,
    transfers,
)
from soul_coordinator.core.device import Device
from soul_coordinator.core.effects import Forgotten
from soul_coordinator.core.events import (
    DeletionRequested,
    DevicesQueried,
    PlaybackClaimed,
    RenameRequested,
    StateQueried,
    TokenEnded,
    TransferRequested,
)
from soul_coordinator.core.records import Receipt
from soul_coordinator.core.user import BURIED_FOR, Turn, User
from soul_coordinator.core.values import Instant
from soul_protocol import limits
from soul_protocol.errors import Code

_GUEST_KEPT: Final = limits.HOUR
"""How long an offline guest is kept whose end nobody knows: for the answers that it may still ask for."""


def devices_queried(turn: Turn, event: DevicesQueried) -> None:
    """The device list."""
    turn.reply(event.sender, messages.devices_update(turn.user.listed, event.id))


def state_queried(turn: Turn, event: StateQueried) -> None:
    """The canonical state."""
    receiver = turn.user.devices.get(event.sender.device)
    turn.reply(event.sender, messages.playback_state(turn.user.playback, receiver, event.id))


def transfer_requested(turn: Turn, sender: Device, event: TransferRequested) -> None:
    """Hand the music to a device."""
    user = turn.user
    if receipts.answer_again(turn, event.sender, event.id):
        return
    recovery.commanded(turn)
    target = user.devices.get(event.to_device)
    if target is None:
        receipts.reject(turn, event.sender, event.id, Code.DEVICE_NOT_FOUND)
        return
    refusal: Code | None = None
    if target is not sender and not sender.capabilities.can_control:
        refusal = Code.NOT_AUTHORIZED
    elif not target.can_render:
        refusal = Code.UNSUPPORTED
    elif not target.is_online:
        refusal = Code.DEVICE_OFFLINE
    if refusal is not None:
        receipts.reject(turn, event.sender, event.id, refusal)
        return
    if not gate.transfer_allowed(turn, event.sender, event.id):
        return
    if target is user.active:
        _keep(turn, target, event)
        return
    transfers.begin(turn, event.sender, event.id, target, play=event.play, position_ms=event.position_ms)


def _keep(turn: Turn, target: Device, event: TransferRequested) -> None:
    """To the active device: done already, but for the options. One that starts there goes on."""
    transfers.stay(turn)
    if event.position_ms is not None:
        seek = {"type": "seek", "position_ms": event.position_ms}
        forwarding.forward_own(turn, target, seek)
    playing = turn.user.playback.is_playing
    if event.play == "play" and not playing:
        forwarding.forward_own(turn, target, {"type": "play"})
    if event.play == "pause" and playing:
        forwarding.forward_own(turn, target, {"type": "pause"})
    receipts.apply(turn, event.sender, event.id)


def playback_claimed(turn: Turn, sender: Device, event: PlaybackClaimed) -> None:
    """Someone pressed play on the device itself: it is the renderer now."""
    user, report = turn.user, event.report
    if receipts.answer_again(turn, event.sender, event.id):
        return
    recovery.commanded(turn)
    if not sender.can_render:
        receipts.reject(turn, event.sender, event.id, Code.UNSUPPORTED)
        return
    if event.issued_at is not None and turn.now - event.issued_at > limits.ISSUED_AT_MAX_AGE:
        receipts.expire(turn, event.sender, event.id)
        return
    transfers.supersede(turn)
    before, old = user.playback, user.active
    applied = (*before.applied, event.id)[-limits.APPLIED_IDS :]
    if old is sender:
        reports.adopt(turn, sender, report, returning=True, own_queue=True)
        turn.change(applied=applied)
        receipts.apply(turn, event.sender, event.id)
        return
    queue, ranks, rev = before.queue, before.order if report.shuffle else None, before.queue_rev
    if report.queue is not None and report.queue != queue:
        ranks = order.carried_order(queue, ranks, report.queue) if report.shuffle else None
        queue, rev = report.queue, rev + 1
    sender.volume = report.volume
    turn.save_device(sender)
    turn.show_devices()
    user.forget_loss()
    turn.save_context()
    turn.change(
        device_id=sender.id,
        epoch=before.epoch + 1,
        track_id=report.track_id,
        position_ms=report.position_ms,
        position_at=position.reported_at(report, turn.now),
        is_playing=report.is_playing,
        queue=queue,
        order=ranks,
        queue_rev=rev,
        queue_position=min(report.queue_position, max(0, len(queue) - 1)),
        volume=report.volume,
        shuffle=report.shuffle,
        repeat_mode=report.repeat_mode,
        duration_ms=report.duration_ms,
        error=report.error,
        paused_reason=None,
        applied=applied,
    )
    if old is not None:
        turn.execute(old.address, messages.stop(user.playback.epoch, "claimed"))
    forwarding.renderer_changed(turn)
    receipts.apply(turn, event.sender, event.id)


def _meant(turn: Turn, event: RenameRequested | DeletionRequested) -> Device | None:
    """The device that a request is about; None: the request has its answer, now or from before."""
    if receipts.answer_again(turn, event.sender, event.id):
        return None
    device = turn.user.devices.get(event.device)
    if device is None or device.ephemeral:
        receipts.reject(turn, event.sender, event.id, Code.DEVICE_NOT_FOUND)
        return None
    return device


def rename_requested(turn: Turn, event: RenameRequested) -> None:
    """Another name for a device; a taken one gets the next free suffix."""
    device = _meant(turn, event)
    if device is None:
        return
    others = (one.name for one in turn.user.listed if one is not device)
    device.name = names.free_name(event.name, others)
    turn.save_device(device)
    turn.show_devices()
    receipts.apply(turn, event.sender, event.id)


def deletion_requested(turn: Turn, event: DeletionRequested) -> None:
    """Forget a device, every byte of it, and close its connection after the answer."""
    device = _meant(turn, event)
    if device is None:
        return
    forget(turn, device, "deleted")
    if event.device == event.sender.device:
        # Nothing of it is kept, its receipts included: this answer is told and not remembered.
        playback = turn.user.playback
        receipt = Receipt(
            event.sender, event.id, "applied", None, None, playback.sequence, playback.epoch, turn.now
        )
        turn.reply(event.sender, messages.result(receipt))
    else:
        receipts.apply(turn, event.sender, event.id)


def forget(turn: Turn, device: Device, why: Forgotten, *, close: bool = True) -> None:
    """Remove a device, what waits for it, and (`close`) its connection."""
    reason = "token_expired" if why == "ended" else "deleted"
    user = turn.user
    was_online, device.is_online = device.is_online, False
    transfers.device_deleted(turn, device)
    forwarding.device_deleted(turn, device.id)
    was_active = user.playback.device_id == device.id
    if was_active:
        turn.change(
            device_id=None,
            is_playing=False,
            position_ms=position.position_now(user.playback, turn.now),
            position_at=turn.now,
            epoch=user.playback.epoch + 1,
            paused_reason="device_deleted",
        )
        user.forget_loss()
        turn.save_context()
        turn.execute(device.address, messages.stop(user.playback.epoch, "not_active"))
    turn.forget_device(device, why)
    receipts.unname(turn, device)
    turn.show_devices()
    if was_online:
        turn.event(messages.device_offline(device, reason))
    if not close:
        return
    turn.close(device.id, reason)
    user.buried = {one: until for one, until in user.buried.items() if until > turn.now}
    user.buried[device.id] = turn.now + BURIED_FOR


def token_ended(turn: Turn, event: TokenEnded) -> None:
    """A token was revoked; the broker closes the connection that lives by it. A guest is gone with it.

    Whether a device's connection does, only the broker knows: its will says so.
    """
    turn.user.passes.pop(event.device, None)
    device = turn.user.devices.get(event.device)
    if device is None:
        return
    if device.node == "guest":
        forget(turn, device, "ended")
    else:
        device.token_ended_at = turn.now


def kept_until(user: User, device: Device) -> Instant:
    """When a device that stays offline is forgotten.

    A guest without a pass has its token from elsewhere, and nobody will tell when that ends.
    """
    is_known = device.node == "device" or device.id in user.passes
    return device.last_seen + (limits.DEVICE_KEPT if is_known else _GUEST_KEPT)


def time_passed(turn: Turn) -> None:
    """Forget guests whose time is over, and who was unseen for as long as it is kept."""
    user = turn.user
    for allowed in tuple(user.passes.values()):
        if allowed.ends_at <= turn.now:
            del user.passes[allowed.device]
            guest = user.devices.get(allowed.device)
            if guest is not None and guest.node == "guest":
                forget(turn, guest, "ended")
    for device in tuple(user.devices.values()):
        if not device.is_online and kept_until(user, device) <= turn.now:
            # There is nothing to close, and its tokens still count: it may come back as a new one.
            forget(turn, device, "unseen", close=False)
