import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soul_connect.reconnect import (
    BASE,
    CAP,
    HASTY,
    LASTED,
    LONGEST,
    PATIENT,
    REFUSALS,
    REFUSED_WAIT,
    AskToken,
    GiveUp,
    Reconnect,
    Wait,
)


def unit(seed: int = 1, *, can_ask: bool = True) -> Reconnect:
    return Reconnect(rng=random.Random(seed), can_ask=can_ask)


@given(st.integers(), st.integers(min_value=1, max_value=200))
def test_waits_spread_over_a_range_that_doubles_up_to_the_cap(seed: int, failures: int) -> None:
    reconnect = unit(seed)
    for number in range(failures):
        assert 0 <= reconnect.lost(0).ms <= min(CAP, BASE * 2**number)


def test_the_whole_range_is_used() -> None:
    waits = []
    for seed in range(400):
        reconnect = unit(seed)
        for _ in range(8):
            wait = reconnect.lost(0)
        waits.append(wait.ms)
    assert min(waits) < CAP / 20
    assert max(waits) > CAP * 19 / 20
    assert abs(sum(waits) / len(waits) - CAP / 2) < CAP / 20


@given(st.integers(), st.floats(min_value=0, max_value=100_000))
def test_half_of_all_are_back_within_a_second_of_the_server(seed: int, outage: float) -> None:
    back = []
    chance = random.Random(seed)
    for _ in range(60):
        reconnect, now = Reconnect(rng=chance, can_ask=False), 0.0
        while now < outage:
            now += reconnect.lost(now).ms + 1
        back.append(now - outage)
    back.sort()
    assert back[-1] <= CAP + 1
    assert back[30] < 850  # 440 expected; this is what chance allows 60 clients


def test_a_connection_that_lasted_starts_over_and_a_short_one_does_not() -> None:
    reconnect = unit()
    for _ in range(10):
        reconnect.lost(0)
    reconnect.online(0)
    assert reconnect.lost(LASTED).ms <= BASE
    for _ in range(10):
        reconnect.lost(0)
    reconnect.online(0)
    waits = []
    for _ in range(50):
        reconnect.online(0)
        waits.append(reconnect.lost(LASTED - 1).ms)
    assert max(waits) > BASE


def patience(reconnect: Reconnect, attempts: int) -> list[float]:
    given = []
    for _ in range(attempts):
        given.append(reconnect.begin(0))
        reconnect.lost(0)
    return given


def test_where_the_way_is_quick_most_attempts_are_given_little() -> None:
    reconnect = unit()
    reconnect.begin(0)
    reconnect.opened(20)
    given = patience(reconnect, 2_000)
    assert set(given) == {HASTY, PATIENT, LONGEST}
    assert given.count(HASTY) == pytest.approx(1_600, abs=100)
    assert given.count(LONGEST) == pytest.approx(100, abs=40)


def test_where_no_way_is_known_they_are_given_more() -> None:
    given = patience(unit(), 2_000)
    assert given.count(PATIENT) == pytest.approx(1_600, abs=100)
    assert given.count(LONGEST) == 2_000 - given.count(PATIENT)
    unit().opened(0)  # and without an attempt nothing is learned


@pytest.mark.parametrize(("took_ms", "given"), [(100, HASTY), (1_000, 1.0), (2_500, 2.5), (60_000, LONGEST)])
def test_a_step_may_take_as_long_as_the_whole_way_took(took_ms: float, given: float) -> None:
    reconnect = unit()
    reconnect.begin(5)
    reconnect.opened(5 + took_ms)
    assert min(patience(reconnect, 20)) == given


def test_an_attempt_hangs_that_takes_longer_than_one_does() -> None:
    reconnect = unit()
    assert not reconnect.hangs(0)
    reconnect.begin(0)
    assert not reconnect.hangs(PATIENT * 1_000)
    assert reconnect.hangs(PATIENT * 1_000 + 1)
    reconnect.opened(400)
    assert not reconnect.hangs(10_000)
    reconnect.lost(10_000)
    reconnect.begin(20_000)
    assert not reconnect.hangs(20_400)
    assert reconnect.hangs(20_401)
    reconnect.lost(21_000)
    assert not reconnect.hangs(30_000)


def test_an_attempt_that_took_its_time_has_waited_already() -> None:
    waits: list[float] = []
    for _ in range(300):
        reconnect = unit(len(waits))
        for _ in range(10):
            reconnect.begin(0)
            wait = reconnect.lost(CAP - 100).ms
        waits.append(wait)
    assert sorted(waits)[-30] == 0
    assert max(waits) <= 100
    # A connection that was one has not been waiting.
    reconnect.begin(0)
    reconnect.opened(90)
    reconnect.online(100)
    assert reconnect.lost(1_000).ms > 100


@settings(max_examples=30)
@given(st.integers(), st.floats(min_value=20_000, max_value=60_000), st.booleans())
def test_half_of_all_are_back_within_a_second_of_the_network(seed: int, outage: float, syn: bool) -> None:
    """Packets vanish: an attempt made during the outage succeeds only if a repeated SYN comes after it."""
    back = []
    chance = random.Random(seed)
    for _ in range(500):
        reconnect, now = Reconnect(rng=chance, can_ask=False), -chance.uniform(0, 10_000)
        reconnect.begin(now - 20)
        reconnect.opened(now)
        while now < outage:
            patience = reconnect.begin(now) * 1_000
            repeated = [now + after for after in (1_000, 3_000) if syn and after < patience]
            arrived = [at for at in repeated if at >= outage]
            if arrived:
                now = arrived[0]
            else:
                now += patience
                now += reconnect.lost(now).ms
        back.append(now - outage)
    back.sort()
    assert back[250] < 800  # some 600 expected; this is what chance allows 500 clients
    assert back[-1] <= LONGEST * 1_000 + 1


def test_without_anybody_to_ask_the_first_refusal_is_the_last() -> None:
    assert unit(can_ask=False).refused() == GiveUp()


def test_fresh_tokens_are_tried_slowly_and_not_for_ever() -> None:
    reconnect = unit()
    assert reconnect.refused() == AskToken(0)
    assert reconnect.token_given(is_new=True) == Wait(0)
    for _ in range(REFUSALS - 1):
        assert reconnect.refused() == AskToken(REFUSED_WAIT)
    assert reconnect.refused() == GiveUp()


def test_being_registered_forgives_refusals() -> None:
    reconnect = unit()
    reconnect.refused()
    reconnect.online(5)
    assert reconnect.refused() == AskToken(0)


def test_the_same_token_again_is_no_token() -> None:
    assert unit().token_given(is_new=False) == GiveUp()


def test_someone_who_cannot_answer_is_asked_again_without_hurry() -> None:
    step = unit().token_unavailable()
    assert BASE <= step.ms <= BASE + CAP
