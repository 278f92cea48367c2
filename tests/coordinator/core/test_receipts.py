"""Receipts: every request with an id ends in exactly one final result, which never changes."""

from typing import Any

import pytest

from coordinator.core.kit import QUEUE, House, Player
from soul_coordinator.core.forwarding import PENDING_MAX, PENDING_QUEUES
from soul_coordinator.core.receipts import DEVICES_KEPT
from soul_protocol import limits


def stage() -> tuple[House, Player, Player]:
    house = House()
    kitchen, phone = house.device("Kitchen"), house.device("Phone")
    kitchen.playing()
    return house, kitchen, phone


def executed(player: Player) -> list[str]:
    return [one["id"] for one in player.all("execute_command")]


def test_accepted_when_forwarded_and_applied_when_the_report_lists_it() -> None:
    house, kitchen, phone = stage()
    request = phone.command("pause")
    assert phone.results(request) == [{"type": "command_result", "id": request, "status": "accepted"}]
    kitchen.report(applied=[request], is_playing=False)
    assert phone.results(request)[1:] == [
        {
            "type": "command_result",
            "id": request,
            "status": "applied",
            "sequence": house.state()["sequence"],
            "epoch": 1,
        }
    ]


def test_several_are_applied_by_one_report_in_one_sequence() -> None:
    house, kitchen, phone = stage()
    sequence = house.state()["sequence"]
    requests = [phone.command("pause"), phone.command("seek", position_ms=9)]
    kitchen.report(applied=requests, is_playing=False, position_ms=9)
    assert [phone.results(one)[-1]["sequence"] for one in requests] == [sequence + 1] * 2
    assert house.state()["applied"][-2:] == requests


def test_rejected_when_the_report_refuses_it() -> None:
    house, kitchen, phone = stage()
    sequence = house.state()["sequence"]
    request = phone.command("seek", position_ms=5)
    kitchen.report(refused=[{"id": request, "code": "unsupported"}])
    assert phone.statuses(request) == ["accepted", "rejected/unsupported"]
    assert house.state()["sequence"] == sequence


def test_what_is_both_applied_and_refused_is_applied() -> None:
    _, kitchen, phone = stage()
    request = phone.command("seek", position_ms=5)
    kitchen.report(applied=[request], refused=[{"id": request, "code": "unsupported"}], position_ms=5)
    assert phone.statuses(request) == ["accepted", "applied"]


@pytest.mark.parametrize("how", ["claim", "transfer", "delete"])
def test_rejected_as_not_active_when_the_renderer_changed(how: str) -> None:
    house, kitchen, phone = stage()
    bath = house.device("Bath")
    request = phone.command("seek", position_ms=5)
    volume = phone.command("set_volume", volume=0.1)
    if how == "claim":
        bath.claim()
    elif how == "transfer":
        phone.transfer(bath)
        bath.outcome("ready", bath.last("prepare_playback")["transfer_id"])
    else:
        phone.ask("manage", "delete_device", device_id=kitchen.id)
    code = "device_not_found" if how == "delete" else "not_active"
    assert phone.statuses(request) == ["accepted", f"rejected/{code}"]
    if how != "delete":
        assert phone.statuses(volume) == ["accepted"]
        kitchen.idle(0.1, applied=[volume])
        assert phone.statuses(volume) == ["accepted", "applied"]


def test_rejected_as_timeout_when_nobody_answered_until_expires_at() -> None:
    house, _, phone = stage()
    request = phone.command("pause")
    long = phone.command("seek", position_ms=5, expires_at=house.now + 20_000)
    house.pass_time(limits.COMMAND_LIFETIME - 1)
    assert phone.statuses(request) == ["accepted"]
    house.pass_time(1)
    assert phone.statuses(request) == ["accepted", "rejected/timeout"]
    house.pass_time(14_999)
    assert phone.statuses(long) == ["accepted"]
    house.pass_time(1)
    assert phone.statuses(long) == ["accepted", "rejected/timeout"]


@pytest.mark.parametrize("final", ["applied", "refused", "timeout", "not_active"])
def test_a_final_answer_never_changes(final: str) -> None:
    house, kitchen, phone = stage()
    request = phone.command("pause")
    if final == "applied":
        kitchen.report(applied=[request], is_playing=False)
    elif final == "refused":
        kitchen.report(refused=[{"id": request, "code": "unsupported"}])
    elif final == "timeout":
        house.pass_time(limits.COMMAND_LIFETIME)
    else:
        phone.claim()
        kitchen.playing()
    answer = phone.results(request)[-1]
    kitchen.report(applied=[request], is_playing=False)
    kitchen.report(refused=[{"id": request, "code": "device_offline"}])
    house.pass_time(limits.COMMAND_LIFETIME)
    kitchen.register()
    phone.command("pause", id=request)
    assert phone.results(request)[1:] == [answer, answer]


@pytest.mark.parametrize("again", [False, True])
def test_what_is_pending_is_sent_again_when_its_device_registers_again(again: bool) -> None:
    house, kitchen, phone = stage()
    requests = [phone.command("pause", expires_at=house.now + 20_000), phone.command("next")]
    if again:
        house.start()
        phone.register(again=True)
    else:
        kitchen.lose()
    first = kitchen.all("execute_command")
    kitchen.register(again=again, resume=True)
    assert kitchen.all("execute_command") == first * 2
    kitchen.report(applied=requests, is_playing=False, queue_position=1)
    assert [phone.statuses(one)[-1] for one in requests] == ["applied"] * 2
    kitchen.register()
    assert len(executed(kitchen)) == 4


def test_a_repeated_register_of_a_live_connection_sends_nothing_again() -> None:
    _, kitchen, phone = stage()
    phone.command("pause")
    kitchen.register(again=True)
    assert len(executed(kitchen)) == 1


def test_what_expired_meanwhile_is_not_sent_again() -> None:
    house, kitchen, phone = stage()
    request = phone.command("pause")
    kitchen.lose()
    house.now += limits.COMMAND_LIFETIME
    kitchen.register(resume=True)
    assert executed(kitchen) == [request]
    assert phone.statuses(request) == ["accepted", "rejected/timeout"]


@pytest.mark.parametrize("end", ["applied", "transfer_failed"])
def test_a_command_run_as_a_transfer_ends_with_it(end: str) -> None:
    house, _, phone = stage()
    bath = house.device("Bath")
    request = phone.command("play", to=bath)
    transfer = bath.last("prepare_playback")["transfer_id"]
    if end == "applied":
        bath.outcome("ready", transfer)
        bath.outcome("started", transfer)
        assert phone.statuses(request) == ["accepted", "applied"]
    else:
        house.pass_time(limits.TRANSFER_STEP)
        assert phone.statuses(request) == ["accepted", "rejected/transfer_failed"]


def test_the_answer_to_a_query_carries_its_id() -> None:
    house, kitchen, phone = stage()
    devices, state = phone.ask("query", "request_devices"), phone.ask("query", "request_state")
    update, shown = phone.last("devices_update"), phone.last("playback_state")
    assert (update["id"], shown["id"]) == (devices, state)
    assert {one["id"] for one in update["devices"]} == {kitchen.id, phone.id}
    assert shown["state"] == house.state()
    assert phone.all("command_result") == []


def test_pending_commands_are_bounded() -> None:
    house, kitchen, _ = stage()
    phones = [house.device(f"Phone {n}") for n in range(4)]
    statuses: list[str] = []
    for number in range(PENDING_MAX + 4):
        phone = phones[number % 4]
        statuses += phone.statuses(phone.command("set_volume", volume=0.5, expires_at=house.now + 30_000))
    assert statuses == ["accepted"] * PENDING_MAX + ["rejected/rate_limited"] * 4
    assert len(house.core.users["ann"].pending) == len(house.store.of("ann").pending) == PENDING_MAX
    # A command of the coordinator's own finds no place either, and nobody waits for it.
    house.pass_time(1)
    kitchen.ping()
    kitchen.lose()
    kitchen.register(resume=True)
    assert len(house.core.users["ann"].pending) == PENDING_MAX


def test_a_device_becomes_active_only_where_there_is_room_for_all_it_is_told() -> None:
    house = House()
    kitchen, phones = house.device("Kitchen"), [house.device(f"Phone {n}") for n in range(4)]
    for number in range(PENDING_MAX):
        phone = phones[number % 4]
        phone.command("set_volume", to=kitchen, volume=0.5, expires_at=house.now + 30_000)
    before = house.core.users["ann"].playback
    for kind in ("play", "set_queue"):
        fields = {"tracks": ["a"], "start_index": 0} if kind == "set_queue" else {}
        request = phones[0].command(kind, to=kitchen, **fields)
        assert phones[0].statuses(request) == ["rejected/rate_limited"]
    assert house.core.users["ann"].playback == before
    assert before.device_id is None


def test_queues_that_wait_are_fewer() -> None:
    house, _, phone = stage()
    statuses: list[str] = []
    for number in range(PENDING_QUEUES + 2):
        statuses += phone.statuses(phone.command("set_queue", tracks=[str(number)], start_index=0))
    assert statuses == ["accepted"] * PENDING_QUEUES + ["rejected/rate_limited"] * 2
    assert phone.statuses(phone.command("pause")) == ["accepted"]
    assert len(house.store.of("ann").pending) == PENDING_QUEUES + 1


def test_answers_to_those_who_are_gone_are_kept_for_10_minutes_and_not_without_bound() -> None:
    house, kitchen, phone = stage()
    phone.command("pause")
    lines = []
    for _ in range(DEVICES_KEPT + 5):
        line = house.stranger()
        line.register(ephemeral=True)
        line.command("set_repeat", mode="all")
        line.leave()
        lines.append(line)
        house.pass_time(5_000)
    kept = house.core.users["ann"].receipts
    assert len(kept) == DEVICES_KEPT
    assert lines[0].id not in kept
    assert {lines[-1].id, phone.id} <= kept.keys()
    assert {key[0] for key in house.store.of("ann").receipts} == kept.keys()
    for _ in range(11):
        house.pass_time(limits.MINUTE)
        kitchen.ping()
        phone.ping()
    assert kept.keys() <= {kitchen.id, phone.id}
    assert {key[0] for key in house.store.of("ann").receipts} == kept.keys()


def test_old_answers_are_forgotten_as_new_ones_come() -> None:
    house, kitchen, phone = stage()
    for _ in range(12):
        house.pass_time(limits.MINUTE)
        kitchen.ping()
        phone.ping()
        kitchen.report(applied=[phone.command("seek", position_ms=1)], position_ms=1)
    assert len(house.core.users["ann"].receipts[phone.id]) == 11


def test_a_command_that_still_waits_keeps_its_answer() -> None:
    house, kitchen, phone = stage()
    waiting = phone.command("seek", position_ms=1, expires_at=house.now + 30_000)
    user = house.core.users["ann"]
    for _ in range(limits.REQUESTS_PER_MINUTE - 1):
        kitchen.report(applied=[phone.command("seek", position_ms=2)], position_ms=2)
    assert waiting in user.receipts[phone.id]


@pytest.mark.parametrize("kind", ["play", "pause", "next", "seek", "set_queue", "set_volume"])
def test_every_request_has_one_final_result_whatever_becomes_of_the_device(kind: str) -> None:
    fields: dict[str, dict[str, Any]] = {
        "seek": {"position_ms": 1},
        "set_queue": {"tracks": QUEUE, "start_index": 0},
        "set_volume": {"volume": 0.3},
    }
    house, kitchen, phone = stage()
    request = phone.command(kind, **fields.get(kind, {}))
    kitchen.lose()
    house.start()
    phone.register(again=True)
    house.pass_time(limits.COMMAND_LIFETIME_MAX)
    assert phone.statuses(request) == ["accepted", "rejected/timeout"]
