"""Who renders, conflicts, receipts."""

import pytest

from coordinator.core.kit import QUEUE, START, House, Player
from soul_protocol import limits


def stage(*names: str) -> tuple[House, list[Player]]:
    """A house whose first device plays."""
    house = House()
    devices = [house.device(name) for name in names]
    devices[0].playing()
    return house, devices


def test_with_no_active_device_play_takes_the_sender_if_it_can_render() -> None:
    house = House()
    phone = house.device("Phone", can_render=False)
    assert phone.statuses(phone.command("play")) == ["rejected/no_active_device"]
    kitchen = house.device("Kitchen")
    queue = kitchen.command("set_queue", tracks=QUEUE, start_index=2)
    assert house.state()["device_id"] == kitchen.id
    assert house.state()["epoch"] == 1
    assert not house.state()["is_playing"]
    assert kitchen.executed()["command"]["start_index"] == 2
    kitchen.report(applied=[queue], is_playing=False, queue_position=2)
    assert kitchen.statuses(queue) == ["accepted", "applied"]
    assert house.state()["queue"] == QUEUE
    assert house.state()["queue_rev"] == 1


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("pause", {}),
        ("stop", {}),
        ("seek", {"position_ms": 5}),
        ("next", {}),
        ("set_shuffle", {"enabled": True}),
        ("set_repeat", {"mode": "all"}),
    ],
)
def test_naming_a_device_that_is_not_active(kind: str, fields: dict[str, object]) -> None:
    _, (kitchen, attic) = stage("Kitchen", "Attic")
    assert kitchen.statuses(kitchen.command(kind, to=attic, **fields)) == ["rejected/not_active"]


def test_volume_is_a_devices_own() -> None:
    house, (kitchen, attic) = stage("Kitchen", "Attic")
    sequence = house.state()["sequence"]
    request = kitchen.command("set_volume", to=attic, volume=0.25)
    attic.idle(0.25, applied=[request])
    assert kitchen.statuses(request) == ["accepted", "applied"]
    assert house.devices()["Attic"]["volume"] == 0.25
    assert house.state()["sequence"] == sequence


def test_who_cannot_be_meant() -> None:
    house, (kitchen, attic) = stage("Kitchen", "Attic")
    phone = house.device("Phone", can_render=False, can_control=False)
    other = house.device("Elsewhere", user="bob")
    assert kitchen.statuses(kitchen.command("play", to=phone)) == ["rejected/unsupported"]
    assert kitchen.statuses(kitchen.command("play", to=other)) == ["rejected/device_not_found"]
    assert phone.statuses(phone.command("pause")) == ["rejected/not_authorized"]
    attic.leave()
    assert kitchen.statuses(kitchen.command("play", to=attic)) == ["rejected/device_offline"]
    assert other.heard == [other.last("registered")]


def test_the_latest_issued_at_wins_in_its_class_only() -> None:
    house, (kitchen, phone) = stage("Kitchen", "Phone")
    house.pass_time(10_000)
    late = phone.command("pause", issued_at=house.now - 100)
    early = phone.command("play", issued_at=house.now - 200)
    same = phone.command("play", issued_at=house.now - 100)
    other = phone.command("seek", position_ms=1, issued_at=house.now - 5_000)
    assert phone.statuses(late) == ["accepted"]
    assert phone.statuses(early) == ["superseded"]
    assert phone.statuses(same) == ["accepted"]
    assert phone.statuses(other) == ["accepted"]
    assert [one["id"] for one in kitchen.all("execute_command")] == [late, same, other]


def test_times_in_the_future_are_now_and_old_ones_expired() -> None:
    house, (_, phone) = stage("Kitchen", "Phone")
    house.pass_time(limits.HOUR // 60)
    ahead = phone.command("pause", issued_at=house.now + limits.HOUR)
    after = phone.command("play")
    old = phone.command("pause", issued_at=house.now - limits.ISSUED_AT_MAX_AGE - 1)
    over = phone.command("pause", expires_at=house.now)
    assert phone.statuses(ahead) == ["accepted"]
    assert phone.statuses(after) == ["accepted"]
    assert phone.statuses(old) == ["expired"]
    assert phone.statuses(over) == ["expired"]
    long = phone.command("seek", position_ms=1, expires_at=house.now + limits.HOUR)
    assert house.players[house.state()["device_id"]].executed()["expires_at"] == (
        house.now + limits.COMMAND_LIFETIME_MAX
    )
    assert phone.statuses(long) == ["accepted"]


def test_a_double_tap_skips_once() -> None:
    house, (kitchen, phone) = stage("Kitchen", "Phone")
    first = phone.command("next", expect_position=0)
    second = phone.command("next", expect_position=0)
    third = phone.command("next")
    assert phone.statuses(second) == ["superseded"]
    places = [one["command"]["queue_position"] for one in kitchen.all("execute_command")]
    assert places == [1, 2]
    kitchen.report(applied=[first], queue_position=1)
    kitchen.report(applied=[third], queue_position=2)
    assert house.state()["queue_position"] == 2


def test_next_past_the_end_and_previous() -> None:
    house, (kitchen, phone) = stage("Kitchen", "Phone")
    kitchen.report(queue_position=7)
    phone.command("next")
    assert kitchen.executed()["command"] == {"type": "next", "queue_position": 7, "is_playing": False}
    house.pass_time(limits.MINUTE)
    kitchen.ping()
    phone.ping()
    kitchen.report(queue_position=7, repeat_mode="all", position_ms=4_000)
    phone.command("next")
    assert kitchen.executed()["command"] == {"type": "next", "queue_position": 0}
    house.pass_time(limits.MINUTE)
    kitchen.report(queue_position=7, position_ms=4_000)
    phone.command("previous")
    assert kitchen.executed()["command"]["queue_position"] == 7
    house.pass_time(limits.MINUTE)
    kitchen.report(queue_position=7, position_ms=1_000)
    phone.command("previous")
    assert kitchen.executed()["command"]["queue_position"] == 6


def test_another_queue_than_expected_is_superseded() -> None:
    house, (kitchen, phone) = stage("Kitchen", "Phone")
    rev = house.state()["queue_rev"]
    first = phone.command("set_queue", tracks=["a"], start_index=0, expect_rev=rev)
    second = phone.command("set_queue", tracks=["b"], start_index=0, expect_rev=rev)
    assert phone.statuses(second) == ["superseded"]
    kitchen.report(applied=[first], queue_position=0, queue=["a"])
    assert house.state()["queue"] == ["a"]


def test_shuffle_permutes_current_first_and_off_gives_the_order_back() -> None:
    house, (kitchen, phone) = stage("Kitchen", "Phone")
    kitchen.report(queue_position=3)
    on = phone.command("set_shuffle", enabled=True)
    carried = kitchen.executed()["command"]
    assert carried["queue_position"] == 0
    assert carried["queue"][0] == QUEUE[3]
    assert sorted(carried["queue"]) == sorted(QUEUE)
    assert carried["queue"][1:] != [track for track in QUEUE if track != QUEUE[3]]
    kitchen.report(applied=[on], shuffle=True, queue_position=0)
    assert house.state()["queue"] == carried["queue"]
    house.start()
    kitchen.register(again=True)
    phone.register(again=True)
    off = phone.command("set_shuffle", enabled=False)
    kitchen.report(applied=[off], shuffle=False, queue_position=3)
    assert house.state()["queue"] == QUEUE
    assert house.state()["queue_position"] == 3


def test_an_id_is_answered_again_and_carried_out_once_restarts_included() -> None:
    house, (kitchen, phone) = stage("Kitchen", "Phone")
    request = phone.command("pause")
    phone.command("pause", id=request)
    assert len(kitchen.all("execute_command")) == 1
    assert phone.statuses(request) == ["accepted", "accepted"]
    kitchen.report(applied=[request], is_playing=False)
    house.start()
    kitchen.register(again=True)
    phone.register(again=True)
    phone.command("pause", id=request)
    assert phone.statuses(request)[-1] == "applied"
    assert len(kitchen.all("execute_command")) == 1


def test_ids_are_scoped_to_their_sender() -> None:
    _, (kitchen, phone, tablet) = stage("Kitchen", "Phone", "Tablet")
    request = phone.command("pause")
    tablet.command("seek", id=request, position_ms=1)
    assert tablet.statuses(request) == ["accepted"]
    assert len(kitchen.all("execute_command")) == 2


def test_every_end_of_a_forwarded_command() -> None:
    house, (kitchen, phone, attic) = stage("Kitchen", "Phone", "Attic")
    refused = phone.command("seek", position_ms=5)
    kitchen.report(refused=[{"id": refused, "code": "unsupported"}])
    assert phone.statuses(refused) == ["accepted", "rejected/unsupported"]
    silent = phone.command("pause")
    house.pass_time(limits.COMMAND_LIFETIME)
    assert phone.statuses(silent) == ["accepted", "rejected/timeout"]
    kitchen.report(applied=[silent], is_playing=False)
    assert phone.statuses(silent) == ["accepted", "rejected/timeout"]
    moved = phone.command("set_repeat", mode="one")
    attic.claim()
    assert phone.statuses(moved) == ["accepted", "rejected/not_active"]


def test_a_pending_command_is_sent_again_when_its_device_is_back() -> None:
    house, (kitchen, phone) = stage("Kitchen", "Phone")
    request = phone.command("pause", expires_at=house.now + 20_000)
    kitchen.lose()
    kitchen.register(resume=True)
    assert [one["id"] for one in kitchen.all("execute_command")].count(request) == 2
    house.start()
    kitchen.register(again=True, resume=True)
    assert [one["id"] for one in kitchen.all("execute_command")].count(request) == 3
    kitchen.report(applied=[request], is_playing=False)
    phone.register(again=True)
    assert phone.statuses(request)[-1] == "applied"


def test_a_bad_message_changes_nothing() -> None:
    house, (_, phone) = stage("Kitchen", "Phone")
    before = house.core.users["ann"].playback
    for payload in (b"{", b"[]", b'{"type":"play"}', b'{"type":"playback_command","id":"x"}', b""):
        phone.raw("command", payload)
    request = phone.ask("command", "playback_command", command={"type": "seek", "position_ms": -1})
    assert phone.statuses(request) == ["rejected/invalid_command"]
    assert phone.errors() == ["invalid_command"] * 4
    assert house.core.users["ann"].playback == before
    assert house.now >= START
