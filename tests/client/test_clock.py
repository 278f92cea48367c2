from hypothesis import given
from hypothesis import strategies as st

from soul_connect.clock import ServerClock

TRUE_OFFSET = 1_700_000_000_000.25


def exchange(
    clock: ServerClock, at: float, there: float, back: float, *, offset: float = TRUE_OFFSET
) -> float:
    """One ping; returns when its answer came. Delays and moments in ms."""
    read = at + there
    t1 = int(read + offset)
    clock.sample(sent=at, received=read + back, t1=t1, t2=t1)
    return read + back


delays = st.floats(min_value=0.1, max_value=2_000)


@given(st.lists(st.tuples(delays, delays), min_size=1, max_size=30))
def test_the_error_never_exceeds_the_uncertainty(pings: list[tuple[float, float]]) -> None:
    clock, now = ServerClock(), 50.0
    for there, back in pings:
        now = exchange(clock, now, there, back) + 1_000
        offset, uncertainty = clock.offset_ms, clock.uncertainty_ms(now)
        assert offset is not None
        assert uncertainty is not None
        assert abs(offset - TRUE_OFFSET) <= uncertainty + 0.01  # as fine as floats of this size are


@given(st.lists(st.tuples(delays, delays), min_size=1, max_size=30))
def test_more_pings_never_make_it_much_worse(pings: list[tuple[float, float]]) -> None:
    clock, now, before = ServerClock(), 50.0, float("inf")
    for there, back in pings:
        now = exchange(clock, now, there, back)
        uncertainty = clock.uncertainty_ms(now)
        assert uncertainty is not None
        assert uncertainty <= before + 1  # the drift of so short a time
        before = uncertainty


@given(st.lists(st.tuples(st.floats(50, 150), st.floats(50, 150)), min_size=40, max_size=40))
def test_over_a_jittery_link_the_quickest_ways_count(pings: list[tuple[float, float]]) -> None:
    clock, now = ServerClock(), 0.0
    for there, back in pings:
        now = exchange(clock, now, there, back) + 100
    # Half the difference of the quickest way there and the quickest way back cannot be known.
    blind = abs(min(there for there, _ in pings) - min(back for _, back in pings)) / 2
    offset = clock.offset_ms
    assert offset is not None
    assert abs(offset - TRUE_OFFSET) <= blind + 2


def test_nothing_is_known_before_the_first_exchange() -> None:
    clock = ServerClock()
    assert clock.at(5) is None
    assert clock.offset_ms is None
    assert clock.uncertainty_ms(5) is None


def test_impossible_exchanges_are_ignored() -> None:
    clock = ServerClock()
    clock.sample(sent=10, received=5, t1=100, t2=100)
    clock.sample(sent=10, received=15, t1=100, t2=99)
    clock.sample(sent=10, received=11, t1=100, t2=200)
    assert clock.offset_ms is None


def test_a_clock_that_was_set_is_believed_at_once() -> None:
    clock = ServerClock()
    exchange(clock, 0, 1, 1)
    exchange(clock, 1_000, 1, 1, offset=TRUE_OFFSET + 60_000)
    offset = clock.offset_ms
    assert offset is not None
    assert abs(offset - TRUE_OFFSET - 60_000) < 2


def test_the_uncertainty_grows_while_nothing_is_heard() -> None:
    clock = ServerClock()
    exchange(clock, 0, 1, 1)
    early, late = clock.uncertainty_ms(10), clock.uncertainty_ms(1_000_010)
    assert early is not None
    assert late is not None
    assert 99 < late - early < 101
