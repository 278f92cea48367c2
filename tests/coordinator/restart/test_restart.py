"""kill -9 of the coordinator between any two effects of a story ends as no kill at all.

The story goes on after each kill, and is compared in every moment of rest. Sequences dense in
the store and for those who listen, one sounding device an epoch, and one final answer a
request are looked at all along (`stage`, `ending`).
"""

from pathlib import Path

import pytest

from coordinator.restart.ending import differences, ending
from coordinator.restart.shelf import Databases, MemoryShelf
from coordinator.restart.stage import Kill, MakeShelf, Stage, Story
from coordinator.restart.stories import STORIES, guests, transfers


def compare(story: Story, kill: Kill, shelf: MakeShelf, *, every: int = 1) -> int:
    """Kill at each step (or `every` so manieth), and compare; returns how many kills there were."""
    stage = Stage(shelf, kill, None)
    expected = [ending(stage) for _ in stage.play(story)]
    stage.shelf.close()
    for facts in expected[-1].facts.values():
        assert facts["left over"] == []
        assert facts["unanswered"] == []
    kills = range(1, stage.steps + 1, every)
    for step in kills:
        again = Stage(shelf, kill, step)
        for before, _ in zip(expected, again.play(story), strict=True):
            found = differences(again, before, ending(again))
            assert not found, f"killed at step {step} of {stage.steps}, {again.killed}: {found}"
        assert again.starts == 2
        again.shelf.close()
    return len(kills)


@pytest.mark.parametrize("kill", ["the server", "the coordinator"])
@pytest.mark.parametrize("story", STORIES, ids=lambda one: one.__name__)
def test_a_restart_between_any_two_effects_ends_as_none(story: Story, kill: Kill) -> None:
    assert compare(story, kill, MemoryShelf) > 70


@pytest.mark.parametrize(("story", "kill"), [(transfers, "the server"), (guests, "the coordinator")])
def test_the_database_keeps_as_much_as_the_store_in_memory(story: Story, kill: Kill, tmp_path: Path) -> None:
    assert compare(story, kill, Databases(tmp_path), every=6) > 15
