"""What people and misfortune do in a world: bursts of activity, joined by jumps of the clock."""

from functools import partial
from random import Random
from typing import Any

from simulator.device import Device
from simulator.world import JUMPS, World
from soul_coordinator.core import events
from soul_protocol import limits

TRACKS = tuple(f"track-{n}" for n in range(40))


def live(world: World, until: int) -> None:
    """Bursts and jumps until so many events were handled."""
    while world.handled < until:
        burst(world)
        world.jump(world.dice.choice(JUMPS))


def burst(world: World) -> None:
    """A minute or two in which everyone is busy."""
    dice = world.dice
    world.weather()
    devices = list(world.devices.values())
    for device in devices:
        if device.place.node == "guest":
            world.invite(device)
        if dice.random() < 0.85:
            world.later(dice.randint(0, 3_000), device.connect)
        _ticks(world, device)
    end = world.time.now + dice.choice((30_000, 90_000, 150_000))
    while world.time.now < end:
        world.run(dice.choice((0, 1, 40, 300, 1_000, 2_500)))
        happen(world, dice.choice(devices))
    if dice.random() < 0.5:
        for device in devices:
            _farewell(world, device)
        world.run(5_000)


def _ticks(world: World, device: Device) -> None:
    """A renderer that plays reports each second, and goes on to its next track."""

    def tick() -> None:
        music = device.music
        here = music.epoch is not None and device.registered
        if here and (music.ends(world.time.now) or music.playing):
            device.say_state(queue=world.dice.random() < 0.05)
        world.later(limits.TICK_EVERY, tick)

    world.later(world.dice.randint(0, 1_000), tick)


def happen(world: World, device: Device) -> None:
    """One thing happens to one device."""
    dice = world.dice
    if not device.linked:
        if dice.random() < 0.4:
            device.connect()
        return
    luck = dice.random()
    if luck < 0.04:
        _farewell(world, device)
    elif luck < 0.05 and world.core is not None:
        world.kill()
    elif not device.registered:
        return
    elif luck < 0.65:
        command = _command(dice)
        target = _someone(world, device) if dice.random() < 0.3 else None
        device.command(command, target)
    elif luck < 0.8:
        position = dice.choice((None, None, 5_000))
        device.transfer(_someone(world, device), dice.choice(("keep", "play", "pause")), position)
    elif luck < 0.88 and device.able.can_render and device.place.node == "device":
        device.claim(_queue(dice))
    elif luck < 0.93 and device.music.epoch is not None:
        device.music.execute({"type": "seek", "position_ms": dice.randint(0, 190_000)}, world.time.now)
        device.say_state()
    elif luck < 0.95:
        gone = _someone(world, device)
        device.ask(lambda request: events.DeletionRequested(device.place, request, gone))
    elif luck < 0.96:
        device.ask(
            lambda request: events.RenameRequested(device.place, request, _someone(world, device), "A")
        )
    elif luck < 0.97:
        world.arrive(events.TokenEnded(device.place.user, device.place.device))
    else:
        device.volume = dice.choice((0.1, 0.5, 0.9))
        device.say_state()


def _farewell(world: World, device: Device) -> None:
    """A goodbye, a kill, or a cut; the will comes soon, late, twice, or not at all."""
    if not device.linked:
        return
    dice, conn = world.dice, device.conn
    luck = dice.random()
    if luck < 0.3:
        device.leave()
        return
    if luck < 0.6:
        device.kill()
    else:
        device.cut()
        if dice.random() < 0.5:
            device.music.stop(world.time.now)
    for _ in range(dice.choice((0, 1, 1, 1, 2))):
        will = partial(world.arrive, events.ConnectionLost(device.place, conn))
        world.later(dice.choice((1, 200, 5_000, 45_000)), will)


def _someone(world: World, device: Device) -> str:
    """A device of this user, and now and then of another."""
    names = [
        name
        for user, name in world.devices
        if user == device.place.user or world.dice.random() < 0.02
    ]  # fmt: skip
    return world.dice.choice(names)


def _queue(dice: Random) -> tuple[str, ...]:
    first = dice.randrange(20)
    return TRACKS[first : first + dice.randint(1, 15)]


def _command(dice: Random) -> dict[str, Any]:
    kind = dice.choice(
        ("play", "play", "pause", "stop", "next", "next", "previous", "seek", "set_queue", "set_queue",
         "set_volume", "set_shuffle", "set_repeat")
    )  # fmt: skip
    match kind:
        case "seek":
            return {"type": kind, "position_ms": dice.randint(0, 250_000)}
        case "next" if dice.random() < 0.5:
            return {"type": kind, "expect_position": dice.randrange(4)}
        case "set_queue":
            queue = _queue(dice)
            more: dict[str, Any] = {"keep_position": True} if dice.random() < 0.3 else {}
            return {"type": kind, "tracks": queue, "start_index": dice.randrange(len(queue)), **more}
        case "set_volume":
            return {"type": kind, "volume": dice.choice((0.2, 0.4, 0.8))}
        case "set_shuffle":
            return {"type": kind, "enabled": dice.random() < 0.5}
        case "set_repeat":
            return {"type": kind, "mode": dice.choice(("off", "one", "all"))}
        case _:
            return {"type": kind}
