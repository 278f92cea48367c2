"""Reports: the renderer is authoritative for what is playing.

Adopted is a report of the current `conn`, the current `epoch` and a new `seq`. A report that
only continues the music is no change: it moves the position and keeps `sequence`. Reports
over the rate are held and merged: the latest wins, and no `applied` is lost.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, cast

from soul_coordinator.core import forwarding, messages, order, position, receipts
from soul_coordinator.core.device import Device
from soul_coordinator.core.events import StateReported
from soul_coordinator.core.records import Pending
from soul_coordinator.core.user import Turn
from soul_coordinator.core.values import Instant, Playback, Report, TrackError
from soul_protocol import limits


def state_reported(turn: Turn, device: Device, event: StateReported) -> None:
    """A report of a registered device's current connection."""
    if event.seq <= device.seq:
        _overtaken(turn, device, event)
        return
    device.seq = event.seq
    if _answers(turn, device, event):
        # Never held: somebody waits for it. There are no more of these than forwarded commands.
        flush(turn, device)
        _process(turn, device, event)
        return
    if device.held is not None:
        device.held = _merged(device.held, event)
        return
    wait = turn.user.rates_of(device.id, turn.now).states.take(turn.now)
    if wait:
        device.held, device.held_until = event, turn.now + wait
        return
    _process(turn, device, event)


def _overtaken(turn: Turn, device: Device, event: StateReported) -> None:
    """A newer report came first. This one is old, but for a queue and the commands that it answers."""
    if not _answers(turn, device, event) and not _brings_queue(turn, device, event):
        return
    flush(turn, device)
    own = event.report.queue if event.report is not None and _brings_queue(turn, device, event) else None
    if event.seq < device.queue_seq:
        # A newer report said which queue it has; the commands are answered still.
        for request in event.applied:
            device.late.pop(request, None)
        for key, one in tuple(turn.user.pending.items()):
            if one.target == device.id and one.id in event.applied:
                turn.user.pending[key] = replace(one, change=None)
    applied = _named(turn, device, event.applied)
    report = _as_known(turn, device, applied, own) if event.report and (applied or own is not None) else None
    known = turn.user.playback.volume if device is turn.user.active else device.volume
    _process(turn, device, replace(event, report=report, volume=known))


def _brings_queue(turn: Turn, device: Device, event: StateReported) -> bool:
    """Whether the renderer has this report's queue still: newer reports without one left it as it was."""
    report, playback = event.report, turn.user.playback
    return (
        report is not None
        and report.queue is not None
        and event.seq > device.queue_seq
        and (device.id, event.epoch) == (playback.device_id, playback.epoch)
    )


def _as_known(turn: Turn, device: Device, applied: Iterable[Pending], own: tuple[str, ...] | None) -> Report:
    """What the newer report said, once the queues of this one and of its commands are adopted."""
    playback, track = turn.user.playback, turn.user.playback.track_id
    queue, place = playback.queue, playback.queue_position
    for pending in applied:
        if pending.change is not None:
            queue = pending.change.queue
    queue = queue if own is None else own
    if track in queue and track != queue[min(place, len(queue) - 1)]:
        place = queue.index(track)
    return Report(
        track_id=track,
        position_ms=position.position_now(playback, turn.now),
        position_at=turn.now,
        is_playing=playback.is_playing,
        queue=own,
        queue_position=place,
        volume=playback.volume if device.volume is None else device.volume,
        shuffle=playback.shuffle,
        repeat_mode=playback.repeat_mode,
        duration_ms=playback.duration_ms,
        error=playback.error,
    )


def _answers(turn: Turn, device: Device, event: StateReported) -> bool:
    """Whether a report says what became of a forwarded command."""
    named = (*event.applied, *(request for request, _ in event.refused))
    return device.window_id in named or bool(_named(turn, device, named))


def _named(turn: Turn, device: Device, ids: Iterable[str]) -> list[Pending]:
    """The commands with these ids that were forwarded to this device and have no end yet, or a late one."""
    waiting = [one for one in turn.user.pending.values() if one.target == device.id]
    late = [one for one in device.late.values() if one.epoch == turn.user.playback.epoch]
    # Ids belong to the device that sent them: two commands may have the same.
    return [one for request in dict.fromkeys(ids) for one in (*waiting, *late) if one.id == request]


def _merged(held: StateReported, event: StateReported) -> StateReported:
    """The latest of two reports that nobody waits for, with what only the earlier one says."""
    earlier, report = held.report, event.report
    if earlier is None or (held.epoch != event.epoch and report is not None):
        return event
    if report is None and event.volume is not None:
        # An idle report after a playing one: both facts count.
        return replace(event, epoch=held.epoch, report=replace(earlier, volume=event.volume))
    if report is not None and report.queue is None:
        return replace(event, report=replace(report, queue=earlier.queue))
    return event


def time_passed(turn: Turn) -> None:
    """Process the held reports whose time has come."""
    for device in tuple(turn.user.devices.values()):
        if device.held is not None and device.held_until <= turn.now:
            turn.user.rates_of(device.id, turn.now).states.take(turn.now)
            flush(turn, device)


def flush(turn: Turn, device: Device) -> None:
    """Process a held report now: something is coming that must not overtake it."""
    held, device.held = device.held, None
    if held is not None:
        _process(turn, device, held)


def _process(turn: Turn, device: Device, event: StateReported) -> None:
    user = turn.user
    applied = _named(turn, device, event.applied)
    refusals = {request: code for request, code in event.refused if request not in event.applied}
    refused = _named(turn, device, refusals)
    for request in (*event.applied, *refusals):
        device.window_answered(request)
        device.late.pop(request, None)
    report = event.report
    if (report is not None and report.queue is not None) or any(one.change for one in applied):
        device.queue_seq = max(event.seq, device.queue_seq)
    current = user.playback.device_id == device.id
    if report is not None and not (current and event.epoch == user.playback.epoch):
        # Of another epoch or device: nothing changes but what belongs to the device itself.
        applied = [one for one in applied if one.command["type"] == "set_volume"]
        for pending in applied:
            _set_volume(turn, device, pending.command["volume"])
        _tell_inactive(turn, device, event, current=current)
    elif report is not None:
        adopt(turn, device, report, applied=applied)
    else:
        # What is no report has a volume: the contract says so, and the codec sees to it.
        volume = cast("float", event.volume)
        _set_volume(turn, device, volume)
        if current and (volume != user.playback.volume or applied):
            _adopt_idle(turn, volume, applied)
    for pending in applied:
        receipts.settle(turn, pending)
        if not pending.own:
            receipts.apply(turn, pending.requester, pending.id)
    for pending in refused:
        forwarding.finish(turn, pending, refusals[pending.id])


def _adopt_idle(turn: Turn, volume: float, applied: list[Pending]) -> None:
    """An active device with nothing loaded reports its volume only: what it applied counts all the same."""
    before = turn.user.playback
    fields = _queue_fields(before, None, applied)
    queue, place = fields["queue"], before.queue_position
    here: int | None = None
    for pending in applied:
        command = pending.command
        if pending.change is not None:
            place = pending.change.queue_position
        match command["type"]:
            case "set_queue" if not command.get("keep_position"):
                here = 0
            case "next" | "previous":
                place, here = command["queue_position"], 0
            case "seek":
                here = command["position_ms"]
            case "pause":
                fields["is_playing"], here = False, position.position_now(before, turn.now)
            case "stop":
                fields["is_playing"], here = False, 0
            case "set_shuffle":
                fields["shuffle"] = command["enabled"]
            case "set_repeat":
                fields["repeat_mode"] = command["mode"]
            case _:
                pass
    place = min(place, max(0, len(queue) - 1))
    if place != before.queue_position or queue != before.queue:
        fields |= {"queue_position": place, "track_id": queue[place] if queue else None}
    if here is not None:
        fields |= {"position_ms": here, "position_at": turn.now}
    if applied:
        fields["paused_reason"] = None
    turn.change(volume=volume, applied=_latest(before, applied), **fields)


def adopt(
    turn: Turn,
    device: Device,
    report: Report,
    *,
    applied: Iterable[Pending] = (),
    returning: bool = False,
    own_queue: bool = False,
) -> None:
    """Take a renderer's report as the canonical state.

    `returning`: it is a change even where it only continues the music. `own_queue`: its queue
    counts even if the device usually has a window only (a claim).
    """
    applied = tuple(applied)
    before = turn.user.playback
    windowed = device.capabilities.max_payload_bytes is not None and not own_queue
    fields = _queue_fields(before, None if windowed else report.queue, applied)
    if not report.shuffle:
        fields["order"] = None
    queue: tuple[str, ...] = fields["queue"]
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
        or position.jumps(before, report, turn.now)
    )
    _set_volume(turn, device, report.volume)
    if not changed:
        _continue(turn, report)
        return
    if report.is_playing or applied:
        fields["paused_reason"] = None
    if report.error is not None and report.error != before.error:
        turn.event(_trouble(device.name, report.error))
    if not _is_overtaken(before, report, applied, turn.now):
        fields |= {"position_ms": report.position_ms, "position_at": position.reported_at(report, turn.now)}
    turn.change(**fields, applied=_latest(before, applied))


def _is_overtaken(before: Playback, report: Report, applied: tuple[Pending, ...], now: Instant) -> bool:
    """Whether the music goes on, and what the report says of its position is too old to count."""
    goes_on = before.is_playing and report.is_playing and report.track_id == before.track_id
    return goes_on and not applied and position.is_stale(report, now)


def _trouble(name: str, error: TrackError) -> dict[str, Any]:
    if error.code == "engine_restarted":
        return messages.notice("warning", error.code, f"{name} had to start its player again")
    return messages.notice("error", error.code, f"{name} could not play {error.track_id}")


def _queue_fields(
    before: Playback, own: tuple[str, ...] | None, applied: Iterable[Pending]
) -> dict[str, Any]:
    """The queue after the applied commands, and after the renderer's own change (`own`)."""
    queue, ranks, rev = before.queue, before.order, before.queue_rev
    for pending in applied:
        change = pending.change
        if change is not None:
            rev = forwarding.rev_after(queue, ranks, rev, change)
            queue, ranks = change.queue, change.order
    if own is not None and own != queue:
        queue, ranks, rev = own, order.carried_order(queue, ranks, own), rev + 1
    return {"queue": queue, "order": ranks, "queue_rev": rev}


def _continue(turn: Turn, report: Report) -> None:
    """The same music, a little later."""
    playback = turn.user.playback
    at = position.reported_at(report, turn.now)
    if not playback.is_playing or at < playback.position_at or position.is_stale(report, turn.now):
        return
    turn.move(report.position_ms, at)
    turn.tick()


def _latest(playback: Playback, applied: Iterable[Pending]) -> tuple[str, ...]:
    ids = (one.id for one in applied if not one.own)
    return (*playback.applied, *ids)[-limits.APPLIED_IDS :]


def _set_volume(turn: Turn, device: Device, volume: float) -> None:
    if device.volume != volume:
        device.volume = volume
        turn.save_device(device)
        if not device.ephemeral:
            turn.show_devices()


def _tell_inactive(turn: Turn, device: Device, event: StateReported, *, current: bool) -> None:
    rates = turn.user.rates_of(device.id, turn.now)
    if turn.now - rates.told_inactive_at < limits.COMPLAIN_EVERY:
        return
    rates.told_inactive_at = turn.now
    epoch, reported = turn.user.playback.epoch, event.epoch
    if reported is not None:
        # The renderer's reports from before it heard of its new epoch are on the way when that
        # begins: it is to stop what it plays in the epoch that it named, not what it plays now.
        epoch = reported if current else max(epoch, reported)
    turn.execute(device.address, messages.stop(epoch, "not_active"))
