"""Names and places: ten devices, ten guests, ten command lines, and what each is called."""

import pytest

from coordinator.core.kit import House, Player
from soul_coordinator.core.events import TokenEnded
from soul_coordinator.core.names import free_name
from soul_protocol import limits

DAY = 86_400_000


def fill(house: House) -> list[Player]:
    return [house.device(f"D{n}") for n in range(10)]


def test_a_taken_name_gets_the_next_free_suffix() -> None:
    house = House()
    names = [
        house.device(name).heard[0]["device"]["name"]
        for name in ("Kitchen", "kitchen", "KITCHEN", "Caf\u00e9", "Cafe\u0301")
    ]
    assert names == ["Kitchen", "kitchen (2)", "KITCHEN (3)", "Caf\u00e9", "Caf\u00e9 (2)"]
    assert house.device("Kitchen", user="bob").heard[0]["device"]["name"] == "Kitchen"


def test_a_suffixed_name_stays_within_64_characters() -> None:
    assert free_name("x" * 64, ["X" * 64]) == "x" * 60 + " (2)"
    assert free_name("x" * 59 + " yyyy", ["x" * 59 + " YYYY"]) == "x" * 59 + " (2)"


def test_the_name_counts_at_the_first_registration_only() -> None:
    house = House()
    kitchen = house.device("Kitchen")
    kitchen.name = "Bath"
    answer = kitchen.register()
    assert answer is not None
    assert answer["device"]["name"] == "Kitchen"


def test_rename() -> None:
    house = House()
    kitchen, bath = house.device("Kitchen"), house.device("Bath")
    request = bath.ask("manage", "rename_device", device_id=kitchen.id, name="  bath ")
    assert bath.statuses(request) == ["applied"]
    assert set(house.devices()) == {"bath (2)", "Bath"}
    again = bath.ask("manage", "rename_device", device_id=kitchen.id, name="bath (2)")
    assert set(house.devices()) == {"bath (2)", "Bath"}
    bath.ask("manage", "rename_device", id=again, device_id=kitchen.id, name="Other")
    assert set(house.devices()) == {"bath (2)", "Bath"}
    unknown = bath.ask("manage", "rename_device", device_id=house.stranger().id, name="x")
    assert bath.statuses(unknown) == ["rejected/device_not_found"]


def test_the_eleventh_device_may_query_and_delete_only() -> None:
    house = House()
    devices = fill(house)
    late = house.stranger("Late")
    answer = late.register()
    assert answer is not None
    assert answer["code"] == "device_limit_reached"
    query = late.ask("query", "request_devices")
    assert late.last("devices_update")["id"] == query
    late.ask("query", "request_state")
    assert late.last("playback_state")["state"]["device_id"] is None
    late.command("play")
    late.ask("manage", "rename_device", device_id=devices[0].id, name="x")
    assert late.errors() == ["device_limit_reached", "not_registered"]
    delete = late.ask("manage", "delete_device", device_id=devices[3].id)
    assert late.statuses(delete) == ["applied"]
    answer = late.register()
    assert answer is not None
    assert answer["type"] == "registered"


def test_of_those_without_a_place_few_are_remembered() -> None:
    house = House()
    fill(house)
    late = [house.stranger() for _ in range(12)]
    for one in late:
        one.register()
    assert len(house.core.users["ann"].unplaced) == 10
    late[0].ask("query", "request_state")
    assert late[0].errors()[-1] == "not_registered"


def test_ephemeral_clients_are_unlisted_uncounted_and_vanish() -> None:
    house = House()
    fill(house)
    line = house.stranger("line")
    answer = line.register(ephemeral=True)
    assert answer is not None
    assert not answer["device"]["capabilities"]["can_render"]
    assert line.id not in {one["id"] for one in answer["devices"]}
    request = line.command("play")
    assert line.statuses(request) == ["rejected/no_active_device"]
    kitchen = house.players[answer["devices"][0]["id"]]
    for kind, more in (("rename_device", {"name": "x"}), ("delete_device", {})):
        asked = kitchen.ask("manage", kind, device_id=line.id, **more)
        assert kitchen.statuses(asked) == ["rejected/device_not_found"]
    line.idle(0.3)
    line.leave()
    assert line.id not in house.core.users["ann"].devices
    line.register(ephemeral=True)
    line.lose()
    assert line.id not in house.core.users["ann"].devices
    line.register(ephemeral=True)
    house.pass_time(90_000)
    assert line.id not in house.core.users["ann"].devices


def test_ten_ephemeral_clients_a_user() -> None:
    house = House()
    lines = [house.stranger() for _ in range(11)]
    answers = [line.register(ephemeral=True) for line in lines]
    assert [one["type"] for one in answers if one] == ["registered"] * 10 + ["error"]


def test_an_ephemeral_client_may_become_a_device() -> None:
    house = House()
    kitchen = house.stranger()
    kitchen.register(ephemeral=True)
    kitchen.register()
    assert set(house.devices()) == {"Kitchen"}


def test_a_listed_device_stays_listed() -> None:
    house = House()
    kitchen = house.device()
    kitchen.register(ephemeral=True)
    assert set(house.devices()) == {"Kitchen"}


def test_guests_have_ten_places_of_their_own_and_never_render() -> None:
    house = House()
    fill(house)
    guests = [house.stranger(f"G{n}", node="guest", can_render=True) for n in range(11)]
    answers = [guest.register() for guest in guests]
    assert [one["type"] for one in answers if one] == ["registered"] * 10 + ["error"]
    assert len(house.devices()) == 20
    shown = house.devices()["G0"]
    assert shown["is_guest"]
    assert not shown["capabilities"]["can_render"]
    kitchen = house.players[house.devices()["D0"]["id"]]
    request = kitchen.transfer(guests[0])
    assert kitchen.statuses(request) == ["rejected/unsupported"]


@pytest.mark.parametrize("scope", [(), ("control",), ("control", "transfer")])
def test_a_guest_needs_transfer_to_take_the_music_elsewhere(scope: tuple[str, ...]) -> None:
    house = House()
    kitchen, bath = house.device("Kitchen"), house.device("Bath")
    guest = house.device("Guest", node="guest")
    if scope:
        house.invite(guest, *scope)
    direct = guest.command("set_queue", to=bath, tracks=["a"], start_index=0)
    assert guest.statuses(direct) == ["accepted"]
    bath.report(applied=[direct], queue=["a"], track_id="a")
    taken = guest.command("play", to=kitchen)
    assert guest.statuses(taken) == (["accepted"] if "transfer" in scope else ["rejected/not_authorized"])
    volume = guest.command("set_volume", to=kitchen, volume=0.1)
    assert guest.statuses(volume) == ["accepted"]


def test_guests_vanish_at_their_end() -> None:
    house = House()
    kitchen, guest = house.device("Kitchen"), house.device("Guest", node="guest")
    house.invite(guest, "control", lasts=60_000)
    house.invite(house.stranger(node="guest"), lasts=30_000)
    house.pass_time(30_000)
    kitchen.ping()
    guest.ping()
    assert set(house.devices()) == {"Kitchen", "Guest"}
    house.pass_time(30_000)
    assert set(house.devices()) == {"Kitchen"}
    assert house.closed == [("ann", guest.id, "token_expired")]
    assert house.events("device_offline")[-1]["reason"] == "token_expired"
    assert not house.core.users["ann"].passes


def test_a_guest_of_whom_no_end_is_known_is_forgotten_an_hour_after_it_left() -> None:
    """Its token came from a host application, which tells nobody when it ends."""
    house = House()
    guest, invited = house.device("Guest", node="guest"), house.device("Invited", node="guest")
    house.invite(invited, "control", lasts=limits.DAY)
    guest.lose()
    invited.lose()
    house.pass_time(limits.HOUR - 1)
    assert set(house.devices()) == {"Guest", "Invited"}
    house.pass_time(1)
    assert set(house.devices()) == {"Invited"}
    assert house.closed == []
    assert list(house.store.of("ann").devices) == [invited.id]
    assert guest.register() is not None


def test_a_revoked_guest_is_gone() -> None:
    house = House()
    guest = house.device("Guest", node="guest")
    house.invite(guest, "control")
    house.tell(TokenEnded("ann", guest.id))
    assert house.devices() == {}
    assert house.closed == [("ann", guest.id, "token_expired")]


def test_a_guest_neither_takes_nor_holds_a_devices_id() -> None:
    house = House()
    kitchen = house.device("Kitchen")
    twin = house.stranger("Twin", node="guest")
    twin.id = kitchen.id
    house.players[kitchen.id] = twin
    twin.register()
    assert twin.errors() == ["not_authorized"]
    house.players[kitchen.id] = kitchen
    guest = house.device("Guest", node="guest")
    owner = house.stranger("Owner")
    owner.id = guest.id
    house.players[guest.id] = owner
    assert owner.register() is not None
    assert set(house.devices()) == {"Kitchen", "Owner"}
    assert house.closed == []


def test_unseen_for_30_days_is_forgotten() -> None:
    house = House()
    kitchen, bath = house.device("Kitchen"), house.device("Bath")
    kitchen.leave()
    bath.leave()
    house.pass_time(15 * DAY)
    bath.register()
    bath.leave()
    house.pass_time(15 * DAY - 1)
    assert set(house.devices()) == {"Kitchen", "Bath"}
    house.pass_time(1)
    assert set(house.devices()) == {"Bath"}
    assert set(house.store.of("ann").devices) == {bath.id}


def test_last_seen_is_saved_now_and_then() -> None:
    house = House()
    kitchen = house.device()
    for _ in range(61):
        house.pass_time(60_000)
        kitchen.ping()
    saved = house.store.of("ann").devices[kitchen.id].last_seen
    assert house.now - saved == 60_000
