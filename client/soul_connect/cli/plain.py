"""Texts of others on a terminal: what would command it, or pass for another line, is taken out.

A track's id is opaque and may hold any character, and a device's name came from whoever has it.
"""

import unicodedata
from typing import Final

_TURNS_AROUND: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""What makes text run the other way: a name could end as something that it is not."""

_COMMANDS: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})


def plain(text: str) -> str:
    """The text in one line, with `?` for each character that a terminal would obey. Tabs are kept."""
    if text.isprintable():
        return text
    return "".join("?" if _commands(each) else each for each in text)


def _commands(character: str) -> bool:
    if character == "\t":
        return False
    return character in _TURNS_AROUND or unicodedata.category(character) in _COMMANDS
