"""Who renders: which device a command means, and what makes a device the active one."""

from typing import Any

import pytest

from coordinator.core.kit import QUEUE, House, Player
from soul_protocol import limits


def stage(*names: str) -> tuple[House, list[Player]]:
    """A house whose first device plays."""
    house = House()
    devices = [house.device(name) for name in names]
    devices[0].playing()
    return house, devices


def kinds(player: Player) -> list[str]:
    return [one["command"]["type"] for one in player.all("execute_command")]


def test_without_a_target_the_active_device_is_meant() -> None:
    _, (kitchen, phone) = stage("Kitchen", "Phone")
    request = phone.command("pause")
    assert phone.statuses(request) == ["accepted"]
    order = kitchen.executed()
    assert (order["id"], order["from_device"], order["epoch"]) == (request, phone.id, 1)
    assert phone.all("execute_command") == []


@pytest.mark.parametrize(
    ("kind", "fields"),
    [("play", {}), ("set_queue", {"tracks": ["a"], "start_index": 0}), ("pause", {}), ("next", {})],
)
@pytest.mark.parametrize("renders", [False, True])
def test_none_active_play_and_set_queue_take_the_sender_if_it_can_render(
    kind: str, fields: dict[str, Any], renders: bool
) -> None:
    house = House()
    kitchen = house.device("Kitchen", can_render=renders)
    request = kitchen.command(kind, **fields)
    if renders and kind in {"play", "set_queue"}:
        assert kitchen.statuses(request) == ["accepted"]
        assert house.state()["device_id"] == kitchen.id
    else:
        assert kitchen.statuses(request) == ["rejected/no_active_device"]
        assert "ann" not in house.sequences


def test_the_first_to_be_active_is_saved_and_told_then_forwarded_to() -> None:
    house = House()
    kitchen = house.device("Kitchen")
    kitchen.volume = 0.3
    kitchen.register()
    request = kitchen.command("set_queue", tracks=QUEUE, start_index=2)
    state = house.state()
    assert (state["device_id"], state["epoch"], state["sequence"]) == (kitchen.id, 1, 1)
    assert (state["is_playing"], state["volume"]) == (False, 0.3)
    order = kitchen.executed()
    assert (order["command"]["start_index"], order["command"]["queue_rev"], order["epoch"]) == (2, 1, 1)
    kitchen.report(applied=[request], is_playing=False, queue_position=2, track_id=QUEUE[2])
    assert kitchen.statuses(request) == ["accepted", "applied"]
    assert (house.state()["queue"], house.state()["queue_rev"]) == (QUEUE, 1)


def test_a_device_that_never_said_its_volume_has_the_loudest() -> None:
    house = House()
    kitchen = house.stranger("Kitchen")
    kitchen.conns = 1
    device = {"name": "Kitchen", "device_type": "dap", "capabilities": kitchen.able}
    kitchen.say("register", "register", conn=kitchen.conn, device=device)
    assert "volume" not in kitchen.last("registered")["device"]
    kitchen.command("play")
    assert house.state()["volume"] == 1.0


def test_none_active_a_named_renderer_is_made_active_directly() -> None:
    house = House()
    phone, kitchen = house.device("Phone", can_render=False), house.device("Kitchen")
    request = phone.command("play", to=kitchen)
    assert phone.statuses(request) == ["accepted"]
    assert (house.state()["device_id"], house.state()["epoch"]) == (kitchen.id, 1)
    assert kitchen.all("prepare_playback") == []
    assert kitchen.executed()["id"] == request


def test_a_kept_queue_is_told_to_the_next_device_before_it_plays() -> None:
    house, (kitchen, phone) = stage("Kitchen", "Phone")
    bath = house.device("Bath")
    kitchen.report(queue_position=2, position_ms=30_000)
    phone.ask("manage", "delete_device", device_id=kitchen.id)
    request = phone.command("play", to=bath)
    orders = [one["command"] for one in bath.all("execute_command")]
    assert [one["type"] for one in orders] == ["set_queue", "seek", "play"]
    assert (orders[0]["tracks"], orders[0]["start_index"]) == (QUEUE, 2)
    assert orders[1]["position_ms"] == 30_000
    ids = [one["id"] for one in bath.all("execute_command")]
    bath.report(applied=ids, is_playing=True, position_ms=30_000)
    assert phone.statuses(request) == ["accepted", "applied"]
    assert (house.state()["queue"], house.state()["queue_position"]) == (QUEUE, 2)


def test_a_kept_queue_that_starts_at_its_beginning_needs_no_seek() -> None:
    house = House()
    kitchen, phone = house.device("Kitchen"), house.device("Phone")
    queued = kitchen.command("set_queue", tracks=QUEUE, start_index=0)
    kitchen.report(applied=[queued], is_playing=False)
    phone.ask("manage", "delete_device", device_id=kitchen.id)
    phone.command("play")
    assert kinds(phone) == ["set_queue", "play"]


def test_a_new_queue_for_the_next_device_replaces_the_kept_one() -> None:
    house, (kitchen, phone) = stage("Kitchen", "Phone")
    phone.ask("manage", "delete_device", device_id=kitchen.id)
    request = phone.command("set_queue", tracks=["a"], start_index=0)
    assert kinds(phone) == ["set_queue"]
    phone.report(applied=[request], is_playing=False, queue_position=0, track_id="a")
    assert house.state()["queue"] == ["a"]


def test_play_for_another_device_is_a_transfer_that_plays() -> None:
    house, (kitchen, attic, phone) = stage("Kitchen", "Attic", "Phone")
    kitchen.report(is_playing=False, position_ms=5_000)
    request = phone.command("play", to=attic)
    prepared = attic.last("prepare_playback")
    assert (prepared["state"]["is_playing"], prepared["state"]["position_ms"]) == (True, 5_000)
    attic.outcome("ready", prepared["transfer_id"])
    attic.outcome("started", prepared["transfer_id"])
    assert phone.statuses(request) == ["accepted", "applied"]
    assert (house.state()["device_id"], house.state()["is_playing"]) == (attic.id, True)
    assert kitchen.last("stop_playback")["reason"] == "transferred"


def test_set_queue_for_another_device_is_a_transfer_that_plays() -> None:
    house, (kitchen, attic, phone) = stage("Kitchen", "Attic", "Phone")
    kitchen.report(is_playing=False, repeat_mode="all")
    request = phone.command("set_queue", to=attic, tracks=["n1", "n2"], start_index=1)
    prepared = attic.last("prepare_playback")["state"]
    assert (prepared["queue"], prepared["queue_position"], prepared["is_playing"]) == (["n1", "n2"], 1, True)
    assert house.state()["queue"] == QUEUE
    transfer = attic.last("prepare_playback")["transfer_id"]
    attic.outcome("ready", transfer)
    attic.outcome("started", transfer)
    assert phone.statuses(request) == ["accepted", "applied"]
    state = house.state()
    assert (state["queue"], state["track_id"], state["position_ms"]) == (["n1", "n2"], "n2", 0)
    assert (state["repeat_mode"], state["queue_rev"]) == ("all", 2)


def test_an_empty_queue_for_another_device_ends_there_paused() -> None:
    house, (_, attic, phone) = stage("Kitchen", "Attic", "Phone")
    request = phone.command("set_queue", to=attic, tracks=[], start_index=0)
    transfer = attic.last("prepare_playback")["transfer_id"]
    attic.outcome("ready", transfer)
    attic.outcome("started", transfer)
    assert phone.statuses(request) == ["accepted", "applied"]
    state = house.state()
    assert (state["device_id"], state["is_playing"], state["track_id"]) == (attic.id, False, None)


def test_set_queue_for_another_device_while_shuffled_is_permuted() -> None:
    _, (kitchen, attic, phone) = stage("Kitchen", "Attic", "Phone")
    kitchen.report(shuffle=True)
    phone.command("set_queue", to=attic, tracks=QUEUE, start_index=3)
    prepared = attic.last("prepare_playback")["state"]
    assert (prepared["queue"][0], prepared["queue_position"]) == (QUEUE[3], 0)
    assert sorted(prepared["queue"]) == QUEUE
    assert prepared["queue"][1:] != [one for one in QUEUE if one != QUEUE[3]]


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("pause", {}),
        ("stop", {}),
        ("seek", {"position_ms": 5}),
        ("next", {}),
        ("previous", {}),
        ("set_shuffle", {"enabled": True}),
        ("set_repeat", {"mode": "all"}),
    ],
)
def test_anything_else_for_a_device_that_is_not_active(kind: str, fields: dict[str, Any]) -> None:
    _, (kitchen, attic) = stage("Kitchen", "Attic")
    assert kitchen.statuses(kitchen.command(kind, to=attic, **fields)) == ["rejected/not_active"]
    assert attic.all("execute_command") == []


def test_a_volume_is_a_devices_own_and_always_forwarded() -> None:
    house, (kitchen, attic) = stage("Kitchen", "Attic")
    sequence = house.state()["sequence"]
    request = kitchen.command("set_volume", to=attic, volume=0.25)
    assert attic.executed()["command"] == {"type": "set_volume", "volume": 0.25}
    attic.idle(0.25, applied=[request])
    assert kitchen.statuses(request) == ["accepted", "applied"]
    assert house.devices()["Attic"]["volume"] == 0.25
    assert (house.state()["sequence"], house.state()["volume"]) == (sequence, 0.5)


def test_a_volume_of_the_active_device_is_in_the_state_and_the_list() -> None:
    house, (kitchen, phone) = stage("Kitchen", "Phone")
    request = phone.command("set_volume", volume=0.75)
    kitchen.volume = 0.75
    kitchen.report(applied=[request])
    assert house.state()["volume"] == house.devices()["Kitchen"]["volume"] == 0.75


def test_who_cannot_be_meant() -> None:
    house, (kitchen, attic) = stage("Kitchen", "Attic")
    phone = house.device("Phone", can_render=False)
    other = house.device("Elsewhere", user="bob")
    for kind, fields in (("play", {}), ("set_volume", {"volume": 0.1})):
        assert kitchen.statuses(kitchen.command(kind, to=phone, **fields)) == ["rejected/unsupported"]
    assert kitchen.statuses(kitchen.command("play", to=other)) == ["rejected/device_not_found"]
    assert other.heard == [other.last("registered")]
    attic.leave()
    assert kitchen.statuses(kitchen.command("play", to=attic)) == ["rejected/device_offline"]
    kitchen.leave()
    phone.register()
    assert phone.statuses(phone.command("pause")) == ["rejected/device_offline"]


def test_a_device_without_can_control_commands_itself_only() -> None:
    house, (kitchen, _) = stage("Kitchen", "Attic")
    shy = house.device("Shy", can_control=False)
    assert shy.statuses(shy.command("pause")) == ["rejected/not_authorized"]
    assert shy.statuses(shy.command("play", to=kitchen)) == ["rejected/not_authorized"]
    assert shy.statuses(shy.transfer(kitchen)) == ["rejected/not_authorized"]
    assert shy.statuses(shy.command("set_volume", to=shy, volume=0.1)) == ["accepted"]
    house.pass_time(limits.SECOND)
    assert shy.statuses(shy.transfer(shy)) == ["accepted"]


def test_play_and_set_queue_that_move_the_music_count_as_transfers() -> None:
    _, (_, attic, phone) = stage("Kitchen", "Attic", "Phone")
    first = phone.command("play", to=attic)
    second = phone.command("set_queue", to=attic, tracks=["a"], start_index=0)
    assert (phone.statuses(first), phone.statuses(second)) == (["accepted"], [])
    assert (phone.last("error")["code"], phone.last("error")["id"]) == ("rate_limited", second)
    assert phone.statuses(phone.command("pause")) == ["accepted"]
