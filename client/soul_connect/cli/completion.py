"""What a shell offers at TAB, without typer: a finger waits for it.

The shells' own scripts are typer's (`--show-completion`), and what is printed here is what
typer would print: `test_completion.py` holds the two side by side. What is not plain words of
a command line that could be run is left to typer itself, which takes three times as long.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from soul_connect.cli.grammar import DEVICE
from soul_connect.cli.grammar import FILE as GRAMMAR

VARIABLE: Final = "_SOUL_CONNECT_COMPLETE"
_PLAIN: Final = frozenset("'\"\\=#")
"""Whoever writes one of these needs more than words split at spaces."""

Offer = tuple[str, str]
"""A word, and what it means."""


def answer(environ: Mapping[str, str] = os.environ) -> tuple[str, int] | None:
    """What to print for the shell that asks, and the exit code; None: let typer answer."""
    shell = _SHELLS.get(environ.get(VARIABLE, ""))
    if shell is None:
        return None
    words = shell.words(environ)
    if words is None:
        return None
    try:
        found = offers(*words)
    except (OSError, ValueError):  # the grammar is missing, or broken
        return None
    return None if found is None else shell.text(found, environ)


def offers(words: list[str], incomplete: str) -> list[Offer] | None:
    """What could stand for `incomplete` after these words; None: this is not for us."""
    command: dict[str, Any] = json.loads(GRAMMAR.read_text("utf-8"))
    given: list[dict[str, Any]] = []
    pending: dict[str, Any] | None = None
    places = 0
    for word in words:
        if pending is not None:
            if word.startswith("-"):
                return None
            given.append(pending)
            pending = None
        elif word.startswith("-"):
            option = next((each for each in command["options"] if word in each["names"].split()), None)
            if option is None:
                return None
            if "flag" in option:
                given.append(option)
            else:
                pending = option
        elif "commands" in command:
            if word not in command["commands"]:
                return None
            command, given = command["commands"][word], []
        else:
            places += 1
    if incomplete.startswith("-"):
        return list(_options(command, given, incomplete))
    if pending is not None:
        return _values(pending, incomplete)
    if "commands" in command:
        every = command["commands"].items()
        return [
            (name, each.get("help", ""))
            for name, each in every
            if name.startswith(incomplete) and "hidden" not in each
        ]
    arguments = command.get("arguments", ())
    if places < len(arguments):
        return _values(arguments[places], incomplete)
    return _values(arguments[-1], incomplete) if arguments and "many" in arguments[-1] else []


def _options(command: dict[str, Any], given: list[dict[str, Any]], incomplete: str) -> Iterator[Offer]:
    for each in command["options"]:
        if "hidden" not in each and ("many" in each or each not in given):
            names = each["names"].split()
            yield from ((name, each.get("help", "")) for name in names if name.startswith(incomplete))


def _values(place: dict[str, Any], incomplete: str) -> list[Offer]:
    wanted = place.get("offers", "")  # nothing: then a shell offers files
    if wanted != DEVICE:
        return [(word, "") for word in wanted.split() if word.startswith(incomplete)]
    from soul_connect.cli.known import words  # noqa: PLC0415 (only for a device)

    return words(incomplete)


# What each shell says and wants to hear, as typer's scripts have it.


def _split(text: str) -> list[str] | None:
    return None if _PLAIN & set(text) else text.split()


def _words_of_bash(environ: Mapping[str, str]) -> tuple[list[str], str] | None:
    words, place = _split(environ.get("COMP_WORDS", "")), environ.get("COMP_CWORD", "")
    if words is None or not place.isascii() or not place.isdecimal():
        return None
    here = int(place)
    return words[1:here], words[here] if here < len(words) else ""


def _words_of_others(environ: Mapping[str, str]) -> tuple[list[str], str] | None:
    line = environ.get("_TYPER_COMPLETE_ARGS", "")
    words = _split(line)
    if words is None:
        return None
    if len(words) < 2 or line.endswith(" "):
        return words[1:], ""
    return words[1:-1], words[-1]


def _text_for_bash(found: list[Offer], _: Mapping[str, str]) -> tuple[str, int]:
    return "\n".join(word for word, _ in found), 0


def _text_for_zsh(found: list[Offer], _: Mapping[str, str]) -> tuple[str, int]:
    if not found:
        return "_files", 0
    lines = [f"{_in_zsh(word)}:{_in_zsh(text)}" if text else _in_zsh(word) for word, text in found]
    return "_arguments '*: :((" + "\n".join(lines) + "))'", 0


def _in_zsh(text: str) -> str:
    for character, instead in (('"', '""'), ("'", "''"), ("$", "\\$"), ("`", "\\`"), (":", r"\\:")):
        text = text.replace(character, instead)
    return f'"{text}"'


def _text_for_fish(found: list[Offer], environ: Mapping[str, str]) -> tuple[str, int]:
    if environ.get("_TYPER_COMPLETE_FISH_ACTION") == "is-args":
        return "", 0 if found else 1
    return "\n".join(f"{word}\t{' '.join(text.split())}" if text else word for word, text in found), 0


class _Shell:
    def __init__(
        self,
        words: Callable[[Mapping[str, str]], tuple[list[str], str] | None],
        text: Callable[[list[Offer], Mapping[str, str]], tuple[str, int]],
    ) -> None:
        self.words = words
        self.text = text


_SHELLS: Final = {
    "complete_bash": _Shell(_words_of_bash, _text_for_bash),
    "complete_zsh": _Shell(_words_of_others, _text_for_zsh),
    "complete_fish": _Shell(_words_of_others, _text_for_fish),
}
