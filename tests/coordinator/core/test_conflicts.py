"""Conflicts: which of two commands wins, and which comes too late."""

from typing import Any

import pytest

from coordinator.core.kit import QUEUE, House, Player
from soul_protocol import limits

CLASSES: dict[str, tuple[tuple[str, dict[str, Any]], tuple[str, dict[str, Any]]]] = {
    "playing": (("pause", {}), ("play", {})),
    "stop": (("stop", {}), ("pause", {})),
    "seek": (("seek", {"position_ms": 1}), ("seek", {"position_ms": 2})),
    "queue": (
        ("set_queue", {"tracks": ["a"], "start_index": 0}),
        ("set_queue", {"tracks": ["b"], "start_index": 0}),
    ),
    "volume": (("set_volume", {"volume": 0.1}), ("set_volume", {"volume": 0.2})),
    "shuffle": (("set_shuffle", {"enabled": True}), ("set_shuffle", {"enabled": False})),
    "repeat": (("set_repeat", {"mode": "one"}), ("set_repeat", {"mode": "all"})),
}


def stage() -> tuple[House, Player, Player, Player]:
    house = House()
    kitchen, phone, tablet = house.device("Kitchen"), house.device("Phone"), house.device("Tablet")
    kitchen.playing()
    house.pass_time(10_000)
    return house, kitchen, phone, tablet


def executed(player: Player) -> list[str]:
    return [one["id"] for one in player.all("execute_command")]


@pytest.mark.parametrize("name", CLASSES)
def test_in_a_class_the_latest_issued_at_wins_whoever_sent_it(name: str) -> None:
    house, kitchen, phone, tablet = stage()
    (one, fields), (other, others) = CLASSES[name]
    late = phone.command(one, issued_at=house.now - 100, **fields)
    early = tablet.command(other, issued_at=house.now - 101, **others)
    same = tablet.command(other, issued_at=house.now - 100, **others)
    assert phone.statuses(late) == ["accepted"]
    assert tablet.statuses(early) == ["superseded"]
    assert tablet.statuses(same) == ["accepted"]
    assert executed(kitchen) == [late, same]


@pytest.mark.parametrize("name", CLASSES)
def test_the_classes_do_not_touch_each_other(name: str) -> None:
    house, _, phone, tablet = stage()
    (one, fields), _ = CLASSES[name]
    phone.command(one, issued_at=house.now, **fields)
    for other, ((kind, more), _) in CLASSES.items():
        if {name, other} in ({name}, {"playing", "stop"}):
            continue
        request = tablet.command(kind, issued_at=house.now - 5_000, **more)
        assert tablet.statuses(request) == ["accepted"]


def test_the_volume_class_is_each_devices_own() -> None:
    house, kitchen, phone, tablet = stage()
    phone.command("set_volume", volume=0.1, issued_at=house.now)
    other = phone.command("set_volume", to=tablet, volume=0.1, issued_at=house.now - 100)
    assert phone.statuses(other) == ["accepted"]
    late = phone.command("set_volume", to=kitchen, volume=0.1, issued_at=house.now - 100)
    assert phone.statuses(late) == ["superseded"]


def test_who_won_is_known_after_a_restart() -> None:
    house, kitchen, phone, _ = stage()
    phone.command("pause", issued_at=house.now)
    phone.command("set_volume", volume=0.1, issued_at=house.now)
    house.start()
    kitchen.register(again=True, resume=True)
    phone.register(again=True)
    again: list[tuple[str, dict[str, Any]]] = [("play", {}), ("set_volume", {"volume": 0.9})]
    for kind, fields in again:
        late = phone.command(kind, issued_at=house.now - 1, **fields)
        assert phone.statuses(late) == ["superseded"]


def test_a_rejected_command_wins_over_nothing() -> None:
    house, kitchen, phone, tablet = stage()
    kitchen.leave()
    assert phone.statuses(phone.command("pause", issued_at=house.now)) == ["rejected/device_offline"]
    kitchen.register(resume=True)
    late = tablet.command("pause", issued_at=house.now - 100)
    assert tablet.statuses(late) == ["accepted"]


def test_a_time_in_the_future_is_now() -> None:
    house, _, phone, tablet = stage()
    ahead = phone.command("pause", issued_at=house.now + limits.HOUR)
    assert phone.statuses(ahead) == ["accepted"]
    house.pass_time(1)
    after = tablet.command("play", issued_at=house.now)
    assert tablet.statuses(after) == ["accepted"]


def test_an_absent_time_is_now() -> None:
    house, _, phone, tablet = stage()
    phone.command("pause", issued_at=house.now)
    absent = tablet.command("play")
    late = phone.command("play", issued_at=house.now - 1)
    assert tablet.statuses(absent) == ["accepted"]
    assert phone.statuses(late) == ["superseded"]


def test_more_than_30_s_old_is_expired() -> None:
    house, kitchen, phone, _ = stage()
    house.pass_time(60_000)
    phone.ping()
    kitchen.ping()
    old = phone.command("pause", issued_at=house.now - limits.ISSUED_AT_MAX_AGE - 1)
    just = phone.command("pause", issued_at=house.now - limits.ISSUED_AT_MAX_AGE)
    step = phone.command("next", issued_at=house.now - limits.ISSUED_AT_MAX_AGE - 1)
    assert phone.statuses(old) == phone.statuses(step) == ["expired"]
    assert phone.statuses(just) == ["accepted"]
    assert executed(kitchen) == [just]


def test_expires_at_is_5_s_unless_given_and_30_s_at_most() -> None:
    house, kitchen, phone, _ = stage()
    asked: list[tuple[int | None, int]] = [
        (None, limits.COMMAND_LIFETIME),
        (1_000, 1_000),
        (limits.HOUR, limits.COMMAND_LIFETIME_MAX),
    ]
    for given, meant in asked:
        more: dict[str, Any] = {} if given is None else {"expires_at": house.now + given}
        phone.command("seek", position_ms=1, **more)
        assert kitchen.executed()["expires_at"] == house.now + meant


def test_passed_already_is_expired() -> None:
    house, kitchen, phone, _ = stage()
    request = phone.command("pause", expires_at=house.now)
    assert phone.statuses(request) == ["expired"]
    assert executed(kitchen) == []


def test_next_and_previous_are_outside_the_classes() -> None:
    house, kitchen, phone, _ = stage()
    first = phone.command("next", issued_at=house.now)
    second = phone.command("next", issued_at=house.now - 5_000)
    third = phone.command("previous", issued_at=house.now - 6_000)
    assert executed(kitchen) == [first, second, third]


@pytest.mark.parametrize("kind", ["next", "previous"])
def test_a_double_tap_steps_once(kind: str) -> None:
    house, kitchen, phone, tablet = stage()
    kitchen.report(queue_position=4, position_ms=0)
    first = phone.command(kind, expect_position=4)
    second = tablet.command(kind, expect_position=4)
    assert phone.statuses(first) == ["accepted"]
    assert tablet.statuses(second) == ["superseded"]
    place = kitchen.executed()["command"]["queue_position"]
    assert place == (5 if kind == "next" else 3)
    meant = tablet.command(kind, expect_position=place)
    assert tablet.statuses(meant) == ["accepted"]
    assert house.state()["queue_position"] == 4


def test_a_repeated_id_is_answered_again_and_carried_out_once() -> None:
    _, kitchen, phone, _ = stage()
    request = phone.command("next")
    phone.command("next", id=request)
    assert phone.statuses(request) == ["accepted", "accepted"]
    kitchen.report(applied=[request], queue_position=1)
    phone.command("next", id=request)
    first, _, applied, again = phone.results(request)
    assert applied == again != first
    assert executed(kitchen) == [request]


@pytest.mark.parametrize("kind", ["transfer", "claim", "rename", "delete", "broken"])
def test_any_repeated_request_is_answered_again_and_done_once(kind: str) -> None:
    house, _, phone, tablet = stage()
    spare = house.device("Spare")

    def ask(**again: Any) -> str:
        match kind:
            case "transfer":
                return phone.transfer(spare, **again)
            case "claim":
                return phone.claim(**again)
            case "rename":
                return phone.ask("manage", "rename_device", device_id=spare.id, name="Other", **again)
            case "delete":
                return phone.ask("manage", "delete_device", device_id=spare.id, **again)
            case _:
                return phone.ask("command", "playback_command", command={"type": "dance"}, **again)

    request = ask()
    house.pass_time(limits.SECOND)
    before, said = house.core.users["ann"].playback, len(house.everyone["ann"])
    orders = len(spare.heard) + len(tablet.heard)
    ask(id=request)
    results = phone.results(request)
    assert results[0] == results[-1]
    assert len(results) == 2
    assert house.core.users["ann"].playback == before
    assert len(house.everyone["ann"]) == said
    assert len(spare.heard) + len(tablet.heard) == orders


def test_a_repeated_id_is_known_after_a_restart() -> None:
    house, kitchen, phone, _ = stage()
    waiting, done = phone.command("pause"), phone.command("next")
    kitchen.report(applied=[done], queue_position=1)
    house.start()
    kitchen.register(again=True, resume=True)
    phone.register(again=True)
    orders = len(executed(kitchen))
    phone.command("next", id=done)
    phone.command("pause", id=waiting)
    assert phone.statuses(done)[-1] == "applied"
    assert phone.statuses(waiting)[-1] == "accepted"
    assert len(executed(kitchen)) == orders


def test_ids_are_remembered_for_10_minutes() -> None:
    house, kitchen, phone, _ = stage()
    request = phone.command("next")
    kitchen.report(applied=[request], queue_position=1)
    for _ in range(10):
        house.pass_time(limits.MINUTE)
        kitchen.ping()
        phone.ping()
    phone.command("next", id=request)
    assert phone.statuses(request)[-1] == "applied"
    house.pass_time(1)
    phone.command("next", id=request)
    assert phone.statuses(request)[-1] == "accepted"
    assert len(executed(kitchen)) == 2


def test_the_latest_1024_ids_of_a_device_are_remembered() -> None:
    house, _, phone, _ = stage()
    started = house.now
    gone = "00000000-0000-4000-8000-00000000ffff"
    requests = []
    for number in range(limits.REMEMBERED_IDS + 1):
        if number >= limits.REQUESTS_PER_MINUTE:
            house.pass_time(600)
        phone.ping()
        requests.append(phone.ask("transfer", "transfer_playback", to_device=gone))
    assert house.now - started < limits.REMEMBERED_FOR
    kept = house.core.users["ann"].receipts[phone.id]
    assert list(kept) == requests[1:]
    assert {one for device, one in house.store.of("ann").receipts if device == phone.id} == kept.keys()


def test_ids_belong_to_the_device_that_sent_them() -> None:
    _, kitchen, phone, tablet = stage()
    request = phone.command("pause")
    tablet.command("seek", id=request, position_ms=1)
    assert tablet.statuses(request) == ["accepted"]
    assert executed(kitchen) == [request, request]
    kitchen.report(applied=[request], is_playing=False)
    assert phone.statuses(request) == tablet.statuses(request) == ["accepted", "applied"]


def test_a_bad_message_changes_nothing() -> None:
    house, _, phone, _ = stage()
    before = house.core.users["ann"].playback
    for payload in (b"{", b"[]", b'{"type":"play"}', b'{"type":"playback_command","id":"x"}'):
        phone.raw("command", payload)
    assert phone.errors() == ["invalid_command"] * 4
    heard = len(phone.heard)
    phone.raw("command", b"")
    assert len(phone.heard) == heard
    request = phone.ask("command", "playback_command", command={"type": "seek", "position_ms": -1})
    assert phone.statuses(request) == ["rejected/invalid_command"]
    assert house.core.users["ann"].playback == before


@pytest.mark.parametrize(
    ("channel", "kind", "fields"),
    [
        (
            "command",
            "playback_command",
            {"command": {"type": "set_queue", "tracks": QUEUE, "start_index": 0}},
        ),
        ("queue", "playback_command", {"command": {"type": "pause"}}),
        ("transfer", "rename_device", {"device_id": "00000001-0000-4000-8000-000000000000", "name": "x"}),
        ("query", "delete_device", {"device_id": "00000001-0000-4000-8000-000000000000"}),
    ],
)
def test_a_message_on_the_wrong_topic_is_an_invalid_command(
    channel: str, kind: str, fields: dict[str, Any]
) -> None:
    house, kitchen, phone, _ = stage()
    request = phone.ask(channel, kind, **fields)
    assert phone.statuses(request) == ["rejected/invalid_command"]
    assert executed(kitchen) == []
    assert set(house.devices()) == {"Kitchen", "Phone", "Tablet"}


def test_unknown_fields_are_ignored() -> None:
    _, kitchen, phone, _ = stage()
    request = phone.ask("command", "playback_command", command={"type": "pause", "fade_ms": 3}, mood="good")
    assert phone.statuses(request) == ["accepted"]
    assert kitchen.executed()["command"] == {"type": "pause"}


def test_a_broken_message_of_a_stranger_is_answered_and_not_remembered() -> None:
    house, _, _, _ = stage()
    stranger = house.stranger()
    request = stranger.ask("command", "playback_command", command={"type": "dance"})
    assert (stranger.last("error")["code"], stranger.last("error")["id"]) == ("invalid_command", request)
    assert stranger.id not in house.core.users["ann"].receipts
