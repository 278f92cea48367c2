"""Rules that a server keeps: commands, conflicts, transfers, and one writer."""

import asyncio
from typing import Final

from soul_connect.conformance.house import TRACKS, House
from soul_connect.conformance.peer import fresh
from soul_connect.conformance.verdict import Rules, must
from soul_protocol.commands import ForwardedSetQueue, ForwardedSetShuffle, ForwardedStep
from soul_protocol.down import (
    CommandResult,
    ExecuteCommand,
    PlaybackStateMessage,
    Pong,
    Position,
    PreparePlayback,
    ResultStatus,
    StartPlayback,
    StopPlayback,
    StopReason,
)
from soul_protocol.errors import Code
from soul_protocol.topics import UpChannel as Up

TRANSFERS_APART: Final = 1.1
"""How far apart (s) transfers have to be: one a second is allowed."""

MUSIC = Rules()
rule = MUSIC.rule


@rule("Who renders", "`set_queue` to a named renderer makes it active, staying paused, in a new epoch")
async def makes_active(house: House) -> None:
    before = await house.state()
    if before.device_id == house.one("a").dial.client_id:
        return
    name = await house.ask(house.queue(), target_device=house.one("a").dial.client_id)
    prepared = await house.one("a").find(PreparePlayback, within=0.5)
    if prepared is not None:  # a device was active: it goes as a transfer
        await _ready(house, "a", prepared.transfer_id)
        await _started(house, "a", prepared.transfer_id)
    else:
        order = await house.carry_out("a", name, queue=list(TRACKS), track_id=TRACKS[0])
        must(isinstance(order.command, ForwardedSetQueue), f"{order.command.type} was forwarded")
    result = await house.end(name)
    must(result.status is ResultStatus.APPLIED, f"it ended {result.status}")
    state = await house.state()
    must(state.device_id == house.one("a").dial.client_id, "another device is active")
    must(state.epoch == before.epoch + 1, f"the epoch went from {before.epoch} to {state.epoch}")
    must(state.queue == TRACKS, "the queue is another one")
    if prepared is not None:
        await house.done({"type": "pause"}, is_playing=False)


@rule(
    "Receipts",
    "`accepted` when forwarded, `applied` when the report lists the id, which the state then names",
)
async def receipts(house: House) -> None:
    remote = house.one("remote")
    name = await house.ask({"type": "play"})
    accepted = await remote.expect(CommandResult, lambda it: it.id == name, what="command_result")
    must(accepted.status is ResultStatus.ACCEPTED, f"the first answer was {accepted.status}")
    await house.carry_out("a", name, is_playing=True)
    result = await house.end(name)
    must(result.status is ResultStatus.APPLIED, f"it ended {result.status}")
    state = await house.state()
    must(state.is_playing, "the state does not play")
    must(name in state.applied, "the state does not name the id")


@rule("Receipts", "A repeated id gets its answer again and is not executed twice")
async def repeats(house: House) -> None:
    name = await house.ask({"type": "seek", "position_ms": 1_000})
    await house.carry_out("a", name, is_playing=True, position_ms=1_000)
    first = await house.end(name)
    await house.ask({"type": "seek", "position_ms": 1_000}, id=name)
    again = await house.end(name)
    must(again.status is first.status, f"{first.status} first, then {again.status}")
    order = await house.one("a").find(ExecuteCommand, lambda it: it.id == name, within=0.5)
    must(order is None, "it was forwarded again")


@rule("Receipts", "A command that the device refuses is `rejected` with the device's code")
async def refusals(house: House) -> None:
    name = await house.ask({"type": "pause"})
    order = await house.one("a").expect(ExecuteCommand, lambda it: it.id == name)
    await house.report("a", order.epoch, is_playing=True, refused=[{"id": name, "code": "unsupported"}])
    result = await house.end(name)
    must(result.status is ResultStatus.REJECTED, f"it ended {result.status}")
    must(result.code is Code.UNSUPPORTED, f"the code was {result.code}")


@rule("Receipts", "A command that nobody answers is `rejected/timeout` at its `expires_at`")
async def timeouts(house: House) -> None:
    name = await house.ask({"type": "set_repeat", "mode": "all"}, expires_at=await _server_now(house) + 1_500)
    result = await house.end(name)
    must(result.status is ResultStatus.REJECTED, f"it ended {result.status}")
    must(result.code is Code.TIMEOUT, f"the code was {result.code}")


@rule("Conflicts", "What was issued more than 30 s ago is `expired`")
async def stale(house: House) -> None:
    name = await house.ask({"type": "pause"}, issued_at=await _server_now(house) - 31_000)
    result = await house.end(name)
    must(result.status is ResultStatus.EXPIRED, f"it ended {result.status}")


@rule("Conflicts", "Of a class the latest `issued_at` wins; an older one is `superseded`, and not forwarded")
async def conflicts(house: House) -> None:
    now = await _server_now(house)
    newer = await house.ask({"type": "seek", "position_ms": 9_000}, issued_at=now)
    older = await house.ask({"type": "seek", "position_ms": 4_000}, issued_at=now - 1_000)
    result = await house.end(older)
    must(result.status is ResultStatus.SUPERSEDED, f"the older one ended {result.status}")
    await house.carry_out("a", newer, is_playing=True, position_ms=9_000)
    must((await house.end(newer)).status is ResultStatus.APPLIED, "the newer one was not applied")
    order = await house.one("a").find(ExecuteCommand, lambda it: it.id == older, within=0.2)
    must(order is None, "the older one was forwarded")


@rule("Who renders", "`next` is resolved: the forwarded command carries `queue_position`")
async def steps(house: House) -> None:
    order = await house.done({"type": "next"}, is_playing=True, queue_position=1, track_id=TRACKS[1])
    must(isinstance(order.command, ForwardedStep), "it carries none")
    must(getattr(order.command, "queue_position", None) == 1, "it leads elsewhere")


@rule("Conflicts", "`next` whose `expect_position` is not current is `superseded`: a double tap skips once")
async def double_taps(house: House) -> None:
    name = await house.ask({"type": "next", "expect_position": 0})
    result = await house.end(name)
    must(result.status is ResultStatus.SUPERSEDED, f"it ended {result.status}")


@rule("Who renders", "Past the end, `next` pauses at 0 of the last track")
async def past_the_end(house: House) -> None:
    await house.done({"type": "next"}, is_playing=True, queue_position=2, track_id=TRACKS[2])
    order = await house.done({"type": "next"}, is_playing=False, queue_position=2, track_id=TRACKS[2])
    command = order.command
    must(isinstance(command, ForwardedStep), f"{command.type} was forwarded")
    if isinstance(command, ForwardedStep):
        must(command.queue_position == 2, f"it leads to {command.queue_position}")
        must(command.is_playing is False, "it plays on")


@rule(
    "Who renders",
    "`set_shuffle` carries the queue permuted, the current track first; `off` gives the order back",
)
async def shuffles(house: House) -> None:
    order = await house.done({"type": "set_shuffle", "enabled": True}, shuffle=True, track_id=TRACKS[2])
    shuffled = order.command
    must(isinstance(shuffled, ForwardedSetShuffle), "it carries no queue")
    if isinstance(shuffled, ForwardedSetShuffle):
        must(sorted(shuffled.queue) == sorted(TRACKS), "tracks were lost or added")
        must(shuffled.queue[shuffled.queue_position] == TRACKS[2], "another track would be current")
        must(shuffled.queue_position == 0, "the current track is not first")
    order = await house.done(
        {"type": "set_shuffle", "enabled": False}, shuffle=False, queue_position=2, track_id=TRACKS[2]
    )
    if isinstance(order.command, ForwardedSetShuffle):
        must(order.command.queue == TRACKS, "the order is another one than before")


@rule("Who renders", "`set_queue` with another `expect_rev` than the `queue_rev` is `superseded`")
async def revisions(house: House) -> None:
    state = await house.state()
    name = await house.ask(house.queue(expect_rev=state.queue_rev + 7))
    result = await house.end(name)
    must(result.status is ResultStatus.SUPERSEDED, f"it ended {result.status}")


@rule(
    "Who renders",
    "Commands but `play`, `set_queue`, `set_volume` to a renderer that is not active: `not_active`",
)
async def not_active(house: House) -> None:
    name = await house.ask({"type": "pause"}, target_device=house.one("b").dial.client_id)
    result = await house.end(name)
    must(result.code is Code.NOT_ACTIVE, f"it ended {result.status} {result.code}")


@rule("Codes", "A device that does not exist is `device_not_found`")
async def not_found(house: House) -> None:
    result = await house.end(await house.ask({"type": "play"}, target_device=fresh()))
    must(result.code is Code.DEVICE_NOT_FOUND, f"it ended {result.status} {result.code}")


@rule("One writer", "Each change is published once on `all/state`, `sequence` growing by one; a tick is none")
async def one_writer(house: House) -> None:
    remote, before = house.one("remote"), await house.state()
    remote.forget()
    await house.done({"type": "play"}, is_playing=True, queue_position=2, track_id=TRACKS[2])
    await house.report(
        "a", before.epoch, is_playing=True, position_ms=100, queue_position=2, track_id=TRACKS[2]
    )
    must(await remote.find(Position) is not None, "no tick on all/position")
    await house.done({"type": "pause"}, position_ms=200, queue_position=2, track_id=TRACKS[2])
    after = await house.state()
    told = [
        heard.message.state.sequence
        for heard in remote.heard
        if isinstance(heard.message, PlaybackStateMessage) and heard.topic.endswith("/all/state")
    ]
    wanted = list(range(before.sequence + 1, after.sequence + 1))
    must(told == wanted, f"sequences {told} were told, {wanted} happened")


@rule("One writer", "A report of another epoch changes nothing and gets `stop_playback {not_active}`")
async def other_epochs(house: House) -> None:
    before = await house.state()
    await house.report("b", before.epoch, is_playing=True, track_id="conformance-other")
    stop = await house.one("b").expect(StopPlayback)
    must(stop.reason is StopReason.NOT_ACTIVE, f"the reason was {stop.reason}")
    must((await house.state()).sequence == before.sequence, "it changed the state")


@rule(
    "Transfer", "A target that fails leaves the source as it was: `transfer_failed`, and the target is told"
)
async def failed_transfer(house: House) -> None:
    before, name = await house.state(), await _transfer(house, "b")
    prepare = await house.one("b").expect(PreparePlayback)
    failed = {"type": "playback_failed", "transfer_id": prepare.transfer_id, "reason": "conformance"}
    await house.say(house.one("b"), Up.OUTCOME, failed)
    result = await house.end(name)
    must(result.code is Code.TRANSFER_FAILED, f"it ended {result.status} {result.code}")
    stop = await house.one("b").expect(StopPlayback)
    must(stop.reason is StopReason.ABORTED, f"the reason was {stop.reason}")
    after = await house.state()
    must((after.device_id, after.epoch) == (before.device_id, before.epoch), "the source lost the music")


@rule(
    "Transfer",
    "prepare, ready, then start for the target and stop for the source in a new epoch, started, applied",
)
async def transfers(house: House) -> None:
    before, name = await house.state(), await _transfer(house, "b")
    source, target = house.one("a"), house.one("b")
    prepare = await target.expect(PreparePlayback)
    must(prepare.epoch == before.epoch, "prepare_playback is not of the current epoch")
    must(
        await source.find(StopPlayback, within=0.3) is None,
        "the source was stopped before the target was ready",
    )
    await _ready(house, "b", prepare.transfer_id)
    start = await target.expect(StartPlayback)
    must(start.epoch == before.epoch + 1, f"start_playback is of epoch {start.epoch}")
    stop = await source.expect(StopPlayback)
    must(stop.reason is StopReason.TRANSFERRED, f"the source was told {stop.reason}")
    await _started(house, "b", prepare.transfer_id, epoch=start.epoch)
    result = await house.end(name)
    must(result.status is ResultStatus.APPLIED, f"it ended {result.status}")
    state = await house.state()
    must(state.device_id == target.dial.client_id, "the target is not active")


@rule(
    "Transfer",
    "A claim gives the music to the device that played it, in a new epoch; the other is told to stop",
)
async def claims(house: House) -> None:
    await asyncio.sleep(TRANSFERS_APART)
    before, name = await house.state(), fresh()
    state = {
        "track_id": TRACKS[0],
        "position_ms": 0,
        "is_playing": True,
        "queue": list(TRACKS),
        "queue_position": 0,
        "volume": 0.5,
        "shuffle": False,
        "repeat_mode": "off",
    }
    await house.say(house.one("a"), Up.TRANSFER, {"type": "claim_playback", "id": name, "state": state})
    result = await house.end(name, by="a")
    must(result.epoch == before.epoch + 1, f"the claim got epoch {result.epoch}")
    stop = await house.one("b").expect(StopPlayback)
    must(stop.reason is StopReason.CLAIMED, f"the old renderer was told {stop.reason}")
    await house.report("a", before.epoch + 1, is_playing=False)


@rule("Who renders", "The volume of an idle renderer is its own: forwarded, and no `sequence`")
async def idle_volume(house: House) -> None:
    before, target = await house.state(), house.one("b")
    name = await house.ask({"type": "set_volume", "volume": 0.25}, target_device=target.dial.client_id)
    await target.expect(ExecuteCommand, lambda it: it.id == name)
    target.seq += 1
    report = {
        "type": "state_update",
        "conn": target.conn,
        "seq": target.seq,
        "volume": 0.25,
        "applied": [name],
    }
    await house.say(target, Up.STATE, report)
    must((await house.end(name)).status is ResultStatus.APPLIED, "it was not applied")
    must((await house.state()).sequence == before.sequence, "it changed the state")


async def _server_now(house: House) -> int:
    """The coordinator's clock: that of this machine may be anywhere."""
    remote, sent = house.one("remote"), house.now()
    await house.say(remote, Up.PING, {"type": "ping", "t0": sent}, qos=0)
    return (await remote.expect(Pong, lambda it: it.t0 == sent)).t2


async def _transfer(house: House, to: str) -> str:
    await asyncio.sleep(TRANSFERS_APART)
    name = fresh()
    message = {"type": "transfer_playback", "id": name, "to_device": house.one(to).dial.client_id}
    await house.say(house.one("remote"), Up.TRANSFER, message)
    return name


async def _ready(house: House, device: str, transfer: str) -> None:
    message = {"type": "playback_ready", "transfer_id": transfer}
    await house.say(house.one(device), Up.OUTCOME, message)


async def _started(house: House, device: str, transfer: str, *, epoch: int | None = None) -> None:
    message = {"type": "playback_started", "transfer_id": transfer}
    await house.say(house.one(device), Up.OUTCOME, message)
    if epoch is not None:
        await house.report(device, epoch, queue_position=2, track_id=TRACKS[2])
