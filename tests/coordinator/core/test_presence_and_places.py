"""Arrival, presence, names and places."""

from coordinator.core.kit import House
from soul_protocol import limits


def test_a_repeated_register_is_answered_and_changes_nothing() -> None:
    house = House()
    kitchen = house.device("Kitchen")
    online = len(house.events("device_online"))
    assert kitchen.register(again=True) == kitchen.last("registered")
    assert len(house.events("device_online")) == online


def test_whoever_is_not_registered_is_told_once_in_five_seconds() -> None:
    house = House()
    stranger = house.stranger()
    stranger.conns = 1
    stranger.command("play")
    stranger.command("play")
    stranger.ping()
    assert stranger.errors() == ["not_registered"]
    assert stranger.all("pong")
    house.pass_time(limits.COMPLAIN_EVERY)
    stranger.command("play")
    assert stranger.errors() == ["not_registered"] * 2


def test_a_will_shows_after_the_grace_and_a_goodbye_at_once() -> None:
    house = House()
    kitchen, attic = house.device("Kitchen"), house.device("Attic")
    kitchen.lose()
    assert house.devices()["Kitchen"]["is_online"]
    house.pass_time(limits.LOSS_GRACE - 1)
    assert house.devices()["Kitchen"]["is_online"]
    house.pass_time(1)
    assert not house.devices()["Kitchen"]["is_online"]
    attic.leave()
    assert not house.devices()["Attic"]["is_online"]
    reasons = [one["reason"] for one in house.events("device_offline")]
    assert reasons == ["connection_lost", "disconnect"]


def test_a_device_that_is_back_within_the_grace_was_never_away() -> None:
    house = House()
    kitchen = house.device("Kitchen")
    kitchen.lose()
    house.pass_time(1_000)
    kitchen.register()
    house.pass_time(limits.MINUTE)
    assert house.events("device_offline") == []


def test_the_will_of_a_replaced_connection_counts_for_nothing() -> None:
    house = House()
    kitchen = house.device("Kitchen")
    old = kitchen.conn
    kitchen.register()
    kitchen.lose(old)
    kitchen.leave(old)
    house.pass_time(limits.MINUTE)
    assert house.devices()["Kitchen"]["is_online"]


def test_a_spent_connection_never_becomes_current_again() -> None:
    house = House()
    kitchen = house.device("Kitchen")
    for spend in (kitchen.lose, kitchen.leave):
        spend()
        assert kitchen.register(again=True) is None
        house.pass_time(limits.MINUTE)
        assert not house.devices()["Kitchen"]["is_online"]
        assert kitchen.register() is not None


def test_a_will_before_its_register_spends_the_connection() -> None:
    house = House()
    kitchen = house.device("Kitchen")
    coming = f"{int(kitchen.id[:8], 16):08x}{kitchen.conns + 1:08x}"
    kitchen.lose(coming)
    assert kitchen.register() is None
    assert house.devices()["Kitchen"]["is_online"]


def test_silence_alone_is_offline_after_90_s_and_undone_by_the_same_connection() -> None:
    house = House()
    kitchen = house.device("Kitchen")
    house.pass_time(limits.SILENCE - 1)
    kitchen.ping()
    house.pass_time(limits.SILENCE - 1)
    assert house.devices()["Kitchen"]["is_online"]
    house.pass_time(1)
    assert house.events("device_offline")[-1]["reason"] == "timeout"
    assert kitchen.register(again=True) is not None
    assert house.devices()["Kitchen"]["is_online"]


def test_after_a_restart_devices_are_shown_as_last_known_for_15_s() -> None:
    house = House()
    kitchen = house.device("Kitchen")
    house.device("Attic")
    house.start()
    assert all(one["is_online"] for one in house.devices().values())
    kitchen.register(again=True)
    house.pass_time(limits.RESTART_GRACE)
    assert house.devices()["Kitchen"]["is_online"]
    assert not house.devices()["Attic"]["is_online"]


def test_a_taken_name_gets_the_next_free_suffix_whatever_its_case() -> None:
    house = House()
    names = [house.device(name).last("registered")["device"]["name"] for name in ("Küche", "KÜCHE", "küche")]
    assert names == ["Küche", "KÜCHE (2)", "küche (3)"]
    long = [house.device("x" * 64).last("registered")["device"]["name"] for _ in range(2)]
    assert long == ["x" * 64, "x" * 60 + " (2)"]


def test_the_name_counts_at_the_first_registration_only() -> None:
    house = House()
    kitchen = house.device("Kitchen")
    kitchen.name = "Bath"
    answer = kitchen.register()
    assert answer is not None
    assert answer["device"]["name"] == "Kitchen"
    request = kitchen.ask("manage", "rename_device", device_id=kitchen.id, name=" Bath ")
    assert kitchen.statuses(request) == ["applied"]
    assert set(house.devices()) == {"Bath"}


def test_ten_devices_and_no_more_but_the_eleventh_may_make_room() -> None:
    house = House()
    devices = [house.device(f"Box {n}") for n in range(limits.DEVICES_PER_USER)]
    late = house.stranger("Late")
    answer = late.register()
    assert answer is not None
    assert answer["code"] == "device_limit_reached"
    late.ask("query", "request_devices")
    assert len(late.last("devices_update")["devices"]) == limits.DEVICES_PER_USER
    late.command("play")
    assert late.errors()[-1] == "not_registered"
    late.ask("manage", "delete_device", device_id=devices[0].id)
    answer = late.register(again=True)
    assert answer is not None
    assert answer["type"] == "registered"


def test_the_command_line_is_nowhere_listed_and_vanishes() -> None:
    house = House()
    remote = house.stranger("Terminal")
    answer = remote.register(ephemeral=True)
    assert answer is not None
    assert answer["devices"] == []
    assert answer["device"]["capabilities"]["can_render"] is False
    assert house.events("device_online") == []
    remote.lose()
    assert house.core.users["ann"].devices == {}


def test_a_guest_never_renders_and_cannot_take_a_devices_id() -> None:
    house = House()
    kitchen = house.device("Kitchen")
    guest = house.stranger("Guest", node="guest", can_render=True)
    house.invite(guest, "control")
    guest.register()
    shown = house.devices()["Guest"]
    assert shown["is_guest"]
    assert not shown["capabilities"]["can_render"]
    thief = house.stranger("Thief", node="guest")
    thief.id = kitchen.id
    house.players[kitchen.id] = thief
    thief.register()
    assert thief.errors() == ["not_authorized"]
    assert house.devices()["Kitchen"]["is_online"]


def test_a_guest_needs_the_scope_to_move_the_music() -> None:
    house = House()
    kitchen, attic = house.device("Kitchen"), house.device("Attic")
    kitchen.playing()
    guest = house.stranger("Guest", node="guest")
    house.invite(guest, "control")
    guest.register()
    refused = guest.command("play", to=attic)
    assert guest.statuses(refused) == ["rejected/not_authorized"]
    allowed = guest.command("pause")
    assert guest.statuses(allowed) == ["accepted"]
    assert kitchen.executed()["id"] == allowed
    house.invite(guest, "control", "transfer")
    moved = guest.command("play", to=attic)
    assert guest.statuses(moved) == ["accepted"]


def test_a_guest_vanishes_when_the_invitation_ends() -> None:
    house = House()
    guest = house.stranger("Guest", node="guest")
    house.invite(guest, lasts=limits.HOUR)
    guest.register()
    for _ in range(59):
        house.pass_time(limits.MINUTE)
        guest.ping()
    assert "Guest" in house.devices()
    house.pass_time(limits.MINUTE)
    assert "Guest" not in house.devices()
    assert (guest.user, guest.id, "token_expired") in house.closed
