"""Loss of the renderer, and its return.

The state pauses at the last *reported* position. The renderer that returns within 24 h, still
the state's device, either kept playing through the cut - then that is adopted without a jump -
or is to load the position again (`should_resume`). Music starts by itself only after a loss of
less than 2 minutes in which nobody commanded anything, by a `play` of the coordinator's own.
"""

from dataclasses import replace

from soul_coordinator.core import forwarding, messages, receipts, reports, transfers
from soul_coordinator.core.device import Device
from soul_coordinator.core.events import Registered
from soul_coordinator.core.records import Loss
from soul_coordinator.core.user import ANY_COMMAND, Turn, User
from soul_coordinator.core.values import Instant, Playback
from soul_protocol import limits


def renderer_lost(turn: Turn, device: Device, *, since: Instant, goodbye: bool) -> None:
    """Pause the state if this was the renderer. One that was told to start has its own deadline."""
    user = turn.user
    transfers.device_lost(turn, device)
    if user.playback.device_id != device.id or transfers.starting(user, device):
        return
    was_playing = user.playback.is_playing
    _freeze(turn, since, goodbye=goodbye)
    if was_playing:
        text = f"Playback paused - {device.name} went offline"
        turn.event(messages.notice("warning", "device_offline", text))


def _freeze(turn: Turn, since: Instant, *, goodbye: bool = False) -> None:
    """Paused where the last report said, not where it might be by now."""
    user = turn.user
    # Who asked for silence, and may have got it, is not to hear the music start again.
    hushed = any(one.command["type"] in {"pause", "stop"} for one in user.pending.values())
    commanded = hushed or user.issued.get(ANY_COMMAND, -1) >= since
    user.loss = Loss(since, user.playback.is_playing, goodbye, commands_since=commanded)
    turn.save_context()
    turn.change(is_playing=False, position_at=turn.now, paused_reason="device_offline")


def returned(turn: Turn, device: Device, event: Registered, *, same_connection: bool, since: Instant) -> None:
    """A device registered. Decide what its return means for the state; it was last there at `since`."""
    user, playback = turn.user, turn.user.playback
    device.resumes = None
    if playback.device_id != device.id or transfers.starting(user, device):
        return
    known = event.last_known
    fits = event.resume and device.can_render and (known is None or known.epoch == playback.epoch)
    if fits and known is not None and known.report.is_playing:
        # It kept playing through the cut.
        reports.adopt(turn, device, known.report, returning=True)
    elif fits and known is not None and playback.is_playing and same_connection:
        # It was there all the time, and paused itself while the coordinator did not hear it.
        reports.adopt(turn, device, known.report, returning=True)
    elif playback.is_playing and not (same_connection and device.can_render):
        # A new connection that says nothing of playing: the music stopped with the old one.
        _freeze(turn, since)
        device.resumes = playback.epoch if fits else None
    elif not playback.is_playing:
        # A connection that was there all the time has nothing to load again.
        loads = fits and not (same_connection and user.loss is None)
        device.resumes = playback.epoch if loads else None
    if device.resumes is None:
        _end_loss(turn)


def _end_loss(turn: Turn) -> None:
    if turn.user.loss is not None:
        turn.user.loss = None
        turn.save_context()


def play_again(turn: Turn, device: Device) -> None:
    """After `registered`: the coordinator's own `play`, where the contract lets music start by itself."""
    user = turn.user
    loss = user.loss
    if device.resumes is None or loss is None:
        return
    _end_loss(turn)
    away = turn.now - loss.at
    if (
        loss.was_playing
        and not loss.goodbye
        and not loss.commands_since
        and away < limits.RESUME_PLAYING_WITHIN
    ):
        forwarding.forward_own(turn, device, {"type": "play"})


def withdraw_play(turn: Turn, device: Device) -> None:
    """A goodbye: a `play` of the coordinator's own that was not answered is not sent again."""
    for pending in tuple(turn.user.pending.values()):
        if pending.own and pending.target == device.id and pending.command["type"] == "play":
            receipts.settle(turn, pending)


def commanded(turn: Turn) -> None:
    """Someone asked for something, however it is answered: a later return starts no music by itself."""
    user = turn.user
    user.issued[ANY_COMMAND] = turn.now
    if user.loss is not None:
        user.loss = replace(user.loss, commands_since=True)
        turn.save_context()
    turn.note_context()


def purge_at(user: User) -> Instant | None:
    """When a state that nobody can resume any more is to be purged."""
    playback = user.playback
    if playback.device_id is None and playback.track_id is None and not playback.queue:
        return None
    active = user.active
    if active is None:
        return playback.updated_at + limits.RESUME_WITHIN
    if active.is_online:
        return None
    since = user.loss.at if user.loss is not None else active.last_seen
    return since + limits.RESUME_WITHIN


def purge_state(turn: Turn) -> None:
    """Empty the state; `epoch` and `sequence` go on."""
    at = purge_at(turn.user)
    if at is None or at > turn.now:
        return
    blank = Playback()
    fields = {
        name: getattr(blank, name)
        for name in Playback.__dataclass_fields__
        if name not in {"epoch", "sequence", "updated_at", "position_at", "queue_rev"}
    }
    turn.change(**fields, position_at=turn.now, queue_rev=turn.user.playback.queue_rev + 1)
    turn.user.forget_issued()
    turn.user.loss = None
    turn.save_context()
