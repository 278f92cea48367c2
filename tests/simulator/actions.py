"""What people and misfortune do to a world, as a list that can be repeated and shortened.

An `Action` is words, not code, so that a story can be told with it. What makes no sense when
its time comes - to speak without a connection - is left out, so that any part of a list is a
list.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from simulator.device import Device
from simulator.links import START
from simulator.process import Kill
from simulator.settled import check_settled
from simulator.temper import HONEST
from simulator.world import World
from soul_coordinator.core import events
from soul_coordinator.core.records import GuestPass
from soul_protocol import limits

CALM = 2 * limits.MINUTE
"""How long everything takes to be as it should once nothing is wrong any more: 90 s of silence, and more."""


@dataclass(frozen=True, slots=True)
class Action:
    """At `at` (ms since the start) `what` happens to the device number `who`, or to the house (None)."""

    at: int
    who: int | None
    what: str
    how: Mapping[str, Any]


def play(world: World, actions: Iterable[Action]) -> None:
    """Play actions, in the order of their times."""
    for action in actions:
        world.wait(action.at)
        world.begins(action)
        if action.who is None:
            _HOUSE[action.what](world, **action.how)
        else:
            _DEVICE[action.what](world, world.devices[action.who], **action.how)
        if action.who is not None:
            world.listen(world.devices[action.who])


def tracks(first: int, count: int, about: str = "track") -> tuple[str, ...]:
    """A queue, in few words."""
    return tuple(f"{about}-{number}" for number in range(first, first + count))


# The house


def _kill(world: World, *, down_ms: int, saving: str | None = None, told: int = 0) -> None:
    if saving is None:
        world.process.kill(down_ms)
    else:
        world.process.armed = Kill(saving, told, down_ms)


def _slow(world: World, *, commit_ms: int, late_ms: int) -> None:
    world.process.commit_ms, world.process.late_ms = commit_ms, late_ms


def _remove_user(world: World, *, user: str) -> None:
    world.process.store.remove(user)
    world.process.unheard.add(user)
    world.removed_at[user] = world.time.now
    world.process.arrive(events.UserRemoved(user))
    for device in world.devices:
        if device.place.user == user:
            # Whoever comes back has another account: nothing of this one is left on its devices.
            device.kill()
            device.up.breaks()


def _calm(world: World) -> None:
    """Nothing is wrong any more. After a while everything is as it should be."""
    _slow(world, commit_ms=0, late_ms=0)
    world.process.armed = None
    for device in world.devices:
        device.temper = HONEST
        device.up.turns(None)
        device.down.turns(None)
    world.run(world.time.now - START + CALM)
    check_settled(world)


def _fate(_world: World, device: Device, *, way: str, number: int, delays: tuple[int, ...]) -> None:
    """What befalls one message: the weather, one by one."""
    (device.up if way == "up" else device.down).given[number] = delays


# A device's connection


def _connect(world: World, device: Device, *, will_after: int) -> None:
    """Connect; one that is connected takes over its own connection, whose will comes then."""
    if device.linked:
        _will(world, device, device.conn, will_after)
    if world.has_account(device.place.user):
        device.connect()


def _will(world: World, device: Device, conn: str, after: int) -> None:
    world.time.after(after, partial(world.process.arrive, events.ConnectionLost(device.place, conn)))


def _go(world: World, device: Device, *, how: str, wills: tuple[int, ...], stops: bool) -> None:
    """Leave with a goodbye, be killed, or be cut; the will comes soon, late, twice, or not at all."""
    if not device.linked:
        return
    conn = device.conn
    if how == "leave":
        device.leave()
        return
    if how == "kill":
        device.kill()
    else:
        device.cut()
        if stops:
            device.music.stop(world.time.now)
    for after in wills:
        _will(world, device, conn, after)


def _weather(_world: World, device: Device, *, up: Any, down: Any) -> None:
    device.up.turns(up)
    device.down.turns(down)


def _temper(_world: World, device: Device, *, temper: Any) -> None:
    device.temper = temper


def _clock(_world: World, device: Device, *, clock: Any) -> None:
    device.set_clock(clock)


def _token_ends(world: World, device: Device) -> None:
    conn, linked = device.conn, device.linked
    world.process.arrive(events.TokenEnded(device.place.user, device.place.device))
    device.cut()
    if linked:
        _will(world, device, conn, 50)


def _invite(world: World, device: Device, *, scope: tuple[str, ...], lasts: int) -> None:
    place = device.place
    allowed = GuestPass(place.device, frozenset(scope), world.time.now + lasts)
    world.process.store.of(place.user).passes[place.device] = allowed
    world.process.arrive(events.PassIssued(place.user, allowed))
    device.scope = frozenset(scope)
    world.time.after(lasts, partial(_ends, world, device, allowed))


def _ends(world: World, guest: Device, allowed: GuestPass) -> None:
    """The broker closes a connection whose token is over."""
    if world.process.store.of(guest.place.user).passes.get(allowed.device) in {allowed, None}:
        guest.cut()
        guest.open.clear()


# What people ask for


def _command(
    world: World,
    device: Device,
    *,
    command: Mapping[str, Any],
    to: int | None = None,
    lasts: int | None = None,
) -> None:
    said = dict(command)
    if "tracks" in said:
        said["tracks"] = tracks(*said["tracks"])
    if device.may("queue" if said["type"] == "set_queue" else "control"):
        device.command(said, None if to is None else world.devices[to].place.device, lasts)


def _transfer(world: World, device: Device, *, to: int, play: str, position_ms: int | None = None) -> None:
    if device.may("transfer"):
        device.transfer(world.devices[to].place.device, play, position_ms)


def _claim(_world: World, device: Device, *, queue: tuple[int, int]) -> None:
    if device.may("transfer") and device.able.can_render:
        device.claim(tracks(*queue))


def _delete(world: World, device: Device, *, gone: int) -> None:
    if device.may("manage"):
        name = world.devices[gone].place.device
        device.ask(lambda request: events.DeletionRequested(device.place, request, name))


def _rename(world: World, device: Device, *, other: int, name: str) -> None:
    if device.may("manage"):
        other_id = world.devices[other].place.device
        device.ask(lambda request: events.RenameRequested(device.place, request, other_id, name))


def _query(_world: World, device: Device, *, state: bool) -> None:
    if device.registered:
        kind = events.StateQueried if state else events.DevicesQueried
        device.ids += 1
        device.say(kind(device.place, f"{device.place.device[:8]}-0000-4000-8000-{device.ids:012x}"))


def _refused(_world: World, device: Device, *, channel: str, code: str, named: bool) -> None:
    """It says something that breaks the contract."""
    device.ids += 1
    request = f"{device.place.device[:8]}-0000-4000-8000-{device.ids:012x}" if named else None
    device.say(events.MessageRefused(device.place, channel, code, "a bad value", request))


# What people do on the device itself


def _here(world: World, device: Device, *, does: Mapping[str, Any]) -> None:
    """Someone uses the renderer's own keys."""
    music = device.music
    if music.epoch is None or not music.queue:
        return
    kind = does["type"]
    if kind == "edit" and not device.able.max_payload_bytes:
        first, count = does["tracks"]
        music.queue = (*music.queue[: music.place + 1], *tracks(first, count, "own"))
        device.say_state(queue=True)
        return
    if kind == "skip":
        if music.place + 1 < music.offset + len(music.queue):
            music.execute({"type": "next", "queue_position": music.place + 1}, world.time.now)
    elif kind != "edit":
        music.execute(does, world.time.now)
    device.say_state()


def _volume_here(_world: World, device: Device, *, volume: float) -> None:
    device.volume = volume
    device.say_state()


def _flood(_world: World, device: Device, *, count: int, seed: int) -> None:
    """Far more than anyone may say, all at once."""
    dice = Random(seed)
    for _ in range(count):
        if dice.random() < 0.5:
            device.say_state()
        else:
            device.say(events.Pinged(device.place, device.clock()))


_HOUSE: dict[str, Callable[..., None]] = {
    "kill": _kill,
    "sleep": lambda world, ms: world.sleep(ms),
    "slow": _slow,
    "remove user": _remove_user,
    "calm": _calm,
}
_DEVICE: dict[str, Callable[..., None]] = {
    "connect": _connect,
    "go": _go,
    "weather": _weather,
    "temper": _temper,
    "clock": _clock,
    "token ends": _token_ends,
    "invite": _invite,
    "command": _command,
    "transfer": _transfer,
    "claim": _claim,
    "delete": _delete,
    "rename": _rename,
    "query": _query,
    "refused": _refused,
    "here": _here,
    "volume here": _volume_here,
    "flood": _flood,
    "fate": _fate,
}
