"""What came while the renderer was away, and what it is told first when it is back."""

from coordinator.core.kit import House
from soul_protocol import limits


def test_a_command_that_came_too_late_was_a_command_still() -> None:
    house = House()
    kitchen, phone = house.device("Kitchen").playing(), house.device("Phone")
    kitchen.lose()
    house.pass_time(limits.LOSS_GRACE)
    request = phone.command("pause", issued_at=house.now - limits.HOUR)
    assert phone.statuses(request) == ["expired"]
    answer = kitchen.register(resume=True)
    assert answer is not None
    assert answer["should_resume"]
    assert kitchen.all("execute_command") == []


def test_a_pause_that_waits_is_not_undone_by_a_play_of_the_coordinators_own() -> None:
    house = House()
    kitchen, phone = house.device("Kitchen").playing(), house.device("Phone")
    request = phone.command("pause")
    house.pass_time(1_000)
    kitchen.ping()
    # The connection breaks before it could answer, and it is back at once.
    assert kitchen.register(resume=True) is not None
    sent = [one["command"]["type"] for one in kitchen.all("execute_command")]
    assert sent == ["pause", "pause"]
    kitchen.report(applied=[request], is_playing=False)
    assert not house.state()["is_playing"]


def test_a_play_of_the_coordinators_own_is_not_sent_again_after_a_goodbye() -> None:
    house = House()
    kitchen = house.device("Kitchen").playing()
    assert kitchen.register(resume=True) is not None
    assert kitchen.executed()["command"]["type"] == "play"
    sent = len(kitchen.all("execute_command"))
    kitchen.leave()
    answer = kitchen.register(resume=True)
    assert answer is not None
    assert answer["should_resume"]
    assert len(kitchen.all("execute_command")) == sent


def test_what_someone_asked_for_is_sent_again_after_a_goodbye() -> None:
    house = House()
    kitchen, phone = house.device("Kitchen").playing(), house.device("Phone")
    request = phone.command("seek", position_ms=1)
    kitchen.leave()
    kitchen.register(resume=True)
    assert [one["id"] for one in kitchen.all("execute_command")] == [request, request]


def test_the_window_that_follows_registered_comes_after_it() -> None:
    house = House()
    for number in range(8):
        house.device(f"Room {number}")
    dap = house.device("Dap", max_payload_bytes=2_400)
    dap.playing([f"track-{n}" for n in range(200)], 50)
    heard = len(dap.heard)
    answer = dap.register(resume=True)
    assert answer is not None
    said = [one["type"] for one in dap.heard[heard:]]
    # The list of devices leaves no room for more than the track: the rest comes at once.
    assert len(answer["current_state"]["queue"]) == 1
    assert said.index("registered") < said.index("execute_command")
    orders = [one["command"] for one in dap.heard[heard:] if one["type"] == "execute_command"]
    assert [one["type"] for one in orders] == ["set_window", "play"]
    assert len(orders[0]["queue"]) > 1


def test_a_register_that_comes_again_after_a_claim_does_not_load_the_music_of_another_renderer() -> None:
    house = House()
    kitchen, study = house.device("Kitchen").playing(), house.device("Study")
    kitchen.leave()
    answer = kitchen.register(resume=True)
    assert answer is not None
    assert answer["should_resume"]
    study.claim()
    again = kitchen.register(again=True, resume=True)
    assert again is not None
    assert again["current_state"]["device_id"] == study.id
    assert not again["should_resume"]
