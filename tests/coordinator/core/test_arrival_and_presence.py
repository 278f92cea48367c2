"""Arrival, Presence: who is there, whatever came in which order."""

import pytest

from coordinator.core.kit import START, House
from soul_coordinator.core.coordinator import Coordinator
from soul_coordinator.core.events import DeadlineReached, TokenEnded, UserRemoved
from soul_protocol import limits


def online(house: House) -> set[str]:
    return {name for name, one in house.devices().items() if one["is_online"]}


def test_registered_is_the_full_snapshot() -> None:
    house = House()
    kitchen = house.device("Kitchen")
    bath = house.stranger("Bath")
    answer = bath.register()
    assert answer is not None
    assert (answer["conn"], answer["device_id"]) == (bath.conn, bath.id)
    assert [one["id"] for one in answer["devices"]] == [kitchen.id, bath.id]
    assert answer["device"]["volume"] == 0.5
    assert answer["current_state"]["sequence"] == 0
    assert (answer["server_time"], answer["coordinator"]) == (START, "c1")
    assert answer["limits"]["devices"] == 10
    assert [one["device"]["id"] for one in house.events("device_online")] == [kitchen.id, bath.id]


def test_a_repeated_register_is_answered_and_changes_nothing() -> None:
    house = House()
    kitchen = house.device()
    said = len(house.everyone["ann"])
    assert kitchen.register(again=True) is not None
    assert len(house.everyone["ann"]) == said


def test_what_is_not_registered_is_told_so_once_in_5_s() -> None:
    house = House()
    kitchen = house.stranger()
    kitchen.command("play")
    kitchen.idle(0.5)
    kitchen.outcome("ready", kitchen.new_id())
    assert kitchen.errors() == ["not_registered"]
    house.pass_time(5_000)
    kitchen.ask("query", "request_state")
    assert kitchen.errors() == ["not_registered"] * 2


def test_anyone_may_ping() -> None:
    house = House()
    kitchen = house.stranger()
    kitchen.ping()
    assert kitchen.heard == [{"type": "pong", "t0": 1, "t1": START, "t2": START}]


def test_a_state_of_a_foreign_conn_is_told_to_register_and_of_a_spent_one_is_ignored() -> None:
    house = House()
    kitchen = house.device()
    old = kitchen.conn
    kitchen.register()
    kitchen.report(conn=old)
    assert kitchen.errors() == []
    kitchen.report(conn="f" * 16)
    assert kitchen.errors() == ["not_registered"]


def test_at_start_every_retained_topic_comes_again() -> None:
    house = House()
    house.device()
    house.device(user="bob")
    house.everyone.clear()
    house.start()
    for user in ("ann", "bob"):
        assert [one["type"] for one in house.everyone[user]] == ["playback_state", "devices_update"]


def test_a_goodbye_is_offline_at_once() -> None:
    house = House()
    kitchen = house.device()
    kitchen.leave()
    assert online(house) == set()
    assert house.events("device_offline")[-1]["reason"] == "disconnect"


def test_a_loss_shows_after_3_s_of_grace() -> None:
    house = House()
    kitchen = house.device()
    kitchen.lose()
    house.pass_time(limits.LOSS_GRACE - 1)
    assert online(house) == {"Kitchen"}
    house.pass_time(1)
    assert online(house) == set()
    assert house.events("device_offline")[-1]["reason"] == "connection_lost"


def test_a_return_within_the_grace_is_not_shown() -> None:
    house = House()
    kitchen = house.device()
    lists = len(house.events("devices_update"))
    kitchen.lose()
    house.pass_time(2_000)
    kitchen.register()
    assert len(house.events("devices_update")) == lists
    house.pass_time(10_000)
    assert house.events("device_offline") == []
    assert len(house.events("device_online")) == 1


def test_a_will_or_goodbye_of_another_conn_is_remembered_only() -> None:
    house = House()
    kitchen = house.device()
    old = kitchen.conn
    kitchen.register()
    kitchen.lose(old)
    kitchen.leave(old)
    house.pass_time(10_000)
    assert online(house) == {"Kitchen"}
    kitchen.lose("e" * 16)
    kitchen.leave("d" * 16)
    for conn in ("e" * 16, "d" * 16):
        kitchen.say(
            "register",
            "register",
            conn=conn,
            device={"name": "K", "device_type": "web", "capabilities": kitchen.able},
        )
    assert house.core.users["ann"].devices[kitchen.id].conn == kitchen.conn


def test_a_will_before_its_register_spends_the_connection() -> None:
    house = House()
    kitchen = house.device()
    coming = f"{int(kitchen.id[:8], 16):08x}{kitchen.conns + 1:08x}"
    kitchen.lose(coming)
    assert kitchen.register() is None
    assert online(house) == {"Kitchen"}


@pytest.mark.parametrize("how", ["replaced", "lost", "goodbye"])
def test_a_spent_conn_never_becomes_current_again(how: str) -> None:
    house = House()
    kitchen = house.device()
    old = kitchen.conns
    if how == "replaced":
        kitchen.register()
    elif how == "lost":
        kitchen.lose()
        house.pass_time(3_000)
    else:
        kitchen.leave()
    shown = house.devices()["Kitchen"]
    kitchen.conns = old
    for _ in range(2):
        assert kitchen.register(again=True) is None
        assert house.devices()["Kitchen"] == shown
        house.start()
        shown = house.devices()["Kitchen"]


def test_90_s_of_silence_are_offline_and_the_same_conn_may_come_back() -> None:
    house = House()
    kitchen = house.device()
    house.pass_time(60_000)
    kitchen.ping()
    house.pass_time(89_999)
    assert online(house) == {"Kitchen"}
    house.pass_time(1)
    assert house.events("device_offline")[-1]["reason"] == "timeout"
    assert kitchen.register(again=True) is not None
    assert online(house) == {"Kitchen"}


def test_a_repeated_register_is_a_message_too() -> None:
    house = House()
    kitchen = house.device()
    house.pass_time(60_000)
    kitchen.register(again=True)
    house.pass_time(89_999)
    assert online(house) == {"Kitchen"}
    house.pass_time(1)
    assert online(house) == set()


def test_a_farewell_of_a_stranger_or_of_the_other_role_changes_nothing() -> None:
    house = House()
    kitchen = house.device()
    house.stranger().lose()
    house.stranger().leave()
    twin = house.stranger(node="guest")
    twin.id = kitchen.id
    twin.lose(kitchen.conn)
    twin.leave(kitchen.conn)
    house.pass_time(5_000)
    assert online(house) == {"Kitchen"}


def test_after_a_restart_devices_are_shown_as_known_for_15_s() -> None:
    house = House()
    kitchen, bath, hall = (house.device(name) for name in ("Kitchen", "Bath", "Hall"))
    hall.leave()
    house.pass_time(1_000)
    house.start()
    assert online(house) == {"Kitchen", "Bath"}
    kitchen.ping()
    bath.register()
    house.pass_time(14_999)
    assert online(house) == {"Kitchen", "Bath"}
    house.pass_time(1)
    assert online(house) == {"Bath"}


def test_a_will_in_the_restart_grace_shortens_it() -> None:
    house = House()
    kitchen = house.device()
    house.start()
    kitchen.lose()
    house.pass_time(3_000)
    assert online(house) == set()


def test_a_timed_out_devices_late_will_spends_its_conn() -> None:
    house = House()
    kitchen = house.device()
    house.pass_time(90_000)
    kitchen.lose()
    kitchen.leave()
    assert kitchen.register(again=True) is None
    assert online(house) == set()


def test_a_revoked_token_is_offline_and_a_newer_token_may_keep_the_connection() -> None:
    house = House()
    kitchen = house.device().playing()
    house.tell(TokenEnded("ann", "nobody"))
    house.tell(TokenEnded("carl", "nobody"))
    # An older one of its own: nothing is closed, and the music goes on.
    house.tell(TokenEnded("ann", kitchen.id))
    house.pass_time(5_000)
    kitchen.report(position_ms=5_000)
    assert house.state()["is_playing"]
    assert online(house) == {"Kitchen"}
    # Its own: the broker closes the connection, and there is nothing to wait for.
    house.tell(TokenEnded("ann", kitchen.id))
    kitchen.lose()
    assert house.events("device_offline")[-1]["reason"] == "token_expired"
    assert not house.state()["is_playing"]
    assert online(house) == set()


def test_who_came_with_another_token_after_one_was_revoked_and_is_lost_has_its_grace() -> None:
    house = House()
    kitchen = house.device()
    house.tell(TokenEnded("ann", kitchen.id))
    kitchen.register()
    kitchen.lose()
    assert online(house) == {"Kitchen"}
    house.pass_time(limits.LOSS_GRACE)
    assert house.events("device_offline")[-1]["reason"] == "connection_lost"


def test_the_clock_never_goes_back() -> None:
    house = House()
    kitchen = house.device()
    house.now -= 5_000
    kitchen.ping()
    assert kitchen.last("pong")["t1"] == START


def test_without_users_nothing_is_due() -> None:
    core = Coordinator(coordinator_id="c", users=(), now=0)
    assert core.next_deadline() is None
    assert core.handle(DeadlineReached(), now=5) == ()


def test_a_removed_user_leaves_nothing_and_is_not_heard_for_a_moment() -> None:
    house = House()
    kitchen = house.device()
    other = house.device(user="bob")
    house.tell(UserRemoved("ann"))
    assert house.cleared == [("ann", "state"), ("ann", "devices")]
    assert house.closed == [("ann", None, "deleted")]
    assert kitchen.register() is None
    assert "ann" not in house.core.users
    other.ping()
    house.pass_time(3_000)
    house.tell(UserRemoved("nobody"))
    assert kitchen.register() is not None
