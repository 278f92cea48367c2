"""Transfers, in two phases, so that the music neither stops for loading nor plays twice.

    requested  -> prepare_playback to the target         (nothing saved, the source plays on)
    ready      -> commit: epoch + 1 saved, then told; start to the target, stop to the source
    started    -> applied

Before the commit a failure leaves the source untouched. After it there is no way back: a
target that does not start is the active device, paused.
"""

from dataclasses import replace

from soul_coordinator.core import forwarding, messages, position, receipts
from soul_coordinator.core.device import Device
from soul_coordinator.core.events import TransferAnswered
from soul_coordinator.core.records import Transfer
from soul_coordinator.core.user import Handover, Turn, User
from soul_coordinator.core.values import Address, Instant, Playback
from soul_protocol import limits
from soul_protocol.errors import MEANING, Code


def begin(
    turn: Turn,
    requester: Address,
    request: str,
    target: Device,
    *,
    play: str,
    position_ms: int | None = None,
    playback: Playback | None = None,
) -> None:
    """The first phase: the target loads and stays silent."""
    earlier = _end(turn)
    if earlier is not None:
        turn.save_transfer(earlier)
    handover = Handover(
        id=turn.new_id(),
        requester=requester,
        request=request,
        target=target.id,
        play=play,
        position_ms=position_ms,
        playback=playback,
        deadline=turn.now + limits.TRANSFER_STEP,
        latest=turn.now + limits.TRANSFER_STEP,
        earlier=earlier,
    )
    turn.user.handover = handover
    receipts.begin(turn, requester, request)
    _prepare(turn, handover, target)


def _planned(user: User, handover: Handover, now: Instant) -> Playback:
    """The state as the target will have it if the commit is at `now`; epoch and device as they are."""
    playback = handover.playback or user.playback
    at = position.position_now(user.playback, now) if handover.playback is None else playback.position_ms
    if handover.position_ms is not None:
        at = handover.position_ms
        if playback.duration_ms is not None:
            at = min(at, playback.duration_ms)
    playing = user.playback.is_playing if handover.play == "keep" else handover.play == "play"
    if not playback.queue and playback.track_id is None:
        playing = False
    target = user.devices[handover.target]
    rev = user.playback.queue_rev
    return replace(
        playback,
        repeat_mode=user.playback.repeat_mode,
        queue_rev=rev if handover.playback is None else max(rev + 1, playback.queue_rev),
        position_ms=at,
        position_at=now,
        is_playing=playing,
        volume=1.0 if target.volume is None else target.volume,
    )


def _prepare(turn: Turn, handover: Handover, target: Device) -> None:
    planned = _planned(turn.user, handover, turn.now)
    epoch = turn.user.playback.epoch
    turn.execute(target.address, messages.prepare(handover.id, planned, target, epoch=epoch))


def answered(turn: Turn, event: TransferAnswered) -> None:
    """The target said ready, started or failed; anything late or foreign changes nothing."""
    handover = turn.user.handover
    earlier = None if handover is None else handover.earlier
    if earlier is not None and (earlier.id, earlier.target) == (event.transfer, event.sender.device):
        _earlier_answered(turn, event)
        return
    if handover is None or handover.id != event.transfer or handover.target != event.sender.device:
        if event.answer == "ready":
            # It holds something prepared that nobody will start.
            stop = messages.stop(turn.user.playback.epoch, "aborted", event.transfer)
            turn.execute(event.sender, stop)
        return
    match event.answer:
        case "ready" if handover.committed is None:
            _commit(turn, handover)
        case "started" if handover.committed is not None:
            _complete(turn, handover)
        case "failed":
            fail(turn, handover, event.reason)
        case _:
            pass


def _earlier_answered(turn: Turn, event: TransferAnswered) -> None:
    """The active device started, or could not, while the music is asked for elsewhere already."""
    handover = turn.user.handover
    if handover is None or event.answer == "ready":
        return
    handover.earlier = None
    turn.save_transfer(None)
    if event.answer == "failed":
        turn.change(is_playing=False, position_at=turn.now, paused_reason="playback_failed")


def _commit(turn: Turn, handover: Handover) -> None:
    user = turn.user
    source = user.active
    planned = _planned(user, handover, turn.now)
    fields = {
        name: getattr(planned, name)
        for name in (
            "track_id", "position_ms", "position_at", "is_playing", "queue", "order",
            "queue_position", "queue_rev", "volume", "duration_ms", "shuffle", "repeat_mode",
        )
    }  # fmt: skip
    turn.change(
        **fields,
        device_id=handover.target,
        epoch=user.playback.epoch + 1,
        paused_reason=None,
        error=None,
    )
    user.forget_loss()
    turn.save_context()
    handover.deadline = turn.now + limits.TRANSFER_STEP
    handover.latest = turn.now + limits.TRANSFER_RESTART
    if handover.requester is not None:
        receipts.keep(turn, handover.requester, handover.request)
    handover.committed = Transfer(
        id=handover.id,
        requester=handover.requester,
        request=None if handover.requester is None else handover.request,
        source=None if source is None else source.id,
        target=handover.target,
        epoch=user.playback.epoch,
        committed_at=turn.now,
        deadline=handover.deadline,
    )
    handover.earlier = None
    turn.save_transfer(handover.committed)
    _tell(turn, handover.committed, to_target=True, to_source=True)
    forwarding.renderer_changed(turn)


def _tell(turn: Turn, transfer: Transfer, *, to_target: bool, to_source: bool) -> None:
    user = turn.user
    target, source = user.devices[transfer.target], user.devices.get(transfer.source or "")
    # The source hears first: better a moment of silence than a moment of both.
    if to_source and source is not None:
        stop = messages.stop(user.playback.epoch, "transferred", transfer.id)
        turn.execute(source.address, stop)
    if to_target:
        turn.execute(target.address, messages.start(transfer.id, user.playback, target))


def _complete(turn: Turn, handover: Handover) -> None:
    playback = turn.user.playback
    turn.user.handover = None
    turn.save_transfer(None)
    turn.change(applied=(*playback.applied, handover.request)[-limits.APPLIED_IDS :])
    if handover.requester is not None:
        receipts.apply(turn, handover.requester, handover.request)


def fail(turn: Turn, handover: Handover, reason: str | None = None) -> None:
    """End the transfer under way as `transfer_failed`; an earlier one's start is waited for still."""
    turn.user.handover = _waiting(handover.earlier)
    target = turn.user.devices[handover.target]
    if handover.committed is None:
        _abort(turn, handover)
    else:
        turn.save_transfer(None)
        turn.change(is_playing=False, position_at=turn.now, paused_reason="playback_failed")
        if target.is_online:
            # It may have started without saying so.
            forwarding.forward_own(turn, target, {"type": "pause"})
    if handover.requester is not None:
        text = reason or "the device did not answer in time"
        receipts.reject(turn, handover.requester, handover.request, Code.TRANSFER_FAILED, text)


def _abort(turn: Turn, handover: Handover) -> None:
    stop = messages.stop(turn.user.playback.epoch, "aborted", handover.id)
    turn.execute(turn.user.devices[handover.target].address, stop)


def supersede(turn: Turn) -> None:
    """A claim, or a device that becomes the active one at once, ends a pending transfer."""
    if _end(turn) is not None:
        turn.save_transfer(None)


def stay(turn: Turn) -> None:
    """The music is to be where it is: what would move it is ended, and whoever starts there goes on."""
    handover = turn.user.handover
    if handover is not None and handover.committed is None:
        turn.user.handover = _waiting(_end(turn))


def _end(turn: Turn) -> Transfer | None:
    """Supersede the transfer under way. Returns the one whose target is yet to start."""
    handover = turn.user.handover
    if handover is None:
        return None
    turn.user.handover = None
    if handover.committed is None:
        _abort(turn, handover)
    if handover.requester is not None:
        text = "another device was chosen"
        receipts.supersede(turn, handover.requester, handover.request, text)
    return handover.starting and replace(handover.starting, requester=None, request=None)


def _waiting(transfer: Transfer | None, *, until: Instant | None = None) -> Handover | None:
    """A committed transfer that waits for `playback_started`: as long as it would have, or `until` then."""
    if transfer is None:
        return None
    return Handover(
        id=transfer.id,
        requester=transfer.requester,
        request=transfer.request or transfer.id,
        target=transfer.target,
        play="keep",
        position_ms=None,
        playback=None,
        deadline=transfer.deadline if until is None else until,
        latest=transfer.committed_at + limits.TRANSFER_RESTART if until is None else until,
        committed=transfer,
    )


def device_lost(turn: Turn, device: Device) -> None:
    """A device went offline: a target that only prepared ends its transfer.

    A source does not block one, and a target that was told to start may come back in time.
    """
    handover = turn.user.handover
    if handover is not None and handover.target == device.id and handover.committed is None:
        fail(turn, handover, f"{device.name} went offline")


def device_deleted(turn: Turn, device: Device) -> None:
    """A device is being deleted: as a target it fails; nothing is kept of a requester."""
    handover = turn.user.handover
    if handover is None:
        return
    if handover.earlier is not None and handover.earlier.target == device.id:
        handover.earlier = None
        turn.save_transfer(None)
    elif handover.earlier is not None and handover.earlier.source == device.id:
        handover.earlier = replace(handover.earlier, source=None)
    if handover.target == device.id:
        fail(turn, handover, MEANING[Code.DEVICE_NOT_FOUND])
        return
    committed = handover.committed
    if handover.requester is not None and handover.requester.device == device.id:
        handover.requester = None
        committed = committed and replace(committed, requester=None, request=None)
    if committed is not None and committed.source == device.id:
        committed = replace(committed, source=None)
    handover.committed = committed


def starting(user: User, device: Device) -> bool:
    """Whether this device was told to start and has not said that it did."""
    transfer = user.handover and user.handover.starting
    return transfer is not None and transfer.target == device.id


def send_again(turn: Turn, device: Device) -> None:
    """A device registered: what it may have missed of a transfer is sent once more."""
    handover = turn.user.handover
    if handover is None:
        return
    if handover.committed is None and handover.target == device.id:
        # It dropped what it had prepared when it registered.
        _prepare(turn, handover, device)
    transfer = handover.starting
    if transfer is None:
        return
    if transfer.target == device.id:
        if handover.committed is not None:
            handover.deadline = min(turn.now + limits.TRANSFER_STEP, handover.latest)
        # What it did not hear it did not play: the music starts where the commit left it.
        _hold_position(turn)
        _tell(turn, transfer, to_target=True, to_source=False)
    elif transfer.source == device.id:
        _tell(turn, transfer, to_target=False, to_source=True)


def _hold_position(turn: Turn) -> None:
    turn.move(turn.user.playback.position_ms, turn.now)
    turn.save_position()


def restored(turn: Turn, transfer: Transfer) -> None:
    """The coordinator started with a committed transfer: send it again, for 15 s at most."""
    turn.user.handover = _waiting(transfer, until=turn.now + limits.TRANSFER_RESTART)
    _hold_position(turn)
    _tell(turn, transfer, to_target=True, to_source=True)


def time_passed(turn: Turn) -> None:
    """End a transfer whose target did not speak in time."""
    while (handover := turn.user.handover) is not None and handover.deadline <= turn.now:
        fail(turn, handover)
