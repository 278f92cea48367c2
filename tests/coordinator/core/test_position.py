"""Positions: what is no change, which count, and where the music is by now."""

from coordinator.core.kit import House, Player
from soul_coordinator.core.values import Playback
from soul_protocol import limits


def stage() -> tuple[House, Player, Player]:
    """The kitchen plays, a second in; the phone looks on."""
    house = House()
    kitchen, phone = house.device("Kitchen"), house.device("Phone", can_render=False)
    kitchen.playing()
    house.pass_time(1_000)
    kitchen.report(position_ms=1_000)
    return house, kitchen, phone


def playback(house: House) -> Playback:
    return house.core.users["ann"].playback


def test_a_continuous_position_is_no_change_and_a_jump_is() -> None:
    house, kitchen, _ = stage()
    sequence = house.state()["sequence"]
    for second in range(1, 6):
        house.pass_time(limits.SECOND)
        kitchen.report(position_ms=1_000 + 1_000 * second + 80)
    assert house.state()["sequence"] == sequence
    tick = house.events("position")[-1]
    assert (tick["position_ms"], tick["sequence"], tick["epoch"]) == (6_080, sequence, 1)
    assert "queue" not in tick
    kitchen.report(position_ms=90_000)
    assert house.state()["sequence"] == sequence + 1


def test_positions_are_ordered_by_their_own_time_and_old_ones_ignored() -> None:
    house, kitchen, _ = stage()
    house.pass_time(4_000)
    told = len(house.events("position"))
    kitchen.report(position_ms=5_000, position_at=house.now)
    kitchen.report(position_ms=4_000, position_at=house.now - 1_000)
    kitchen.report(position_ms=1, position_at=house.now - limits.POSITION_AT_MAX_AGE - 1_000)
    assert house.events("position")[-1]["position_ms"] == 5_000
    assert len(house.events("position")) == told + 1


def test_a_position_older_than_5_s_is_ignored_in_a_change_as_well() -> None:
    house, kitchen, _ = stage()
    before = playback(house)
    house.pass_time(10_000)
    kitchen.volume = 0.9
    kitchen.report(position_ms=1, position_at=house.now - limits.POSITION_AT_MAX_AGE - 1)
    after = playback(house)
    assert (after.volume, after.sequence) == (0.9, before.sequence + 1)
    assert (after.position_ms, after.position_at) == (before.position_ms, before.position_at)


def test_a_position_of_the_future_is_one_of_now() -> None:
    house, kitchen, _ = stage()
    kitchen.report(position_ms=60_000, position_at=house.now + limits.HOUR)
    assert (playback(house).position_ms, playback(house).position_at) == (60_000, house.now)


def test_a_position_of_a_moment_ago_stays_where_it_was_true() -> None:
    house, kitchen, _ = stage()
    house.pass_time(3_000)
    kitchen.report(position_ms=60_000, position_at=house.now - 2_000)
    assert (playback(house).position_ms, playback(house).position_at) == (60_000, house.now - 2_000)


def test_a_known_duration_stays_until_another_track() -> None:
    house, kitchen, _ = stage()
    kitchen.report(duration_ms=None, is_playing=False)
    assert house.state()["duration_ms"] == 200_000
    kitchen.report(duration_ms=None, queue_position=1)
    assert house.state()["duration_ms"] is None


def test_an_absent_moment_is_the_time_of_receipt() -> None:
    house, kitchen, _ = stage()
    house.pass_time(700)
    kitchen.report(position_ms=60_000, position_at=None)
    assert (playback(house).position_ms, playback(house).position_at) == (60_000, house.now)


def test_a_pause_reported_late_is_clamped() -> None:
    house, kitchen, _ = stage()
    house.pass_time(20_000)
    kitchen.report(is_playing=False, position_ms=3_000, position_at=house.now - 18_000)
    after = playback(house)
    assert (after.is_playing, after.position_ms) == (False, 3_000)
    assert after.position_at == house.now - limits.POSITION_AT_MAX_AGE


def test_a_paused_position_does_not_run_and_any_other_is_a_change() -> None:
    house, kitchen, _ = stage()
    kitchen.report(is_playing=False, position_ms=5_000)
    sequence = house.state()["sequence"]
    house.pass_time(10_000)
    kitchen.report(is_playing=False, position_ms=5_000)
    assert (house.state()["sequence"], house.state()["position_ms"]) == (sequence, 5_000)
    kitchen.report(is_playing=False, position_ms=5_001)
    assert house.state()["sequence"] == sequence + 1


def test_the_position_runs_to_the_end_of_the_track_and_no_further() -> None:
    house, kitchen, phone = stage()
    attic = house.device("Attic")
    kitchen.report(position_ms=190_000, duration_ms=200_000)
    house.pass_time(4_000)
    phone.transfer(attic)
    assert attic.last("prepare_playback")["state"]["position_ms"] == 194_000
    house.pass_time(limits.TRANSFER_STEP)
    house.pass_time(60_000)
    phone.transfer(attic)
    assert attic.last("prepare_playback")["state"]["position_ms"] == 200_000


def test_without_a_known_duration_it_runs_on() -> None:
    house, kitchen, phone = stage()
    attic = house.device("Attic")
    kitchen.report(queue_position=1, duration_ms=None)
    house.pass_time(60_000)
    phone.transfer(attic)
    assert attic.last("prepare_playback")["state"]["position_ms"] == 60_000
