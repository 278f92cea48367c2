"""Presence: who is online, and since when they are not.

A device is online while it is registered with its current `conn`. Losses are shown after a
grace; whatever happened to the will, 90 s of silence are a loss. A `conn` that was replaced,
lost or said goodbye is spent and never becomes current again; one that only fell silent
may register again.
"""

from dataclasses import replace
from typing import Final

from soul_coordinator.core import messages, recovery, reports
from soul_coordinator.core.device import Device
from soul_coordinator.core.events import ConnectionLost, Pinged, SaidGoodbye
from soul_coordinator.core.user import Turn
from soul_coordinator.core.values import Instant
from soul_protocol import limits

_LAST_SEEN_SAVED_EVERY: Final = limits.HOUR


def heard(turn: Turn, device: Device) -> None:
    """A registered device said something."""
    device.heard_at = turn.now
    device.last_seen = turn.now
    if turn.now - device.saved_at >= _LAST_SEEN_SAVED_EVERY:
        turn.save_device(device)


def pinged(turn: Turn, event: Pinged) -> None:
    """Answer at once; even to a device that is not registered."""
    device = turn.user.devices.get(event.sender.device)
    if device is not None and device.registered and device.node == event.sender.node:
        heard(turn, device)
    turn.reply(event.sender, messages.pong(event.t0, turn.now))


def connection_lost(turn: Turn, event: ConnectionLost) -> None:
    """The will: it counts for its own `conn` only, and shows after the grace."""
    device = _farewell(turn, event)
    if device is None:
        return
    was_current = device.conn == event.conn
    device.spend(event.conn)
    if was_current:
        device.conn = None
        device.registered = False
        if device.ephemeral:
            vanish(turn, device)
            return
        if device.is_online and _was_closed(turn, device):
            go_offline(turn, device, "token_expired", since=turn.now)
            return
        if device.is_online:
            device.grace_until = turn.now + limits.LOSS_GRACE
            device.restart_until = None
    turn.save_device(device)


def _was_closed(turn: Turn, device: Device) -> bool:
    """Whether it was the broker that ended the connection, with the token: nothing to wait for."""
    ended_at = device.token_ended_at
    return ended_at is not None and turn.now - ended_at <= limits.LOSS_GRACE


def said_goodbye(turn: Turn, event: SaidGoodbye) -> None:
    """The clean goodbye: offline at once, and no music by itself afterwards."""
    device = _farewell(turn, event)
    if device is None:
        return
    was_current = device.conn == event.conn
    device.spend(event.conn)
    if was_current:
        device.conn = None
        was_online = device.is_online
        recovery.withdraw_play(turn, device)
        go_offline(turn, device, "disconnect", since=turn.now)
        loss = turn.user.loss
        if not was_online and loss is not None and turn.user.active is device:
            turn.user.loss = replace(loss, goodbye=True)
            turn.save_context()
    else:
        turn.save_device(device)


def _farewell(turn: Turn, event: ConnectionLost | SaidGoodbye) -> Device | None:
    """Whose farewell is to be looked at: the current `conn`'s always, whatever the rate; others within it.

    It may have overtaken its own `register`: of a device that is not here it is remembered only.
    """
    user, sender = turn.user, event.sender
    device = user.devices.get(sender.device)
    if device is not None and device.node != sender.node:
        return None
    within = not user.rates_of(sender.device, turn.now).others.take(turn.now)
    if device is None and within:
        user.remember_ended(sender.device, (event.conn,))
    return device if device is not None and (within or device.conn == event.conn) else None


def vanish(turn: Turn, device: Device) -> None:
    """An ephemeral device is gone without a trace."""
    device.registered = False
    del turn.user.devices[device.id]
    turn.user.remember_ended(device.id, device.spent)


def go_offline(turn: Turn, device: Device, reason: str, *, since: Instant) -> None:
    """Show a device offline: the list, the event, and the pause if it was the renderer.

    `since` is when it was last there, as far as one can know.
    """
    reports.flush(turn, device)
    device.registered = False
    device.grace_until = None
    device.restart_until = None
    device.window_id = device.window_again_at = None
    if device.ephemeral:
        vanish(turn, device)
        return
    was_online, device.is_online = device.is_online, False
    turn.save_device(device)
    if not was_online:
        return
    turn.show_devices()
    turn.event(messages.device_offline(device, reason))
    recovery.renderer_lost(turn, device, since=since, goodbye=reason == "disconnect")


def last_sign(turn: Turn, device: Device) -> Instant:
    """When a device that is shown online was last certainly there.

    `last_seen` is saved now and then only; what a renderer reported says more after a restart.
    """
    if device.grace_until is not None:
        return device.grace_until - limits.LOSS_GRACE
    reported = turn.user.playback.position_at if turn.user.active is device else 0
    return min(turn.now, max(device.heard_at, reported))


def time_passed(turn: Turn) -> None:
    """Show the losses whose grace, silence or restart grace is over."""
    for device in tuple(turn.user.devices.values()):
        graces = (device.grace_until, device.restart_until)
        if any(until is not None and until <= turn.now for until in graces):
            go_offline(turn, device, "connection_lost", since=last_sign(turn, device))
        elif device.registered and device.heard_at + limits.SILENCE <= turn.now:
            # Not spent: a link that comes back to life may register with the same conn.
            go_offline(turn, device, "timeout", since=device.heard_at)
