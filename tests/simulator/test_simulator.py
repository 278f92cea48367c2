"""Worlds from a few seeds, each a few weeks of misfortune; a failing one tells its story."""

import pytest

from simulator.invariants import BrokenError
from simulator.people import live
from simulator.story import told
from simulator.world import World

EVENTS = 6_000


@pytest.mark.parametrize("seed", range(1, 7))
def test_a_world_keeps_every_promise(seed: int) -> None:
    world = World(seed)
    try:
        live(world, EVENTS)
    except BrokenError as error:
        pytest.fail(f"{told(world.story)}\nseed {seed}, event {world.handled}: {error}", pytrace=False)


def test_a_seed_gives_the_same_world_again() -> None:
    first, again = World(3), World(3)
    live(first, 1_500)
    live(again, 1_500)
    assert first.story == again.story
    assert first.store.load() == again.store.load()
