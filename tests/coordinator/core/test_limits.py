"""Limits: rates as the contract words them, states coalesced, memory bounded."""

from collections.abc import Callable

import pytest

from coordinator.core.kit import QUEUE, House, Player
from soul_coordinator.core.deadlines import _STALE_KEPT
from soul_coordinator.core.rates import RATES_KEPT
from soul_protocol import limits

GONE = "00000000-0000-4000-8000-00000000ffff"


def stage() -> tuple[House, Player, Player]:
    house = House()
    kitchen, phone = house.device("Kitchen"), house.device("Phone", can_render=False)
    kitchen.playing()
    house.pass_time(limits.SECOND)
    return house, kitchen, phone


REQUESTS: tuple[Callable[[Player], object], ...] = (
    lambda phone: phone.ask("query", "request_state"),
    lambda phone: phone.command("seek", position_ms=1),
    lambda phone: phone.command("set_queue", tracks=QUEUE, start_index=0),
    lambda phone: phone.ask("transfer", "transfer_playback", to_device=GONE),
    lambda phone: phone.ask("manage", "delete_device", device_id=GONE),
    lambda phone: phone.raw("command", b"nonsense"),
)


def test_a_hundred_requests_a_minute_of_all_kinds_together() -> None:
    house, _, phone = stage()
    for number in range(limits.REQUESTS_PER_MINUTE):
        REQUESTS[number % len(REQUESTS)](phone)
    assert "rate_limited" not in phone.errors()
    heard = len(phone.heard)
    for ask in REQUESTS:
        ask(phone)
    assert [one["code"] for one in phone.heard[heard:]] == ["rate_limited"]
    assert phone.last("error")["retry_after_ms"] == 600
    house.pass_time(599)
    phone.ask("query", "request_state")
    assert phone.all("playback_state")[-1]["id"] != phone.new_id()
    answered = len(phone.all("playback_state"))
    house.pass_time(1)
    phone.ask("query", "request_state")
    assert len(phone.all("playback_state")) == answered + 1


def test_never_more_than_the_line_in_any_time() -> None:
    house, _, phone = stage()
    times: list[int] = []
    for step in range(900):
        house.pass_time((0, 100, 700)[step // 300])
        answered = len(phone.all("playback_state"))
        phone.ask("query", "request_state")
        if len(phone.all("playback_state")) > answered:
            times.append(house.now)
    for first, since in enumerate(times):
        for last in range(first, len(times)):
            assert last - first + 1 <= 100 + (times[last] - since) / 600


def test_what_is_dropped_is_answered_once_a_second_with_its_id() -> None:
    house, kitchen, phone = stage()
    for _ in range(limits.REQUESTS_PER_MINUTE):
        phone.ask("query", "request_state")
    first = phone.command("pause")
    for _ in range(5):
        phone.command("pause")
    assert [one["id"] for one in phone.all("error")] == [first]
    house.pass_time(550)
    phone.command("pause")
    assert len(phone.all("error")) == 1
    assert kitchen.all("execute_command") == []


def test_what_was_dropped_is_carried_out_once_when_it_is_asked_for_again() -> None:
    house, kitchen, phone = stage()
    for _ in range(limits.REQUESTS_PER_MINUTE):
        phone.ask("query", "request_state")
    request = phone.command("set_volume", volume=0.25)
    error = phone.last("error")
    assert (error["code"], error["id"]) == ("rate_limited", request)
    house.pass_time(error["retry_after_ms"])
    phone.command("set_volume", id=request, volume=0.25)
    house.pass_time(1_000)
    phone.command("set_volume", id=request, volume=0.25)
    assert [one["id"] for one in kitchen.all("execute_command")] == [request]
    assert phone.statuses(request) == ["accepted", "accepted"]


def test_rates_are_each_devices_own() -> None:
    _, kitchen, phone = stage()
    for _ in range(limits.REQUESTS_PER_MINUTE + 1):
        phone.ask("query", "request_state")
    assert phone.errors() == ["rate_limited"]
    kitchen.ask("query", "request_state")
    assert kitchen.errors() == []
    assert kitchen.all("playback_state")


def test_sixty_of_everything_else_a_minute() -> None:
    house, _, _ = stage()
    bath = house.stranger("Bath")
    bath.register()
    for _ in range(29):
        bath.ping()
        bath.outcome("failed", GONE)
    bath.raw("ping", b"{}")
    assert bath.errors() == ["invalid_command"]
    bath.ping()
    assert bath.errors() == ["invalid_command", "rate_limited"]
    assert bath.last("error")["retry_after_ms"] == 1_000
    assert bath.register(again=True) is None
    house.pass_time(1_000)
    assert bath.register(again=True) is not None


@pytest.mark.parametrize("how", ["will", "goodbye"])
def test_a_farewell_of_the_current_connection_is_never_dropped(how: str) -> None:
    house, kitchen, _ = stage()
    for _ in range(limits.OTHER_PER_MINUTE + 5):
        kitchen.ping()
    assert kitchen.errors() == ["rate_limited"]
    if how == "will":
        kitchen.lose("e" * 16)
        kitchen.lose()
        house.pass_time(limits.LOSS_GRACE)
    else:
        kitchen.leave()
    assert not house.devices()["Kitchen"]["is_online"]
    house.pass_time(limits.MINUTE)
    kitchen.conns = 0xEEEEEEEE - 1
    assert kitchen.register() is not None


def test_states_over_ten_a_second_are_coalesced_and_the_latest_wins() -> None:
    house, kitchen, _ = stage()
    sequence = house.state()["sequence"]
    for number in range(1, 26):
        kitchen.report(position_ms=10_000 * number)
    state = house.state()
    assert (state["sequence"], state["position_ms"]) == (sequence + 10, 100_000)
    house.pass_time(limits.SECOND - 1)
    assert house.state()["sequence"] == sequence + 10
    house.pass_time(1)
    state = house.state()
    assert (state["sequence"], state["position_ms"]) == (sequence + 11, 250_000)
    assert kitchen.errors() == []


def full(house: House, kitchen: Player) -> None:
    """Use up the states of this second."""
    for number in range(limits.STATES_PER_SECOND):
        kitchen.report(position_ms=number * 10_000)
    house.pass_time(1)


def test_no_applied_and_no_refused_is_lost_over_the_rate() -> None:
    house, kitchen, phone = stage()
    full(house, kitchen)
    requests = [phone.command("seek", position_ms=1_000 * n) for n in range(30)]
    for number, request in enumerate(requests):
        if number % 3:
            kitchen.report(applied=[request], position_ms=1_000 * number)
        else:
            kitchen.report(refused=[{"id": request, "code": "unsupported"}])
        kitchen.report(position_ms=1_000 * number)
    house.pass_time(limits.SECOND)
    ends = [phone.statuses(request)[-1] for request in requests]
    assert ends == ["applied" if number % 3 else "rejected/unsupported" for number in range(30)]
    assert house.state()["position_ms"] == 29_000


def test_what_is_held_does_not_come_after_what_came_later() -> None:
    house, kitchen, phone = stage()
    full(house, kitchen)
    request = phone.command("pause")
    kitchen.report(position_ms=5_000, is_playing=True)
    kitchen.report(applied=[request], is_playing=False, position_ms=6_000)
    house.pass_time(limits.SECOND)
    assert (house.state()["is_playing"], house.state()["position_ms"]) == (False, 6_000)


@pytest.mark.parametrize("what", ["goodbye", "register"])
def test_what_is_held_counts_before_its_device_goes_or_comes_again(what: str) -> None:
    house, kitchen, _ = stage()
    full(house, kitchen)
    kitchen.report(position_ms=123_000)
    if what == "goodbye":
        kitchen.leave()
    else:
        kitchen.register()
    assert house.state()["position_ms"] == 123_000


def test_coalesced_reports_keep_what_only_the_earlier_says() -> None:
    house, kitchen, _ = stage()
    full(house, kitchen)
    kitchen.report(queue=["a", "b"], queue_position=1, position_ms=1)
    kitchen.report(queue_position=0, track_id="a", position_ms=2)
    kitchen.idle(0.25)
    kitchen.idle(0.125)
    house.pass_time(limits.SECOND)
    state = house.state()
    assert (state["queue"], state["track_id"], state["volume"]) == (["a", "b"], "a", 0.125)


def test_coalesced_reports_of_an_older_epoch_or_a_queue_are_replaced() -> None:
    house, kitchen, _ = stage()
    full(house, kitchen)
    kitchen.idle(0.25)
    kitchen.report(queue=["x"], queue_position=0, epoch=0)
    kitchen.report(queue=["y"], queue_position=0, position_ms=3)
    kitchen.report(queue=["z"], queue_position=0, position_ms=3)
    house.pass_time(limits.SECOND)
    assert (house.state()["queue"], house.state()["position_ms"]) == (["z"], 3)
    assert kitchen.all("stop_playback") == []


def test_broken_states_count_as_states() -> None:
    house, kitchen, _ = stage()
    for _ in range(limits.STATES_PER_SECOND + 5):
        kitchen.raw("state", b"{")
    assert kitchen.errors() == ["invalid_command"] * limits.STATES_PER_SECOND + ["rate_limited"]
    house.pass_time(limits.SECOND)
    kitchen.raw("state", b"{")
    assert kitchen.errors()[-1] == "invalid_command"


def test_of_strangers_few_are_remembered_and_registered_devices_always() -> None:
    house, _, phone = stage()
    for _ in range(limits.REQUESTS_PER_MINUTE):
        phone.ask("query", "request_state")
    for _ in range(2 * RATES_KEPT):
        house.stranger().ping()
    phone.ask("query", "request_state")
    assert phone.errors() == ["rate_limited"]
    assert len(house.core.users["ann"].rates.devices) <= RATES_KEPT


def test_deadlines_that_were_overtaken_do_not_pile_up() -> None:
    house, kitchen, phone = stage()
    for _ in range(3 * _STALE_KEPT):
        house.pass_time(1)
        request = phone.command("seek", position_ms=1, expires_at=house.now + 100)
        house.pass_time(1)
        kitchen.report(applied=[request], position_ms=1)
        house.pass_time(1_000)
        phone.ping()
    assert len(house.core._agenda._heap) <= 2 + _STALE_KEPT


def test_spent_connections_are_bounded() -> None:
    house, kitchen, _ = stage()
    for number in range(40):
        house.pass_time(1_000)
        kitchen.lose(f"{number:016x}")
        kitchen.register()
    spent = house.store.of("ann").devices[kitchen.id].spent
    assert len(spent) == 16
    assert spent[-1] not in {kitchen.conn, f"{0:016x}"}


def test_a_transfer_too_soon_after_one_that_was_told_so_is_told_in_its_turn() -> None:
    """Someone taps one device after the other: each tap has an end."""
    house = House()
    phone, kitchen, study = house.device("Phone"), house.device("Kitchen"), house.device("Study")
    kitchen.playing()
    house.pass_time(2_000)
    phone.transfer(study)
    house.pass_time(500)
    phone.transfer(kitchen)
    assert phone.last("error")["retry_after_ms"] == 500
    house.pass_time(500)
    phone.transfer(kitchen)
    house.pass_time(300)
    heard = len(phone.all("error"))
    third = phone.transfer(study)
    assert len(phone.all("error")) == heard
    house.pass_time(300)
    told = phone.last("error")
    assert (told["id"], told["code"], told["retry_after_ms"]) == (third, "rate_limited", 500)
    house.pass_time(10_000)
    assert len(phone.all("error")) == heard + 1
