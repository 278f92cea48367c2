"""Rules that a client keeps: we are its coordinator."""

import secrets

from soul_connect.conformance.peer import fresh
from soul_connect.conformance.verdict import Broken, NotShown, Rules, must
from soul_connect.conformance.visitor import Visitor
from soul_protocol.errors import Code
from soul_protocol.limits import REGISTER_REPEAT, REREGISTER_SPREAD
from soul_protocol.up import PlaybackReady, PlaybackStarted, Register, StateUpdate

CLIENT = Rules()
rule = CLIENT.rule


@rule("Arrival", "It registers: `register` with its `conn`, `protocol` 1, and a description that holds")
async def registers(visitor: Visitor) -> None:
    service = visitor.service
    register = await service.expect(Register, within=visitor.patience, what="register")
    heard = next(one for one in reversed(visitor.everything) if one.message == register)
    visitor.root = heard.topic.removesuffix("/up/register")
    must(not heard.retained, "it was retained")
    visitor.register = register


@rule("Arrival", "Unanswered, it registers again after 5 s, with the same `conn`")
async def repeats(visitor: Visitor) -> None:
    first = visitor.arrived()
    again = await visitor.service.expect(
        Register, within=REGISTER_REPEAT / 1_000 + 10, what="second register"
    )
    must(again.conn == first.conn, "the second one has another conn")
    await visitor.welcome(again)


@rule("Time", "It pings, within 30 s")
async def pings(visitor: Visitor) -> None:
    visitor.arrived()
    await visitor.wait_for(
        lambda: any("/up/ping" in one.topic for one in visitor.said), visitor.pings_within, "ping"
    )


@rule("Arrival", "`not_registered` makes it register again")
async def registers_again(visitor: Visitor) -> None:
    conn = visitor.arrived().conn
    visitor.service.forget()
    await visitor.tell("reply", {"type": "error", "code": "not_registered", "message": "register first"})
    again = await visitor.service.expect(Register, what="register")
    must(again.conn == conn, "with another conn")
    await visitor.welcome(again)


@rule("Arrival", "Another `coordinator` makes it register again within 3 s")
async def another_coordinator(visitor: Visitor) -> None:
    visitor.arrived()
    visitor.service.forget()
    visitor.id = secrets.token_hex(8)
    await visitor.announce()
    again = await visitor.service.expect(Register, within=REREGISTER_SPREAD / 1_000 + 2, what="register")
    await visitor.welcome(again)


@rule("The wire", "Unknown fields and unknown messages are ignored")
async def ignores(visitor: Visitor) -> None:
    visitor.arrived()
    await visitor.tell("reply", {"type": "sing", "song": 1})
    await visitor.service.publish(f"{visitor.root}/down/reply", b"{broken")
    await visitor.service.publish(f"{visitor.root}/down/reply", b"")
    await registers_again(visitor)


@rule(
    "Who renders",
    "`set_queue` in a new epoch makes it active, paused; its report lists the id",
)
async def takes_a_queue(visitor: Visitor) -> None:
    visitor.renderer()
    visitor.epoch, visitor.rev = visitor.epoch + 1, visitor.rev + 1
    command = {
        "type": "set_queue",
        "tracks": list(visitor.tracks),
        "start_index": 0,
        "queue_rev": visitor.rev,
    }
    state = await visitor.applied(command)
    must(not state.is_playing, "it plays unasked")
    must(state.queue_position == 0, f"it is at {state.queue_position}")


@rule("Receipts", "`play` plays, `pause` pauses: both are reported at once")
async def plays(visitor: Visitor) -> None:
    _active(visitor)
    must((await visitor.applied({"type": "play"})).is_playing, "it says that it does not play")
    must(not (await visitor.applied({"type": "pause"})).is_playing, "it says that it plays")


@rule("One writer", "While playing it reports its position each second, with `position_at`")
async def ticks(visitor: Visitor) -> None:
    _active(visitor)
    await visitor.applied({"type": "play"})
    reports = [
        await visitor.report(lambda it: it.state is not None and it.state.is_playing, within=3, what="tick")
        for _ in range(3)
    ]
    first, last = reports[0].state, reports[-1].state
    if first is None or last is None or first.position_at is None or last.position_at is None:
        raise Broken("a tick has no position_at")
    moved, passed = last.position_ms - first.position_ms, last.position_at - first.position_at
    must(abs(moved - passed) < 500, f"the position moved {moved} ms in {passed} ms")


@rule("Receipts", "`seek` goes there")
async def seeks(visitor: Visitor) -> None:
    _active(visitor)
    await visitor.applied({"type": "pause"})
    state = await visitor.applied({"type": "seek", "position_ms": 1_000})
    must(abs(state.position_ms - 1_000) < 500, f"it is at {state.position_ms} ms")


@rule("Receipts", "A repeated id is reported again, and not executed twice")
async def dedupes(visitor: Visitor) -> None:
    _active(visitor)
    name = await visitor.execute({"type": "seek", "position_ms": 500})
    await visitor.report(lambda it: name in (it.applied or ()), what="report that lists seek")
    await visitor.applied({"type": "seek", "position_ms": 1_500})
    await visitor.execute({"type": "seek", "position_ms": 500}, id=name)
    again = await visitor.report(lambda it: name in (it.applied or ()), what="report that lists it again")
    position = -1 if again.state is None else again.state.position_ms
    must(abs(position - 1_500) < 500, f"it was executed again: now at {position} ms")


@rule("Who renders", "`next` goes to the `queue_position` that it carries")
async def steps(visitor: Visitor) -> None:
    _active(visitor)
    state = await visitor.applied({"type": "next", "queue_position": 2})
    must(state.queue_position == 2, f"it is at {state.queue_position}")
    must(state.track_id == visitor.tracks[2], f"it is at {state.track_id}")


@rule("Who renders", "`set_shuffle` and `set_repeat` are adopted")
async def modes(visitor: Visitor) -> None:
    _active(visitor)
    visitor.rev += 1
    tracks = [visitor.tracks[2], visitor.tracks[0], visitor.tracks[1]]
    shuffle = {
        "type": "set_shuffle",
        "enabled": True,
        "queue": tracks,
        "queue_position": 0,
        "queue_rev": visitor.rev,
    }
    state = await visitor.applied(shuffle)
    must(state.shuffle, "it says that it is not shuffled")
    must(state.track_id == tracks[0], "the track changed")
    state = await visitor.applied({"type": "set_repeat", "mode": "all"})
    must(state.repeat_mode == "all", f"the mode is {state.repeat_mode}")


@rule("Who renders", "`set_volume` changes its volume")
async def volume(visitor: Visitor) -> None:
    _active(visitor)
    state = await visitor.applied({"type": "set_volume", "volume": 0.5})
    must(abs(state.volume - 0.5) < 0.02, f"it is at {state.volume}")


@rule("One writer", "A command of an older epoch is refused: `not_active`")
async def older_epochs(visitor: Visitor) -> None:
    _active(visitor)
    name = await visitor.execute({"type": "play"}, epoch=visitor.epoch - 1)
    report = await visitor.report(
        lambda it: name in (it.applied or ()) or any(one.id == name for one in it.refused or ()),
        what="report that refuses it",
    )
    codes = {one.id: one.code for one in report.refused or ()}
    must(codes.get(name) is Code.NOT_ACTIVE, "it was done" if name not in codes else f"{codes[name]}")


@rule("One writer", "Learning of a higher epoch of another device, it stops at once")
async def yields(visitor: Visitor) -> None:
    _active(visitor)
    await visitor.applied({"type": "play"})
    visitor.epoch, visitor.sequence = visitor.epoch + 1, visitor.sequence + 1
    other = {"type": "playback_state", "state": visitor.queued(device_id=fresh(), is_playing=True)}
    await visitor.tell_all("state", other)
    await visitor.service.probe()
    plays = await visitor.silent_for(2.5, _plays)
    must(plays, "it plays on")


@rule("Transfer", "`prepare_playback`: it loads, says `playback_ready`, and stays silent")
async def prepares(visitor: Visitor) -> None:
    visitor.renderer()
    visitor.transfer = fresh()
    visitor.service.forget()
    state = visitor.queued(device_id=fresh(), is_playing=True, position_ms=500)
    await _hand_over(visitor, "prepare_playback", state)
    await visitor.service.expect(
        PlaybackReady, lambda it: it.transfer_id == visitor.transfer, what="playback_ready"
    )
    must(await visitor.silent_for(1.5, _plays), "it plays before `start_playback`")


@rule("Transfer", "`start_playback`: it plays, says `playback_started`, and reports in the new epoch")
async def starts(visitor: Visitor) -> None:
    if not visitor.transfer:
        raise NotShown("it takes a client that can prepare")
    visitor.epoch += 1
    await _hand_over(visitor, "start_playback", visitor.queued(is_playing=True, position_ms=500))
    await visitor.service.expect(
        PlaybackStarted, lambda it: it.transfer_id == visitor.transfer, what="playback_started"
    )
    await visitor.report(lambda it: it.epoch == visitor.epoch and _plays(it), what="report of the new epoch")


@rule("Transfer", "`stop_playback`: it falls silent, and reports no state any more")
async def stops(visitor: Visitor) -> None:
    visitor.renderer()
    stop = {"type": "stop_playback", "epoch": visitor.epoch, "reason": "transferred"}
    await visitor.tell("execute", stop)
    await visitor.service.probe()
    must(await visitor.silent_for(2.5, lambda it: it.state is not None), "it reports on")


@rule("Messages up", "`seq` counts from 1 in each `conn`, and `conn` is the registered one")
async def counts(visitor: Visitor) -> None:
    conn = visitor.arrived().conn
    if not visitor.seqs:
        raise NotShown("it made no report")
    must(set(visitor.seqs) == {conn}, f"reports came from {sorted(visitor.seqs)}, registered is {conn}")
    numbers = visitor.seqs[conn]
    must(numbers == sorted(set(numbers)), f"they came as {numbers[:20]}")
    must(numbers[0] == 1, f"the first one was {numbers[0]}")


@rule("The wire", "All that it says has the form of the contract, on its own topic, unretained")
async def form(visitor: Visitor) -> None:
    visitor.arrived()
    for heard in visitor.said:
        place = heard.topic.removeprefix(f"{visitor.root}/")
        must(not heard.wrong, f"on {place}: {heard.wrong}")
        must(not heard.retained, f"{place} was retained")


def _active(visitor: Visitor) -> None:
    visitor.renderer()
    if not visitor.epoch > 1:
        raise NotShown("it takes a client that could be made active")


def _plays(report: StateUpdate) -> bool:
    return report.state is not None and report.state.is_playing


async def _hand_over(visitor: Visitor, kind: str, state: dict[str, object]) -> None:
    message = {"type": kind, "transfer_id": visitor.transfer, "epoch": visitor.epoch, "state": state}
    await visitor.tell("execute", message)
