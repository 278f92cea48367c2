"""Worlds from a few seeds, each a few weeks of misfortune; a failing one is shrunk, and tells its story."""

from typing import Any

import pytest

from simulator.shrink import failure_of, first_failure, shrunk
from soul_coordinator.core import forwarding
from soul_coordinator.core.device import Device

EVENTS = 6_000


@pytest.mark.parametrize("seed", range(1, 6))
def test_a_world_keeps_every_promise(seed: int) -> None:
    _, failed = first_failure(seed, EVENTS)
    if failed is not None:
        pytest.fail(f"python -m simulator --seed {seed}\n{shrunk(failed, tries=500).told()}", pytrace=False)


def test_a_seed_gives_the_same_world_again() -> None:
    first, again = (first_failure(3, 1_500)[0] for _ in range(2))
    assert first.story == again.story
    assert first.process.store.load() == again.process.store.load()


def nothing(*_: Any, **__: Any) -> None:
    """Instead of a function of the core: a mistake that is to be noticed."""


@pytest.mark.parametrize(
    ("where", "what", "seed", "broken", "words"),
    [
        (Device, "spend", 2, "became current again", ("connect", "register {conn", "registered")),
        (forwarding, "send_again", 7, "was not sent again", ("playback_command", "execute_command")),
        (forwarding, "renderer_changed", 6, "renders no more", ("claim_playback", "accepted", "pause")),
    ],
)
def test_a_mistake_in_the_core_is_found_shrunk_and_told(
    monkeypatch: pytest.MonkeyPatch, *, where: Any, what: str, seed: int, broken: str, words: tuple[str, ...]
) -> None:
    monkeypatch.setattr(where, what, nothing)
    _, failed = first_failure(seed, 40_000)
    assert failed is not None
    assert broken in failed.rule
    least = shrunk(failed)
    assert least.where == failed.where
    assert len(least.actions) <= 12
    story = least.told()
    lines = story.splitlines()
    assert len(lines) <= 60
    assert broken in lines[-1]
    assert all(word in story for word in words)
    # Who is told by name, and when since the beginning: no ids, no epochs of 13 digits.
    assert "-0000-4000-8000-" not in "".join(lines[:-1])
    assert "17000000" not in "".join(lines[:-1])
    _, again = failure_of(least.actions)
    assert again is not None
    assert again.told() == story
