"""From a seed that fails to the few actions that it takes.

First the seed's actions are cut off where they failed, and as many at their beginning as can
be spared. Then bad weather becomes single misfortunes - this message lost, that one late -
and whatever can be left out with the same rule still broken is left out, in ever smaller
parts (delta debugging: Zeller and Hildebrandt, "Simplifying and isolating failure-inducing
input", 2002).
"""

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from simulator.actions import Action, play
from simulator.invariants import BrokenError
from simulator.people import Plan
from simulator.story import told
from simulator.world import Line, World

TRIES = 3_000
"""Replays in which a failure is shrunk: fewer are usually enough, and most are short."""

SLACK_MS = 60_000
"""How long a broken rule may take to show after the last action."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What was played, and which rule broke: its place in the source (`where`), and its words."""

    actions: tuple[Action, ...]
    where: tuple[str, int]
    rule: str
    story: Sequence[Line]

    def told(self) -> str:
        """The story, and the broken rule last."""
        return f"{told(self.story)}\nbroken: {self.rule}"


def first_failure(seed: int, events: int) -> tuple[World, Failure | None]:
    """Play a seed until so many events were handled, or until a rule breaks."""
    world = World()
    played: list[Action] = []
    for burst in Plan(seed).bursts():
        played += burst
        failed = _failed(world, played, partial(play, world, burst))
        if failed is not None or world.process.handled >= events:
            return world, failed
    raise AssertionError("a plan has no end")


def failure_of(actions: Sequence[Action]) -> tuple[World, Failure | None]:
    """Play these actions, and a while more, in a fresh world that remembers all."""
    world = World(remember=None)

    def all_of_it() -> None:
        play(world, actions)
        world.wait(actions[-1].at + SLACK_MS if actions else 0)

    return world, _failed(world, actions, all_of_it)


def _failed(world: World, actions: Sequence[Action], what: Callable[[], None]) -> Failure | None:
    try:
        what()
    except BrokenError as error:
        # The rule is what asked `require`; an exception out of the core is its own rule.
        frames = traceback.extract_tb((error.__cause__ or error).__traceback__)
        at = frames[-2] if frames[-1].name == "require" else frames[-1]
        done = tuple(actions[: world.played])
        return Failure(done, (at.filename, at.lineno or 0), str(error), world.story)
    return None


def shrunk(failed: Failure, *, tries: int = TRIES) -> Failure:
    """The same broken rule with as few actions as could be found in so many replays."""
    return _Shrinking(failed, tries).result()


class _Shrinking:
    """`least` is the shortest failure so far."""

    def __init__(self, failed: Failure, tries: int) -> None:
        self.least, self._tries = failed, tries

    def result(self) -> Failure:
        self._shorter_past()
        self._without_kinds()
        self._without_parts()
        self._single_misfortunes()
        self._without_parts()
        self._closer_together()
        return self.least

    def _fails(self, actions: Sequence[Action]) -> World | None:
        """The world in which these actions break the same rule; it is remembered then."""
        self._tries -= 1
        if self._tries < 0:
            return None
        world, failed = failure_of(actions)
        if failed is None or failed.where != self.least.where:
            return None
        self.least = failed
        return world

    def _shorter_past(self) -> None:
        whole, length = self.least.actions, 64
        while length < len(whole) and self._fails(whole[-length:]) is None:
            length *= 2

    def _without_kinds(self) -> None:
        """Without all that one device does, and without all of one kind."""
        for attribute in ("who", "what"):
            for one in sorted({getattr(action, attribute) for action in self.least.actions}, key=str):
                self._fails([action for action in self.least.actions if getattr(action, attribute) != one])

    def _without_parts(self) -> None:
        size = len(self.least.actions)
        while size:
            before, at = self.least.actions, 0
            while at < len(self.least.actions):
                actions = self.least.actions
                if self._fails((*actions[:at], *actions[at + size :])) is None:
                    at += size
            if size > 1 or self.least.actions == before:
                size //= 2

    def _single_misfortunes(self) -> None:
        world = self._fails(self.least.actions)
        if world is None:
            return
        fates = [
            Action(0, number, "fate", {"way": way, "number": place, "delays": delays})
            for number, device in enumerate(world.devices)
            for way, link in (("up", device.up), ("down", device.down))
            for place, delays in link.befell.items()
        ]
        self._fails((*fates, *(one for one in self.least.actions if one.what != "weather")))

    def _closer_together(self) -> None:
        for place in range(len(self.least.actions)):
            actions = self.least.actions
            gap = actions[place].at - (actions[place - 1].at if place else 0)
            for kept in (50, 1_000, 5_000):
                if gap > kept:
                    later = (replace(one, at=one.at - gap + kept) for one in actions[place:])
                    if self._fails((*actions[:place], *later)) is not None:
                        break
