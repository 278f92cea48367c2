"""Loss of the renderer, and its return."""

from typing import Any

import pytest

from coordinator.core.kit import QUEUE, START, House, Json, Player
from soul_protocol import limits


def stage() -> tuple[House, Player, Player]:
    """The kitchen plays and was last heard at 1 s; the phone looks on."""
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


def back(kitchen: Player, *, again: bool = False, **fields: Any) -> Json:
    """Register on a fresh connection with `resume`."""
    answer = kitchen.register(again=again, **({"resume": True} | fields))
    assert answer is not None
    return answer


def plays(kitchen: Player) -> list[Json]:
    return [one for one in kitchen.all("execute_command") if one["command"]["type"] == "play"]


def known(kitchen: Player, *, epoch: int = 1, is_playing: bool = True) -> Json:
    return kitchen.picture(is_playing=is_playing, position_ms=33_000) | {"epoch": epoch}


# The loss


@pytest.mark.parametrize("how", ["will", "goodbye", "silence"])
def test_the_state_pauses_at_the_last_reported_position(how: str) -> None:
    house, kitchen, _ = stage()
    house.pass_time(10_000)
    if how == "will":
        lose(house, kitchen)
    elif how == "goodbye":
        kitchen.leave()
    else:
        house.pass_time(limits.SILENCE)
    state = house.state()
    assert (state["is_playing"], state["position_ms"]) == (False, 1_000)
    assert (state["paused_reason"], state["device_id"]) == ("device_offline", kitchen.id)
    (notice,) = house.events("notice")
    assert notice["message"] == "Playback paused - Kitchen went offline"
    assert (notice["level"], notice["code"]) == ("warning", "device_offline")


def test_one_that_does_not_come_back_after_our_restart_pauses_at_the_last_saved_position() -> None:
    house, kitchen, _ = stage()
    for _ in range(7):
        house.pass_time(limits.SECOND)
        kitchen.report(position_ms=house.now - START)
    house.start()
    house.pass_time(limits.RESTART_GRACE)
    state = house.state()
    assert (state["is_playing"], state["paused_reason"]) == (False, "device_offline")
    # Positions are saved every 5 s, so that a kill loses that much of them at most.
    assert 8_000 - 5_000 <= state["position_ms"] <= 8_000
    assert len(house.events("notice")) == 1


def test_a_paused_renderer_goes_without_a_notice() -> None:
    house, kitchen, _ = stage()
    kitchen.report(is_playing=False, position_ms=1_000)
    lose(house, kitchen)
    assert house.events("notice") == []
    assert house.state()["paused_reason"] == "device_offline"


def test_another_devices_loss_pauses_nothing() -> None:
    house, _, phone = stage()
    sequence = house.state()["sequence"]
    lose(house, phone)
    assert (house.state()["is_playing"], house.state()["sequence"]) == (True, sequence)


# Music by itself


@pytest.mark.parametrize("goodbye", [False, True])
@pytest.mark.parametrize("away", [limits.RESUME_PLAYING_WITHIN - 1, limits.RESUME_PLAYING_WITHIN])
@pytest.mark.parametrize("commanded", [False, True])
@pytest.mark.parametrize("was_playing", [False, True])
@pytest.mark.parametrize("restarted", [False, True])
def test_music_starts_by_itself_only_within_the_contracts_rules(
    goodbye: bool, away: int, commanded: bool, was_playing: bool, restarted: bool
) -> None:
    house, kitchen, phone = stage()
    if not was_playing:
        kitchen.report(is_playing=False, position_ms=1_000)
    if goodbye:
        kitchen.leave()
    else:
        kitchen.lose()
    house.pass_time(away)
    if restarted:
        house.start()
    if commanded:
        phone.register()
        assert phone.statuses(phone.command("pause")) == ["rejected/device_offline"]
    answer = back(kitchen)
    assert answer["should_resume"] is True
    assert answer["current_state"]["position_ms"] == 1_000
    assert answer["current_state"]["is_playing"] is False
    alone = was_playing and not goodbye and not commanded and away < limits.RESUME_PLAYING_WITHIN
    assert len(plays(kitchen)) == alone


def test_the_play_is_the_coordinators_own_and_changes_the_state_when_applied() -> None:
    house, kitchen, phone = stage()
    lose(house, kitchen)
    back(kitchen)
    (order,) = plays(kitchen)
    assert order["from_device"] == "coordinator"
    assert house.state()["is_playing"] is False
    kitchen.report(applied=[order["id"]], is_playing=True, position_ms=1_000)
    assert (house.state()["is_playing"], house.state()["position_ms"]) == (True, 1_000)
    assert order["id"] not in house.state()["applied"]
    assert len(kitchen.all("command_result")) == 1  # its claim's
    assert phone.all("command_result") == []


def test_an_own_play_that_nobody_answers_ends_unnoticed() -> None:
    house, kitchen, _ = stage()
    lose(house, kitchen)
    back(kitchen)
    heard = len(kitchen.heard)
    house.pass_time(limits.COMMAND_LIFETIME)
    assert len(kitchen.heard) == heard
    assert house.core.users["ann"].pending == {}


@pytest.mark.parametrize("what", ["command", "transfer", "claim"])
def test_whatever_was_asked_in_the_grace_counts_as_a_command(what: str) -> None:
    house, kitchen, phone = stage()
    kitchen.lose()
    house.pass_time(1_000)
    if what == "command":
        phone.command("pause")
    elif what == "transfer":
        phone.transfer(kitchen)
    else:
        house.device("Bath").claim()
    house.pass_time(limits.LOSS_GRACE)
    answer = back(kitchen)
    assert answer["should_resume"] is (what != "claim")
    assert plays(kitchen) == []


def test_music_starts_by_itself_once() -> None:
    house, kitchen, _ = stage()
    lose(house, kitchen)
    back(kitchen)
    back(kitchen)
    assert len({one["id"] for one in plays(kitchen)}) == 1


# The return


def test_a_renderer_that_kept_playing_is_adopted_without_a_jump() -> None:
    house, kitchen, _ = stage()
    lose(house, kitchen)
    house.pass_time(30_000)
    answer = back(kitchen, last_known_state=known(kitchen))
    assert answer["should_resume"] is False
    assert answer["current_state"]["is_playing"] is True
    state = house.state()
    assert (state["is_playing"], state["position_ms"], state["epoch"]) == (True, 33_000, 1)
    assert state["paused_reason"] is None
    assert plays(kitchen) == kitchen.all("stop_playback") == []


def test_one_that_kept_playing_and_is_back_within_the_grace_was_never_paused() -> None:
    house, kitchen, _ = stage()
    kitchen.lose()
    house.pass_time(2_000)
    answer = back(kitchen, last_known_state=known(kitchen))
    assert answer["should_resume"] is False
    assert house.events("notice") == house.events("device_offline") == []
    assert house.state()["is_playing"] is True


def test_one_that_kept_playing_through_our_restart_is_adopted() -> None:
    house, kitchen, _ = stage()
    house.pass_time(20_000)
    house.start()
    answer = back(kitchen, again=True, last_known_state=known(kitchen))
    assert answer["should_resume"] is False
    assert (house.state()["is_playing"], house.state()["position_ms"]) == (True, 33_000)


def test_the_same_connection_after_our_restart_plays_on_without_saying_so() -> None:
    house, kitchen, _ = stage()
    house.start()
    assert back(kitchen, again=True)["should_resume"] is False
    assert house.state()["is_playing"] is True


def test_one_that_says_it_was_paused_is_to_load_the_position() -> None:
    house, kitchen, _ = stage()
    lose(house, kitchen)
    answer = back(kitchen, last_known_state=known(kitchen, is_playing=False))
    assert answer["should_resume"] is True
    assert answer["current_state"]["position_ms"] == 1_000


def test_a_state_of_another_epoch_resumes_nothing() -> None:
    house, kitchen, _ = stage()
    lose(house, kitchen)
    answer = back(kitchen, last_known_state=known(kitchen, epoch=7))
    assert answer["should_resume"] is False
    assert house.state()["is_playing"] is False
    assert plays(kitchen) == []


@pytest.mark.parametrize("fields", [{"resume": False}, {}])
def test_without_resume_nothing_is_resumed(fields: Json) -> None:
    house, kitchen, _ = stage()
    lose(house, kitchen)
    answer = kitchen.register(**fields)
    assert answer is not None
    assert answer["should_resume"] is False
    assert plays(kitchen) == []
    # And that was its chance.
    house.pass_time(1_000)
    back(kitchen)
    assert plays(kitchen) == []


def test_a_fresh_connection_that_says_nothing_stopped_the_music() -> None:
    house, kitchen, _ = stage()
    answer = kitchen.register()
    assert answer is not None
    assert answer["should_resume"] is False
    state = house.state()
    assert (state["is_playing"], state["position_ms"]) == (False, 1_000)
    assert state["paused_reason"] == "device_offline"


def test_one_that_can_no_longer_render_resumes_nothing() -> None:
    house, kitchen, _ = stage()
    lose(house, kitchen)
    kitchen.able["can_render"] = False
    answer = back(kitchen, last_known_state=known(kitchen))
    assert answer["should_resume"] is False
    assert house.state()["is_playing"] is False


def test_the_user_moved_on() -> None:
    house, kitchen, _ = stage()
    lose(house, kitchen)
    attic = house.device("Attic").playing(["x"])
    answer = back(kitchen, last_known_state=known(kitchen))
    assert answer["should_resume"] is False
    assert (answer["current_state"]["epoch"], answer["current_state"]["device_id"]) == (2, attic.id)
    assert house.state()["queue"] == ["x"]
    assert plays(kitchen) == []


def test_one_that_never_rendered_resumes_nothing() -> None:
    house, _, _ = stage()
    attic = house.device("Attic")
    lose(house, attic)
    assert back(attic)["should_resume"] is False


def test_silence_is_undone_by_the_same_connection() -> None:
    house, kitchen, _ = stage()
    house.pass_time(limits.SILENCE)
    assert house.state()["paused_reason"] == "device_offline"
    answer = back(kitchen, again=True, last_known_state=known(kitchen))
    assert answer["should_resume"] is False
    assert house.state()["is_playing"] is True


@pytest.mark.parametrize(
    ("away", "resumes"), [(limits.RESUME_WITHIN - 1, True), (limits.RESUME_WITHIN, False)]
)
@pytest.mark.parametrize("restarted", [False, True])
def test_state_is_kept_for_resume_24_h_and_counters_go_on(away: int, resumes: bool, restarted: bool) -> None:
    house, kitchen, _ = stage()
    lose(house, kitchen)
    sequence, rev = house.state()["sequence"], house.state()["queue_rev"]
    house.pass_time(away - limits.LOSS_GRACE)
    if restarted:
        house.start()
        house.pass_time(0)
    assert back(kitchen)["should_resume"] is resumes
    state = house.state()
    if resumes:
        assert (state["queue"], state["position_ms"], state["device_id"]) == (QUEUE, 1_000, kitchen.id)
        return
    assert (state["device_id"], state["queue"], state["track_id"]) == (None, [], None)
    assert (state["volume"], state["is_playing"], state["paused_reason"]) == (1.0, False, None)
    assert (state["epoch"], state["sequence"], state["queue_rev"]) == (1, sequence + 1, rev + 1)
    assert house.store.of("ann").playback.queue == ()
    assert house.store.of("ann").record.loss is None


def test_a_state_that_belongs_to_nobody_is_purged_as_well() -> None:
    house, kitchen, phone = stage()
    phone.ask("manage", "delete_device", device_id=kitchen.id)
    assert house.state()["queue"] == QUEUE
    house.pass_time(limits.RESUME_WITHIN)
    assert house.state()["queue"] == []


def test_a_state_in_use_is_never_purged() -> None:
    house, kitchen, _ = stage()
    kitchen.report(is_playing=False)
    for _ in range(1_500):
        house.pass_time(limits.MINUTE)
        kitchen.ping()
    assert house.state()["queue"] == QUEUE


def test_a_goodbye_said_after_the_silence_counts_still() -> None:
    house, kitchen, _ = stage()
    house.pass_time(limits.SILENCE)
    kitchen.leave()
    back(kitchen)
    assert plays(kitchen) == []
