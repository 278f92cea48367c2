"""Loss of the renderer, time, limits, windows, privacy."""

import json

import pytest

from coordinator.core.kit import QUEUE, House, Player
from soul_protocol import limits


def stage() -> tuple[House, Player, Player]:
    house = House()
    kitchen, phone = house.device("Kitchen"), house.device("Phone", can_render=False)
    kitchen.playing()
    house.pass_time(1_000)
    phone.ping()
    kitchen.report(position_ms=1_000)
    return house, kitchen, phone


def lose(house: House, device: Player) -> None:
    device.lose()
    house.pass_time(limits.LOSS_GRACE)


def test_the_state_pauses_at_the_last_reported_position() -> None:
    house, kitchen, _ = stage()
    house.pass_time(10_000)
    lose(house, kitchen)
    state = house.state()
    assert (state["is_playing"], state["position_ms"]) == (False, 1_000)
    assert state["paused_reason"] == "device_offline"
    notice = house.events("notice")[-1]
    assert notice["message"] == "Playback paused - Kitchen went offline"


def test_a_paused_renderer_goes_without_a_notice() -> None:
    house, kitchen, _ = stage()
    kitchen.report(is_playing=False, position_ms=1_000)
    lose(house, kitchen)
    assert house.events("notice") == []


@pytest.mark.parametrize("goodbye", [False, True])
@pytest.mark.parametrize("away", [limits.MINUTE, 3 * limits.MINUTE])
@pytest.mark.parametrize("commanded", [False, True])
def test_music_starts_by_itself_only_within_the_contracts_rules(
    goodbye: bool, away: int, commanded: bool
) -> None:
    house, kitchen, phone = stage()
    if goodbye:
        kitchen.leave()
    else:
        lose(house, kitchen)
    house.pass_time(away - limits.LOSS_GRACE)
    phone.register(again=True)
    if commanded:
        phone.command("pause")
    answer = kitchen.register(resume=True)
    assert answer is not None
    assert answer["should_resume"] is True
    assert answer["current_state"]["position_ms"] == 1_000
    plays = [one for one in kitchen.all("execute_command") if one["command"]["type"] == "play"]
    assert bool(plays) is (not goodbye and away < limits.RESUME_PLAYING_WITHIN and not commanded)


def test_a_renderer_that_kept_playing_is_adopted_without_a_jump() -> None:
    house, kitchen, _ = stage()
    lose(house, kitchen)
    house.pass_time(30_000)
    known = kitchen.picture(is_playing=True, position_ms=33_000) | {"epoch": 1}
    answer = kitchen.register(resume=True, last_known_state=known)
    assert answer is not None
    assert answer["should_resume"] is False
    state = house.state()
    assert (state["is_playing"], state["position_ms"], state["epoch"]) == (True, 33_000, 1)
    assert state["paused_reason"] is None


def test_the_user_moved_on() -> None:
    house, kitchen, _ = stage()
    lose(house, kitchen)
    house.device("Attic").playing()
    known = kitchen.picture(is_playing=True, position_ms=33_000) | {"epoch": 1}
    answer = kitchen.register(resume=True, last_known_state=known)
    assert answer is not None
    assert answer["should_resume"] is False
    assert answer["current_state"]["epoch"] == 2
    assert house.state()["queue"] == QUEUE


def test_state_is_purged_after_24_h_and_counters_go_on() -> None:
    house, kitchen, _ = stage()
    lose(house, kitchen)
    sequence = house.state()["sequence"]
    house.pass_time(limits.RESUME_WITHIN - limits.LOSS_GRACE - 1)
    assert house.state()["queue"] == QUEUE
    house.start()
    house.pass_time(1)
    state = house.state()
    assert (state["device_id"], state["queue"], state["track_id"]) == (None, [], None)
    assert (state["epoch"], state["sequence"]) == (1, sequence + 1)
    answer = kitchen.register(resume=True)
    assert answer is not None
    assert answer["should_resume"] is False


def test_a_hundred_requests_a_minute_and_one_complaint_a_second() -> None:
    house, _, phone = stage()
    for _ in range(limits.REQUESTS_PER_MINUTE):
        phone.ask("query", "request_state")
    assert len(phone.all("playback_state")) == limits.REQUESTS_PER_MINUTE
    for _ in range(5):
        phone.ask("query", "request_state")
    assert phone.errors() == ["rate_limited"]
    assert 0 < phone.last("error")["retry_after_ms"] <= 600
    house.pass_time(600)
    phone.ask("query", "request_state")
    assert len(phone.all("playback_state")) == limits.REQUESTS_PER_MINUTE + 1


def test_states_over_the_rate_are_merged_and_no_applied_is_lost() -> None:
    house, kitchen, phone = stage()
    requests = [phone.command("seek", position_ms=1_000 * n) for n in range(25)]
    for number, request in enumerate(requests):
        kitchen.report(applied=[request], position_ms=1_000 * number)
    house.pass_time(limits.SECOND)
    assert all(phone.statuses(request)[-1] == "applied" for request in requests)
    assert house.state()["position_ms"] == 24_000


def test_a_device_with_a_payload_limit_gets_windows_that_follow_the_music() -> None:
    house = House()
    dap = house.device("Dap", max_payload_bytes=4_096)
    tracks = [f"track-{n:05}" for n in range(10_000)]
    request = dap.command("set_queue", tracks=tracks, start_index=5_000)
    command = dap.executed()["command"]
    assert len(json.dumps(command)) < 4_096
    assert command["queue_length"] == 10_000
    offset = command["queue_offset"]
    assert command["tracks"] == tracks[offset : offset + len(command["tracks"])]
    assert offset <= 5_000 < offset + len(command["tracks"])
    dap.report(applied=[request], queue=None, queue_position=5_000, track_id=tracks[5_000])
    assert house.state()["queue"] == tracks
    end = offset + len(command["tracks"])
    dap.report(queue_position=end - 2, track_id=tracks[end - 2])
    assert house.state()["queue"] == tracks
    window = dap.executed()
    assert window["command"]["type"] == "set_window"
    assert window["command"]["queue_offset"] <= end - 2
    assert window["command"]["queue_offset"] + len(window["command"]["queue"]) > end
    sent = len(dap.all("execute_command"))
    house.pass_time(limits.WINDOW_REPEAT)
    assert dap.executed()["id"] == window["id"]
    assert len(dap.all("execute_command")) == sent + 1
    dap.report(applied=[window["id"]], queue_position=end - 2, track_id=tracks[end - 2])
    house.pass_time(limits.MINUTE)
    assert len(dap.all("execute_command")) == sent + 1


def test_deleting_the_active_device_keeps_the_queue_and_nothing_else_of_it() -> None:
    house, kitchen, phone = stage()
    waiting = phone.command("pause")
    request = phone.ask("manage", "delete_device", device_id=kitchen.id)
    assert phone.statuses(waiting) == ["accepted", "rejected/device_not_found"]
    assert phone.statuses(request) == ["applied"]
    state = house.state()
    assert (state["device_id"], state["is_playing"], state["epoch"]) == (None, False, 2)
    assert (state["paused_reason"], state["queue"]) == ("device_deleted", QUEUE)
    assert kitchen.last("stop_playback")["epoch"] == 2
    assert house.closed == [("ann", kitchen.id, "deleted")]
    assert kitchen.id not in repr(house.store.of("ann"))
    assert kitchen.id not in json.dumps([house.state(), *house.devices().values()])


def test_a_device_may_delete_itself_and_hears_that_it_was_done() -> None:
    house, kitchen, _ = stage()
    request = kitchen.ask("manage", "delete_device", device_id=kitchen.id)
    assert kitchen.statuses(request) == ["applied"]
    assert kitchen.id not in repr(house.store.of("ann"))
