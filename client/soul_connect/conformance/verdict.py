"""Rules of the contract, and what was found of each."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar


class Verdict(StrEnum):
    """What was found of a rule."""

    KEPT = "kept"
    BROKEN = "broken"
    NOT_SHOWN = "not shown"


class Broken(Exception):  # noqa: N818 (a verdict)
    """The rule is not kept; the text says what was seen instead."""


class NotShown(Exception):  # noqa: N818 (a verdict)
    """The rule does not concern this peer, or something that it needs did not work; the text says what."""


S = TypeVar("S")
Check = Callable[[S], Awaitable[None]]
"""Returns if the rule is kept; else raises `Broken`, or `NotShown`."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one rule.

    Attributes:
        section: of the contract (docs/protocol.md).
        rule: the rule, as a sentence.
        seen: what was seen instead, where it is not kept.
    """

    section: str
    rule: str
    verdict: Verdict
    seen: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that can be tried; `check` takes the stage on which that happens."""

    section: str
    text: str
    check: "Check[object]"


class Rules(list[Rule]):
    """Rules, in the order in which they are tried."""

    def rule(self, section: str, text: str) -> "Callable[[Check[S]], Check[S]]":
        """The decorated function tries this rule."""

        def add(check: "Check[S]") -> "Check[S]":
            self.append(Rule(section, text, check))  # type: ignore[arg-type] # its stage is its own
            return check

        return add


async def find(rule: Rule, stage: object) -> Finding:
    """Try one rule."""
    try:
        await rule.check(stage)
    except Broken as broken:
        return Finding(rule.section, rule.text, Verdict.BROKEN, str(broken))
    except NotShown as reason:
        return Finding(rule.section, rule.text, Verdict.NOT_SHOWN, str(reason))
    return Finding(rule.section, rule.text, Verdict.KEPT)


PROMPT: Final = 5.0
"""How long (s) an answer may take that the contract wants at once: a network lies between."""


def must(condition: object, seen: str) -> None:
    """The rule is broken unless the condition holds."""
    if not condition:
        raise Broken(seen)
