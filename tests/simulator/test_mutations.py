"""The simulator notices mistakes; the table of all of them is in docs/simulator.md."""

import pytest

from simulator.mistake import Mistake
from simulator.mistakes import MISTAKES
from simulator.mutations import FIRST_SEED, caught, patched

TRIED = ("leave a gap in the sequence", "skip the save of the state", "let the source play on")


def test_every_mistake_is_a_patch_of_the_source_as_it_is() -> None:
    assert len(MISTAKES) >= 30
    assert len({one.name for one in MISTAKES}) == len(MISTAKES)
    for mistake in MISTAKES:
        compile(patched(mistake), mistake.file, "exec")


@pytest.mark.parametrize(
    "mistake", [one for one in MISTAKES if one.name in TRIED], ids=lambda one: one.name.replace(" ", "-")
)
def test_a_mistake_is_caught(mistake: Mistake) -> None:
    found = caught(mistake, range(FIRST_SEED, FIRST_SEED + 2), 4_000)
    assert found.worlds == 2
    assert found.rule
