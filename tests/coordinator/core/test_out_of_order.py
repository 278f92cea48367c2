"""What comes in another order than it was said: farewells before their register, reports overtaken."""

import pytest

from coordinator.core.kit import QUEUE, House, Player
from soul_protocol import limits


def online(house: House) -> set[str]:
    return {name for name, device in house.devices().items() if device["is_online"]}


@pytest.mark.parametrize("how", ["lose", "leave"])
def test_a_farewell_may_overtake_the_first_register_of_its_connection(how: str) -> None:
    house = House()
    house.device("Phone")
    kitchen = house.stranger("Kitchen")
    kitchen.conns = 1
    getattr(kitchen, how)()
    assert kitchen.register(again=True) is None
    assert online(house) == {"Phone"}
    assert kitchen.register() is not None
    assert kitchen.register(again=True) is not None
    assert online(house) == {"Phone", "Kitchen"}


def test_a_command_line_that_left_is_not_back_by_a_delayed_register() -> None:
    house = House()
    line = house.stranger("Line")
    line.register(ephemeral=True)
    line.leave()
    assert line.register(again=True, ephemeral=True) is None
    assert line.register(ephemeral=True) is not None
    line.lose()
    assert line.register(again=True) is None


def test_of_farewells_of_strangers_few_are_remembered() -> None:
    house = House()
    for _ in range(100):
        stranger = house.stranger()
        for _ in range(70):
            stranger.conns += 1
            stranger.lose()
    ended = house.core.users["ann"].ended
    assert len(ended) <= 32
    assert all(len(conns) <= 16 for conns in ended.values())


def stage() -> tuple[House, Player, str]:
    """A renderer that was told another queue, and whose newer report came before its answer."""
    house = House()
    kitchen = house.device().playing(QUEUE[:3], 2)
    tracks = [f"new-{n}" for n in range(6)]
    request = kitchen.command("set_queue", tracks=tracks, start_index=4)
    house.pass_time(1_000)
    kitchen.report(seq=9, track_id="new-4", queue_position=4, position_ms=1_000)
    assert house.state()["queue"] == QUEUE[:3]
    return house, kitchen, request


def test_an_answer_that_was_overtaken_is_an_answer() -> None:
    house, kitchen, request = stage()
    kitchen.report(seq=8, track_id="new-4", queue_position=4, position_ms=0, applied=[request])
    assert kitchen.statuses(request) == ["accepted", "applied"]
    state = house.state()
    assert state["queue"] == [f"new-{n}" for n in range(6)]
    # What the newer report said is not taken back.
    assert (state["track_id"], state["queue_position"], state["position_ms"]) == ("new-4", 4, 1_000)
    told = len(kitchen.heard)
    kitchen.report(seq=8, track_id="new-4", queue_position=4, position_ms=0, applied=[request])
    assert len(kitchen.heard) == told


def test_a_refusal_that_was_overtaken_is_one() -> None:
    house, kitchen, request = stage()
    before = house.state()
    kitchen.report(seq=8, refused=[{"id": request, "code": "unsupported"}], is_playing=False)
    assert kitchen.statuses(request) == ["accepted", "rejected/unsupported"]
    assert house.state() == before


def test_a_queue_that_was_overtaken_is_the_queue_still() -> None:
    house = House()
    kitchen = house.device().playing(QUEUE[:3], 2)
    kitchen.report(seq=9, track_id="own", queue_position=1, position_ms=1_000)
    rev = house.state()["queue_rev"]
    kitchen.report(seq=8, queue=["first", "own"], track_id="first", queue_position=0)
    state = house.state()
    assert (state["queue"], state["queue_rev"]) == (["first", "own"], rev + 1)
    assert (state["track_id"], state["queue_position"], state["position_ms"]) == ("own", 1, 1_000)
    # Once: said again, or said before, it changes nothing.
    kitchen.report(seq=8, queue=["first", "own"], track_id="first", queue_position=0)
    kitchen.report(seq=7, queue=["older"], track_id="older", queue_position=0)
    assert house.state() == state


def test_a_queue_that_was_overtaken_counts_in_its_epoch_only() -> None:
    house = House()
    kitchen, study = house.device("Kitchen").playing(QUEUE[:3]), house.device("Study")
    epoch = house.state()["epoch"]
    kitchen.report(seq=9)
    study.claim(["other"])
    kitchen.claim(["own"])
    kitchen.report(seq=8, epoch=epoch, queue=["older"], track_id="older", queue_position=0)
    assert house.state()["queue"] == ["own"]


def test_an_overtaken_volume_of_an_idle_device() -> None:
    house = House()
    kitchen, phone = house.device().playing(), house.device("Phone")
    request = kitchen.command("set_volume", to=phone, volume=0.25)
    phone.seq = 1
    phone.idle(0.75)
    phone.seq = 0
    phone.idle(0.25, applied=[request])
    assert kitchen.statuses(request) == ["accepted", "applied"]
    assert house.devices()["Phone"]["volume"] == 0.75
    house.pass_time(limits.COMMAND_LIFETIME)
    assert len(kitchen.results(request)) == 2


def test_a_queue_that_was_executed_too_late_is_the_queue_still() -> None:
    house = House()
    kitchen = house.device().playing(QUEUE[:3])
    late = kitchen.command("set_queue", tracks=["a", "b"], start_index=1)
    house.pass_time(limits.COMMAND_LIFETIME)
    assert kitchen.statuses(late) == ["accepted", "rejected/timeout"]
    kitchen.report(track_id="b", queue_position=1, applied=[late])
    assert house.state()["queue"] == ["a", "b"]
    # The final answer stays.
    assert kitchen.statuses(late) == ["accepted", "rejected/timeout"]
    state = house.state()
    kitchen.report(track_id="b", queue_position=1, applied=[late])
    assert house.state() == state


def test_of_late_queues_few_are_kept_and_none_of_another_epoch() -> None:
    house = House()
    kitchen, study = house.device("Kitchen").playing(), house.device("Study")
    requests = [kitchen.command("set_queue", tracks=[f"late-{n}"], start_index=0) for n in range(6)]
    house.pass_time(limits.COMMAND_LIFETIME)
    assert len(house.core.users["ann"].devices[kitchen.id].late) == 4
    kitchen.report(queue_position=0, applied=requests[:1])
    assert house.state()["queue"] == QUEUE
    study.claim(["other"])
    kitchen.claim(["own"])
    kitchen.report(queue_position=0, applied=requests[5:])
    assert house.state()["queue"] == ["own"]


def test_a_device_with_a_payload_limit_is_sent_the_queue_that_counts_instead() -> None:
    house = House()
    dap = house.device("Dap", max_payload_bytes=4_096).playing()
    late = dap.command("set_queue", tracks=["a", "b"], start_index=1)
    house.pass_time(limits.COMMAND_LIFETIME)
    assert dap.executed()["command"]["type"] == "set_window"
    assert dap.executed()["command"]["queue"] == QUEUE
    dap.report(applied=[late])
    assert house.state()["queue"] == QUEUE


def test_an_overtaken_answer_does_not_bring_an_older_queue_back() -> None:
    house = House()
    kitchen = house.device().playing(QUEUE[:3])
    first = kitchen.command("set_queue", tracks=["a", "b"], start_index=0)
    second = kitchen.command("set_queue", tracks=["c"], start_index=0)
    kitchen.command("seek", position_ms=1)
    kitchen.report(seq=9, track_id="c", queue_position=0, applied=[second])
    kitchen.report(seq=8, track_id="a", queue_position=0, applied=[first])
    assert kitchen.statuses(first) == ["accepted", "applied"]
    assert house.state()["queue"] == ["c"]


def test_a_step_is_where_the_newer_report_said_once_its_queue_is_known() -> None:
    house = House()
    kitchen = house.device().playing(QUEUE[:2])
    request = kitchen.command("set_queue", tracks=[f"new-{n}" for n in range(6)], start_index=4)
    kitchen.report(seq=9, track_id="new-5", queue_position=5, position_ms=0)
    assert house.state()["queue_position"] == 1
    kitchen.report(seq=8, track_id="new-4", queue_position=4, applied=[request])
    assert (house.state()["track_id"], house.state()["queue_position"]) == ("new-5", 5)


def test_a_forwarded_queue_goes_out_again_with_the_queue_rev_that_it_will_have() -> None:
    house = House()
    kitchen = house.device().playing()
    request = kitchen.command("set_queue", tracks=["a", "b"], start_index=0)
    before = kitchen.executed()["command"]["queue_rev"]
    answer = kitchen.register(resume=True)
    assert answer is not None
    assert kitchen.executed()["command"]["queue_rev"] == before
    kitchen.claim(["own"])
    assert house.state()["queue_rev"] == before
    answer = kitchen.register(resume=True)
    assert answer is not None
    again = kitchen.executed()
    assert (again["id"], again["command"]["queue_rev"]) == (request, before + 1)
    kitchen.report(track_id="a", queue_position=0, applied=[request])
    assert (house.state()["queue"], house.state()["queue_rev"]) == (["a", "b"], before + 1)


def test_a_renderer_that_paused_while_the_coordinator_was_away_is_paused() -> None:
    house = House()
    kitchen = house.device().playing()
    epoch = house.state()["epoch"]
    house.start()
    known = kitchen.picture(is_playing=False, position_ms=7_000) | {"epoch": epoch}
    answer = kitchen.register(again=True, resume=True, last_known_state=known)
    assert answer is not None
    assert (answer["should_resume"], answer["current_state"]["is_playing"]) == (False, False)
    assert house.state()["position_ms"] == 7_000
    assert house.state()["paused_reason"] is None
