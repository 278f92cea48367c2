"""A command shows at once, stays if it is carried out, and is taken back with the reason if not."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client.bench import DEVICE, ME, REPLY, ROOT, STATE, Bench, of
from client.simulation import device_id, world
from client.virtual_time import after, raises, simulated, until
from soul_connect.actions import Action, DevicesChanged, RolledBack, Settled, StateChanged
from soul_connect.errors import ExpiredError, RateLimitedError, RejectedError, RequestError
from soul_connect.requests import Ask
from soul_protocol.commands import (
    Command,
    Next,
    Pause,
    Play,
    RepeatMode,
    Seek,
    SetRepeat,
    SetShuffle,
    SetVolume,
    Stop,
)

STATE_TOPIC = f"{ROOT}/all/state"
OTHER = device_id(2)


def result(bench: Bench, name: str, status: str, **more: Any) -> list[Action]:
    return bench.hear(REPLY, type="command_result", id=name, status=status, **more)


def state(bench: Bench, **changes: object) -> list[Action]:
    return bench.hear(STATE_TOPIC, type="playback_state", state={**STATE, **changes})


def shown(actions: list[Action]) -> list[Any]:
    return [action.shown for action in of(StateChanged, actions)]


def test_applied_and_shown_in_either_order_nothing_flickers() -> None:
    for result_first in (True, False):
        bench = Bench()
        bench.online()
        name, actions = bench.ask(Ask(Pause()))
        assert [one.is_playing for one in shown(actions)] == [False]
        told: list[Action] = []
        answer: dict[str, Any] = {"status": "applied", "sequence": 11, "epoch": 3}
        if result_first:
            told += result(bench, name, **answer)
            assert bench.session.view.state is not bench.session.picture.state
        told += state(bench, sequence=11, is_playing=False, applied=[name])
        if not result_first:
            told += result(bench, name, **answer)
        assert all(not one.is_playing for one in shown(told))
        assert bench.session.view.state is bench.session.picture.state
        assert not of(RolledBack, told)


@pytest.mark.parametrize(
    ("status", "more", "reason", "kind"),
    [
        ("rejected", {"code": "device_offline"}, "device_offline", RejectedError),
        ("superseded", {}, "superseded", type(None)),
        ("expired", {}, "expired", ExpiredError),
    ],
)
def test_what_is_not_done_is_taken_back_with_the_reason(
    status: str, more: dict[str, str], reason: str, kind: type
) -> None:
    bench = Bench()
    bench.online()
    name, _ = bench.ask(Ask(Seek(position_ms=50_000)))
    told = result(bench, name, status, **more)
    assert [type(action) for action in told] == [Settled, RolledBack, StateChanged]
    (back,) = of(RolledBack, told)
    assert (back.id, back.command, back.reason) == (name, Seek(position_ms=50_000), reason)
    assert type(back.error) is kind
    assert bench.session.view.state is bench.session.picture.state


def test_too_many_and_nobody_there_are_taken_back_too() -> None:
    bench = Bench()
    bench.online()
    name, _ = bench.ask(Ask(SetShuffle(enabled=True)))
    told = bench.hear(REPLY, type="error", code="rate_limited", message="", id=name, retry_after_ms=5)
    (back,) = of(RolledBack, told)
    assert back.reason == "rate_limited"
    assert isinstance(back.error, RateLimitedError)
    bench.ask(Ask(SetShuffle(enabled=True)))
    (back,) = of(RolledBack, bench.pass_ms(8_000))
    assert back.reason == "timeout"
    bench.drop()
    waiting, actions = bench.ask(Ask(SetRepeat(mode=RepeatMode.ALL)))
    assert [one.repeat_mode for one in shown(actions)] == [RepeatMode.ALL]
    (back,) = of(RolledBack, bench.pass_ms(6_000))
    assert (back.id, back.reason) == (waiting, "expired")
    assert isinstance(back.error, ExpiredError)
    assert not back.error.sent
    cancelled, _ = bench.ask(Ask(Stop()))
    (back,) = of(RolledBack, bench.session.cancel(cancelled))
    assert back.reason == "withdrawn"
    assert bench.session.view.state is bench.session.picture.state


def test_a_slider_that_moved_on_is_not_taken_back() -> None:
    bench = Bench()
    bench.online()
    first, _ = bench.ask(Ask(SetVolume(volume=0.1)))
    second, _ = bench.ask(Ask(SetVolume(volume=0.2)))
    told = result(bench, first, "superseded")
    assert [type(action) for action in told] == [Settled]
    told = result(bench, second, "applied", sequence=11, epoch=3)
    assert bench.session.view.state is not None
    assert bench.session.view.state.volume == 0.2
    state(bench, sequence=11, volume=0.2, applied=[second])
    assert bench.session.view.state is bench.session.picture.state


def test_the_volume_of_a_device_that_does_not_play() -> None:
    bench = Bench()
    bench.connect()
    other = {**DEVICE, "id": OTHER, "name": "Other", "volume": 1.0}
    bench.registered(devices=[DEVICE, other])

    def volumes() -> list[float | None]:
        return [one.volume for one in bench.session.view.devices]

    name, actions = bench.ask(Ask(SetVolume(volume=0.3), OTHER))
    assert len(of(DevicesChanged, actions)) == 1
    assert not of(StateChanged, actions)
    assert volumes() == [None, 0.3]
    result(bench, name, "applied", sequence=10, epoch=3)
    state(bench, sequence=12)
    assert volumes() == [None, 0.3]
    told = bench.hear(
        f"{ROOT}/all/devices", type="devices_update", devices=[DEVICE, {**other, "volume": 0.3}]
    )
    assert volumes() == [None, 0.3]
    assert bench.session.view.devices is bench.session.picture.devices
    assert len(of(DevicesChanged, told)) == 1
    # Applied, but no list of the devices ever comes: it is not shown for ever.
    name, _ = bench.ask(Ask(SetVolume(volume=0.4), OTHER))
    result(bench, name, "applied", sequence=12, epoch=3)
    assert of(DevicesChanged, bench.pass_ms(8_000))
    assert volumes() == [None, 0.3]


def test_a_snapshot_shows_all_that_was_applied_before_it() -> None:
    bench = Bench()
    bench.online()
    name, _ = bench.ask(Ask(Pause()))
    result(bench, name, "applied", sequence=11, epoch=3)
    bench.drop()
    bench.connect("fedcba9876543210")
    bench.registered("fedcba9876543210", current_state={**STATE, "sequence": 12})
    assert bench.session.view.state is bench.session.picture.state


commands: st.SearchStrategy[Command] = st.sampled_from(
    [
        Play(),
        Pause(),
        Stop(),
        Next(),
        Seek(position_ms=30_000),
        SetVolume(volume=0.5),
        SetShuffle(enabled=True),
        SetRepeat(mode=RepeatMode.ONE),
    ]
)
steps = st.one_of(
    st.tuples(st.just("ask"), commands, st.sampled_from([None, ME, OTHER])),
    st.tuples(st.just("answer"), st.integers(0, 5), st.sampled_from(["applied", "rejected", "superseded"])),
    st.tuples(st.just("accept"), st.integers(0, 5), st.none()),
    st.tuples(st.just("publish"), st.booleans(), st.none()),
    st.tuples(st.just("tick"), st.none(), st.none()),
    st.tuples(st.just("devices"), st.none(), st.none()),
    st.tuples(st.just("drop"), st.none(), st.none()),
    st.tuples(st.just("return"), st.none(), st.none()),
    st.tuples(st.just("wait"), st.sampled_from([10, 900, 6_000]), st.none()),
)


class Story:
    """A coordinator whose answers and states reach the client in any order, or not at all."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.bench.online()
        self.sequence = 10
        self.open: list[str] = []
        self.settled: dict[str, object] = {}
        self.taken_back: dict[str, RolledBack] = {}
        self.asked: set[str] = set()
        self.conns = 0
        self.away = False

    def hear(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Settled):
                assert action.id not in self.settled
                self.settled[action.id] = action.outcome
            elif isinstance(action, RolledBack):
                assert action.id not in self.taken_back
                assert action.id in self.settled
                self.taken_back[action.id] = action
        # What was told last is what there is to see.
        told = of(StateChanged, actions)
        if told:
            assert told[-1].shown == self.bench.session.view.state
        self.open = [one for one in self.open if one not in self.settled]

    def step(self, kind: str, one: Any, two: Any) -> None:
        bench = self.bench
        match kind:
            case "ask":
                name, actions = bench.ask(Ask(one, two))
                self.asked.add(name)
                self.open.append(name)
                self.hear(actions)
            case "answer" if self.open and not self.away:
                name = self.open[one % len(self.open)]
                self.sequence += 1
                more: dict[str, Any] = {"sequence": self.sequence, "epoch": 3} if two == "applied" else {}
                code = {"code": "not_active"} if two == "rejected" else {}
                self.hear(result(bench, name, two, **more, **code))
            case "accept" if self.open and not self.away:
                self.hear(result(bench, self.open[one % len(self.open)], "accepted"))
            case "publish":
                listed = self.open[:1] if one else []
                self.hear(state(bench, sequence=self.sequence, applied=listed))
            case "tick":
                tick: dict[str, Any] = {
                    "position_ms": 2_000,
                    "position_at": STATE["position_at"] + 1_000,
                    "is_playing": True,
                }
                ids: dict[str, Any] = {"epoch": 3, "sequence": self.sequence, "device_id": ME}
                self.hear(bench.hear(f"{ROOT}/all/position", type="position", **tick, **ids))
            case "devices":
                self.hear(bench.hear(f"{ROOT}/all/devices", type="devices_update", devices=[DEVICE]))
            case "drop" if not self.away:
                self.away = True
                self.hear(bench.drop())
            case "return" if self.away:
                self.away, self.conns = False, self.conns + 1
                conn = f"{self.conns:016x}"
                self.hear(bench.connect(conn))
                self.hear(bench.registered(conn, current_state={**STATE, "sequence": self.sequence}))
            case "wait":
                self.hear(bench.pass_ms(one))
            case _:
                pass

    def end(self) -> None:
        """All answers have come, or never will."""
        self.hear(self.bench.pass_ms(60_000))
        view, picture = self.bench.session.view, self.bench.session.picture
        assert not self.open
        assert set(self.settled) == self.asked
        assert len(view.overlay) == 0
        assert view.state is picture.state
        assert view.devices is picture.devices
        for name, back in self.taken_back.items():
            outcome = self.settled[name]
            assert back.reason
            assert back.error is (outcome if isinstance(outcome, RequestError) else None)


@settings(max_examples=200, deadline=None)
@given(st.lists(steps, max_size=40))
def test_once_nothing_is_under_way_the_canonical_state_is_shown(story: list[tuple[str, Any, Any]]) -> None:
    telling = Story()
    for step in story:
        telling.step(*step)
    telling.end()


@simulated
async def test_a_program_sees_it_at_once_and_hears_why_it_was_taken_back() -> None:
    async with world() as here:
        kitchen = here.player(1)
        async with here.client(device_id=device_id(9), name="r") as remote:
            await until(lambda: kitchen.player.client.is_online)
            await remote.set_queue(("a", "b"), target_device=device_id(1))
            rollbacks, states = remote.subscribe_rollbacks(), remote.subscribe_state()
            assert (await anext(states)).repeat_mode is RepeatMode.OFF
            changing = asyncio.create_task(remote.set_repeat(RepeatMode.ALL))
            assert (await anext(states)).repeat_mode is RepeatMode.ALL
            assert kitchen.player.client.state is not None
            assert kitchen.player.client.state.repeat_mode is RepeatMode.OFF
            await changing
            kitchen.crash(here)
            await kitchen.leave()
            await after(5)
            error = await raises(RejectedError, remote.seek(5_000))
            back = await anext(rollbacks)
            assert back.error is error
            assert back.reason == "device_offline"
            assert remote.state is remote.canonical_state
            here.broker.kill()
            await until(lambda: not remote.is_online)
            waiting = asyncio.create_task(remote.set_volume(0.1))
            await after(0.1)
            (request,) = remote.open_requests
            assert not request.was_sent
            assert remote.state is not None
            assert remote.state.volume == 0.1
            remote.cancel(request.id)
            await raises(RequestError, waiting)
            assert (await anext(rollbacks)).reason == "withdrawn"
            assert remote.state.volume == 1.0


@simulated
async def test_the_drawn_position_never_goes_back_while_a_track_plays() -> None:
    async with world() as here:
        kitchen = here.player(1)
        async with here.client(skew=3_600.0) as remote:
            await until(lambda: kitchen.player.client.is_online)
            await remote.set_queue(("a?duration_ms=600000",), target_device=device_id(1))
            await remote.play()
            drawn = 0
            for turn in range(1_500):
                await after(0.02)
                if turn % 100 == 50:
                    here.broker.latency = 0.15 if turn % 200 == 50 else 0.02
                if turn % 300 == 299:
                    await remote.set_volume(turn / 1_500)
                position = remote.position_ms()
                assert position >= drawn
                drawn = position
            assert abs(drawn - await kitchen.engine.position_ms()) < 50
            await remote.seek(3_000)
            assert remote.position_ms() < 5_000
