"""Presence: who is online, and since when they are not.

A device is online while it is registered with its current `conn`. Losses are shown after a
grace; whatever happened to the will, 90 s of silence are a loss. A `conn` that was replaced,
lost or said goodbye is spent and never becomes current again; one that only fell silent
may register again.
"""

from soul_coordinator.core import messages, recovery, reports
from soul_coordinator.core.device import Device
from soul_coordinator.core.events import ConnectionLost, Pinged, SaidGoodbye
from soul_coordinator.core.user import Turn
from soul_protocol import limits

_LAST_SEEN_SAVED_EVERY = limits.HOUR


def heard(turn: Turn, device: Device) -> None:
    """A registered device said something."""
    device.heard_at = turn.now
    device.last_seen = turn.now
    if turn.now - device.saved_at >= _LAST_SEEN_SAVED_EVERY:
        turn.save_device(device)


def pinged(turn: Turn, event: Pinged) -> None:
    """Answer at once; even to a device that is not registered."""
    turn.reply(event.sender, messages.pong(event.t0, turn.now))


def connection_lost(turn: Turn, event: ConnectionLost) -> None:
    """The will: it counts for its own `conn` only, and shows after the grace."""
    device = turn.user.devices.get(event.sender.device)
    if device is None or device.node != event.sender.node:
        return
    was_current = device.conn == event.conn
    device.spend(event.conn)
    if was_current:
        device.conn = None
        device.registered = False
        if device.ephemeral:
            turn.user.devices.pop(device.id)
            return
        if device.is_online:
            device.grace_until = turn.now + limits.LOSS_GRACE
            device.restart_until = None
    turn.save_device(device)


def said_goodbye(turn: Turn, event: SaidGoodbye) -> None:
    """The clean goodbye: offline at once."""
    device = turn.user.devices.get(event.sender.device)
    if device is None or device.node != event.sender.node:
        return
    was_current = device.conn == event.conn
    device.spend(event.conn)
    if was_current:
        device.conn = None
        go_offline(turn, device, "disconnect")
    else:
        turn.save_device(device)


def go_offline(turn: Turn, device: Device, reason: str) -> None:
    """Show a device offline: the list, the event, and the pause if it was the renderer."""
    user = turn.user
    reports.flush(turn, device)
    device.registered = False
    device.grace_until = None
    device.restart_until = None
    if device.ephemeral:
        user.devices.pop(device.id, None)
        return
    if not device.is_online:
        turn.save_device(device)
        return
    device.is_online = False
    turn.save_device(device)
    turn.show_devices()
    turn.event(messages.device_offline(device, reason))
    recovery.renderer_lost(turn, device, goodbye=reason == "disconnect")


def time_passed(turn: Turn) -> None:
    """Show the losses whose grace, silence or restart grace is over."""
    for device in tuple(turn.user.devices.values()):
        graces = (device.grace_until, device.restart_until)
        if any(until is not None and until <= turn.now for until in graces):
            go_offline(turn, device, "connection_lost")
        elif device.registered and device.heard_at + limits.SILENCE <= turn.now:
            # Not spent: a link that comes back to life may register with the same conn.
            go_offline(turn, device, "timeout")
