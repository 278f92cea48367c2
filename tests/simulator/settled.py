"""What must be so once nothing has been wrong for a while: the state is what the rooms hear."""

from simulator.device import Device
from simulator.invariants import require
from simulator.world import World
from soul_coordinator.core.user import User


def check_settled(world: World) -> None:
    core = world.process.core
    require(core is not None, "the coordinator is there")
    assert core is not None
    for user in core.users.values():
        devices = {one.place.device: one for one in world.devices if one.place.user == user.id}
        for known in user.devices.values():
            there = devices[known.id].registered and devices[known.id].place == known.address
            require(
                known.is_online == there,
                f"{known.id} is shown online={known.is_online}, and is {there}",
            )
        for device in devices.values():
            _one_device(user, device)
        require(not user.pending, f"still pending: {user.pending}")
        require(user.handover is None, f"still under way: {user.handover}")
        active = devices.get(user.playback.device_id or "")
        if user.playback.is_playing:
            plays = active is not None and active.registered and (active.music.playing or active.music.untold)
            require(plays, f"{user.id}'s state is playing, and nobody plays: {user.playback}")


def _one_device(user: User, device: Device) -> None:
    playback, music, name = user.playback, device.music, device.place.device
    if device.linked and not device.limited and not device.ephemeral:
        # Nobody tells a command line that its silence was taken for its end: it is nowhere listed.
        require(name in user.devices and device.registered, lambda: f"{name} is connected and not registered")
    if not device.registered:
        return
    require(not device.open, lambda: f"{name} waits for {device.open}")
    if playback.device_id != name:
        require(not music.playing, lambda: f"{name} plays, and the state says {playback.device_id}")
        return
    if music.epoch is None or music.untold:
        return
    require(
        music.epoch == playback.epoch, lambda: f"{name} renders epoch {music.epoch}, not {playback.epoch}"
    )
    require(music.playing == playback.is_playing, lambda: f"{name} plays: {music.playing}, {playback}")
    require(music.place == playback.queue_position, lambda: f"{name} is at {music.place}, {playback}")
    require(device.volume == playback.volume, lambda: f"{name} has volume {device.volume}, {playback}")
    require(
        music.shuffle == playback.shuffle and music.repeat == playback.repeat_mode, lambda: f"modes of {name}"
    )
    part = playback.queue[music.offset : music.offset + len(music.queue)]
    require(music.queue == part, lambda: f"{name} has the queue {music.queue} at {music.offset}, {playback}")
    require(music.track() == playback.track_id, lambda: f"{name} plays {music.track()}, {playback}")
