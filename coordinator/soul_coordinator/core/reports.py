"""Reports: the renderer is authoritative for what is playing.

Adopted is a report of the current `conn`, the current `epoch` and a new `seq`. A report that
only continues the music is no change: it moves the position and keeps `sequence`. Reports
over the rate are held and merged: the latest wins, and no `applied` is lost.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from soul_coordinator.core import forwarding, messages, order, position, receipts
from soul_coordinator.core.device import Device
from soul_coordinator.core.events import StateReported
from soul_coordinator.core.records import Pending
from soul_coordinator.core.user import Turn
from soul_coordinator.core.values import Playback, Report
from soul_protocol import limits


def state_reported(turn: Turn, device: Device, event: StateReported) -> None:
    """A report of a registered device's current connection."""
    if event.seq <= device.seq:
        return
    device.seq = event.seq
    rates = turn.user.rates.of(device.id, turn.now)
    if device.held is not None:
        device.held = _merged(turn, device.held, event)
        return
    wait = rates.states.take(turn.now)
    if wait:
        device.held, device.held_until = event, turn.now + wait
        return
    _process(turn, device, event)


def _merged(turn: Turn, held: StateReported, event: StateReported) -> StateReported:
    """The latest report, with every id of the earlier one that somebody still waits for."""
    waiting = {pending.id for pending in turn.user.pending.values()}
    applied = (*(one for one in held.applied if one in waiting), *event.applied)
    refused = (*(one for one in held.refused if one[0] in waiting), *event.refused)
    report = event.report
    if report is None and held.report is not None and event.volume is not None:
        # An idle report after a playing one: both facts count.
        report = replace(held.report, volume=event.volume)
        event = replace(event, epoch=held.epoch)
    elif report is not None and held.report is not None and held.epoch == event.epoch:
        report = report if report.queue is not None else replace(report, queue=held.report.queue)
    return replace(
        event,
        report=report,
        applied=tuple(dict.fromkeys(applied)),
        refused=tuple(dict.fromkeys(refused)),
    )


def time_passed(turn: Turn) -> None:
    """Process the held reports whose time has come."""
    for device in tuple(turn.user.devices.values()):
        if device.held is not None and device.held_until <= turn.now:
            turn.user.rates.of(device.id, turn.now).states.take(turn.now)
            flush(turn, device)


def flush(turn: Turn, device: Device) -> None:
    """Process a held report now: its connection is changing, and nothing applied may be lost."""
    held, device.held = device.held, None
    if held is not None:
        _process(turn, device, held)


def _process(turn: Turn, device: Device, event: StateReported) -> None:
    user = turn.user
    answered = [one for one in user.pending.values() if one.target == device.id]
    applied = [one for one in answered if one.id in event.applied]
    refused = {request: code for request, code in event.refused if request not in event.applied}
    report = event.report
    current = user.playback.device_id == device.id
    if report is not None and not (current and event.epoch == user.playback.epoch):
        # Of another epoch or device: nothing changes but what belongs to the device itself.
        applied = [one for one in applied if one.command["type"] == "set_volume"]
        for pending in applied:
            _set_volume(turn, device, pending.command["volume"])
        _tell_inactive(turn, device)
    elif report is not None:
        adopt(turn, device, report, applied=applied)
    elif event.volume is not None:
        _set_volume(turn, device, event.volume)
        if current and (event.volume != user.playback.volume or applied):
            ids = _latest(user.playback, (one.id for one in applied if not one.own))
            turn.change(volume=event.volume, applied=ids)
    for pending in applied:
        receipts.settle(turn, pending)
        if not pending.own:
            receipts.apply(turn, pending.requester, pending.id)
    for pending in answered:
        if pending.id in refused and (pending.requester.device, pending.id) in user.pending:
            forwarding.finish(turn, pending, refused[pending.id])


def adopt(
    turn: Turn,
    device: Device,
    report: Report,
    *,
    applied: Iterable[Pending] = (),
    returning: bool = False,
) -> None:
    """Take a renderer's report as the canonical state."""
    applied = tuple(applied)
    before = turn.user.playback
    fields = _queue_fields(before, device, report, applied)
    queue: tuple[str, ...] = fields["queue"]
    at = position.reported_at(report, turn.now)
    duration = report.duration_ms
    if duration is None and report.track_id == before.track_id:
        duration = before.duration_ms
    fields |= {
        "track_id": report.track_id,
        "is_playing": report.is_playing,
        "queue_position": min(report.queue_position, max(0, len(queue) - 1)),
        "volume": report.volume,
        "shuffle": report.shuffle,
        "repeat_mode": report.repeat_mode,
        "duration_ms": duration,
        "error": report.error,
    }
    changed = (
        returning
        or bool(applied)
        or any(getattr(before, name) != value for name, value in fields.items())
        or position.jumps(before, report, at)
    )
    _set_volume(turn, device, report.volume)
    if not changed:
        _continue(turn, report)
        return
    if report.is_playing or applied:
        fields["paused_reason"] = None
    if report.error is not None and report.error != before.error:
        text = f"{device.name} could not play {report.error.track_id}"
        turn.event(messages.notice("error", report.error.code, text))
    ids = _latest(before, (one.id for one in applied if not one.own))
    turn.change(**fields, position_ms=report.position_ms, position_at=at, applied=ids)


def _queue_fields(
    before: Playback, device: Device, report: Report, applied: Iterable[Pending]
) -> dict[str, Any]:
    """The queue after the applied commands, or after the renderer's own change."""
    queue, ranks, rev = before.queue, before.order, before.queue_rev
    commanded = False
    for pending in applied:
        change = pending.change
        if change is not None and change.queue_rev > rev:
            queue, ranks, rev = change.queue, change.order, change.queue_rev
            commanded = True
    own = report.queue
    if own is not None and own != queue and not commanded and not device.capabilities.max_payload_bytes:
        ranks = order.carried_order(queue, ranks, own) if report.shuffle else None
        queue, rev = own, rev + 1
    return {"queue": queue, "order": ranks, "queue_rev": rev}


def _continue(turn: Turn, report: Report) -> None:
    """The same music, a little later."""
    playback = turn.user.playback
    if report.position_at is not None and report.position_at < turn.now - limits.POSITION_AT_MAX_AGE:
        return
    at = position.reported_at(report, turn.now)
    if not playback.is_playing or at < playback.position_at:
        return
    turn.move(report.position_ms, at)
    turn.tick()


def _latest(playback: Playback, ids: Iterable[str]) -> tuple[str, ...]:
    return (*playback.applied, *ids)[-limits.APPLIED_IDS :]


def _set_volume(turn: Turn, device: Device, volume: float) -> None:
    if device.volume != volume:
        device.volume = volume
        turn.save_device(device)
        if not device.ephemeral:
            turn.show_devices()


def _tell_inactive(turn: Turn, device: Device) -> None:
    rates = turn.user.rates.of(device.id, turn.now)
    if turn.now - rates.told_inactive_at >= limits.COMPLAIN_EVERY:
        rates.told_inactive_at = turn.now
        turn.execute(device.address, messages.stop(turn.user.playback.epoch, "not_active"))
