"""Registration: a connection introduces its device, finds its place, and gets the snapshot."""

from soul_coordinator.core import (
    forwarding,
    messages,
    names,
    ownership,
    presence,
    recovery,
    reports,
    transfers,
)
from soul_coordinator.core.device import Device
from soul_coordinator.core.events import Registered
from soul_coordinator.core.user import Turn
from soul_protocol import limits
from soul_protocol.errors import Code


def registered(turn: Turn, event: Registered) -> None:
    """Make `conn` the device's current one, or say why not."""
    user, sender = turn.user, event.sender
    device = user.devices.get(sender.device)
    if device is not None and device.node != sender.node:
        if sender.node == "guest":
            turn.reply(sender, messages.error(Code.NOT_AUTHORIZED, "this id belongs to a device"))
            return
        # A guest cannot keep a device out by taking its id.
        ownership.forget(turn, device, "ended", close=False)
        device = None
    if device is not None and device.ephemeral and not event.ephemeral:
        presence.vanish(turn, device)
        device = None
    if event.conn in (user.ended.get(sender.device, ()) if device is None else device.spent):
        return
    if device is None:
        if not _has_place(turn, event):
            user.unplaced[sender.device] = sender
            while len(user.unplaced) > limits.DEVICES_PER_USER:
                del user.unplaced[next(iter(user.unplaced))]
            turn.reply(sender, messages.error(Code.DEVICE_LIMIT_REACHED))
            return
        device = _admit(turn, event)
    user.unplaced.pop(sender.device, None)
    recovery.purge_state(turn)
    forwarding.time_passed(turn)

    repeated = device.registered and device.conn == event.conn
    same_connection = device.conn == event.conn
    if repeated:
        presence.heard(turn, device)
    else:
        _connect(turn, device, event, same_connection=same_connection)
    snapshot = messages.registered(
        device, user.listed, user.playback, now=turn.now, coordinator=turn.coordinator
    )
    turn.reply(sender, snapshot)
    if not repeated:
        transfers.send_again(turn, device)
        forwarding.send_again(turn, device)
        recovery.play_again(turn, device)


def _has_place(turn: Turn, event: Registered) -> bool:
    user, sender = turn.user, event.sender
    if event.ephemeral:
        return sum(one.ephemeral for one in user.devices.values()) < limits.EPHEMERAL_PER_USER
    places = limits.GUESTS_PER_USER if sender.node == "guest" else limits.DEVICES_PER_USER
    return sum(one.node == sender.node for one in user.listed) < places


def _admit(turn: Turn, event: Registered) -> Device:
    """A device seen for the first time: its name counts now, and only now."""
    description = event.description
    name = description.name
    if not event.ephemeral:
        name = names.free_name(name, (one.name for one in turn.user.listed))
    device = Device(
        address=event.sender,
        name=name,
        device_type=description.device_type,
        capabilities=description.capabilities,
        volume=None,
        created_at=turn.now,
        last_seen=turn.now,
        spent=turn.user.ended.pop(event.sender.device, ()),
        ephemeral=event.ephemeral,
    )
    turn.user.devices[device.id] = device
    return device


def _connect(turn: Turn, device: Device, event: Registered, *, same_connection: bool) -> None:
    was_online = device.is_online
    before = messages.device(device)
    since = presence.last_sign(turn, device)
    reports.flush(turn, device)
    if not same_connection:
        device.spend(device.conn)
        device.seq = device.queue_seq = 0
        device.token_ended_at = None
    device.conn = event.conn
    device.registered = True
    device.grace_until = None
    device.restart_until = None
    device.is_online = True
    device.device_type = event.description.device_type
    device.capabilities = event.description.capabilities
    if event.description.volume is not None:
        device.volume = event.description.volume
    presence.heard(turn, device)
    recovery.returned(turn, device, event, same_connection=same_connection, since=since)
    turn.save_device(device)
    if device.ephemeral:
        return
    if not was_online:
        turn.event(messages.device_online(device))
    if before | {"last_seen": 0} != messages.device(device) | {"last_seen": 0}:
        turn.show_devices()
