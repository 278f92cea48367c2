"""Writes docs/api.md from the docstrings of the client library; `--check` says whether it is up to date.

The page is what `help()` would show of the public names, with nothing left out and nothing added.
"""

import dataclasses
import inspect
import re
import sys
import typing
from collections.abc import Coroutine, Iterator
from enum import Enum
from pathlib import Path

import soul_connect
import soul_connect.sync
from soul_connect import errors
from soul_connect.actions import RolledBack
from soul_connect.identity import CONTROLLER
from soul_connect.lifeline import TokenSource
from soul_connect.players import engine
from soul_connect.requests import Request
from soul_protocol.commands import Command

PAGE = Path(__file__).parent / "api.md"

ALIASES: dict[str, object] = {
    "Command": Command,
    "EngineEvent": engine.EngineEvent,
    "TokenSource": TokenSource,
}
"""Names that say more than what they stand for."""

HEAD = """# The Python library

Written from the docstrings by `make docs`. [The tutorial](tutorial.md) is the place to begin;
[the protocol](protocol.md) says what the messages mean.
"""


def page() -> str:
    parts = [HEAD, *_module(soul_connect.__doc__)]
    public = [getattr(soul_connect, name) for name in soul_connect.__all__]
    events = [kind for kind in typing.get_args(engine.EngineEvent) if kind in public]
    classes = [one for one in public if one not in events and one is not errors.SoulConnectError]
    for one in classes:
        parts += _class(one)
    parts.append("## What an engine tells\n")
    parts += [_line(one) for one in events]
    parts.append("")
    parts += _class(RolledBack)
    parts += _class(Request)
    parts.append("## Without asyncio: `soul_connect.sync`\n")
    parts += _module(soul_connect.sync.__doc__)
    parts += _class(soul_connect.sync.Subscription, level=3)
    parts.append("## Errors\n")
    parts += _module(errors.__doc__)
    for one in vars(errors).values():
        if inspect.isclass(one) and issubclass(one, errors.SoulConnectError):
            parts.append(f"**`{one.__name__}`**: {_text(one.__doc__)}\n")
    return re.sub(r"\n{3,}", "\n\n", "\n".join(parts)).rstrip() + "\n"


def _module(doc: str | None) -> list[str]:
    return [_text(doc), ""]


def _class(one: type, level: int = 2) -> list[str]:
    parts = [f"{'#' * level} `{one.__name__}`\n", _text(one.__doc__), ""]
    made = vars(one).get("__init__")
    if made is not None and made.__doc__ and not dataclasses.is_dataclass(one):
        parts += [f"```python\n{one.__name__}{_signature(made)}\n```\n", _text(made.__doc__), ""]
    elif dataclasses.is_dataclass(one):
        fields = ", ".join(field.name for field in dataclasses.fields(one) if not field.name.startswith("_"))
        parts += [f"Fields: {fields}.", ""]
    for name, member in _members(one):
        if isinstance(member, property):
            parts.append(f"- **`{name}`** ({_kind(member.fget)}): {_indented(member.__doc__)}")
        else:
            word, signature = _call(one, member)
            parts.append(f"- **`{word}{name}{signature}`**: {_indented(member.__doc__)}")
    return [*parts, ""]


def _call(one: type, member: typing.Any) -> tuple[str, str]:
    """`await ` where a call needs it, and the signature, with what the class puts for a type variable."""
    signature = _signature(member)
    variable = member.__annotations__.get("return")
    if not isinstance(variable, typing.TypeVar):
        return "await " if inspect.iscoroutinefunction(member) else "", signature
    bound = next(each for base in vars(one)["__orig_bases__"] for each in typing.get_args(base))
    awaited = typing.get_origin(bound) is Coroutine
    result = typing.get_args(bound)[-1] if awaited else bound
    return "await " if awaited else "", signature.replace(f"-> {variable.__name__}", f"-> {result.__name__}")


def _members(one: type) -> Iterator[tuple[str, typing.Any]]:
    """What is public, in the order of the source, its own before what it inherits."""
    seen: dict[str, typing.Any] = {}
    for kind in one.__mro__[:-1]:
        if not kind.__module__.startswith("soul_connect"):
            continue
        for name, member in vars(kind).items():
            if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, property)):
                seen.setdefault(name, member)
    yield from seen.items()


def _signature(function: typing.Any) -> str:
    signature = inspect.signature(function)
    shown: list[str] = []
    named = False
    for name, parameter in signature.parameters.items():
        if name == "self":
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not named:
            shown.append("*")
            named = True
        default = "" if parameter.default is parameter.empty else f" = {_default(parameter.default)}"
        shown.append(f"{name}: {_plain(parameter.annotation)}{default}")
    back = _plain(signature.return_annotation)
    return f"({', '.join(shown)})" + (f" -> {back}" if back != "None" else "")


def _default(value: object) -> str:
    if value is CONTROLLER:
        return "CONTROLLER"
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    return value.__name__ if inspect.isbuiltin(value) else repr(value)


def _plain(annotation: typing.Any) -> str:
    """An annotation as one reads it: without modules."""
    for name, alias in ALIASES.items():
        if annotation == alias:
            return name
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    text = re.sub(r"\b[a-z_]+(?:\.[a-z_]+)*\.(?=[A-Z])", "", text).replace("~", "")
    for name, alias in ALIASES.items():
        text = text.replace(_bare(alias), name)
    return text


def _bare(alias: object) -> str:
    return re.sub(r"\b[a-z_]+(?:\.[a-z_]+)*\.(?=[A-Z])", "", inspect.formatannotation(alias))


def _kind(getter: typing.Any) -> str:
    return _plain(inspect.signature(getter).return_annotation)


def _line(one: type) -> str:
    fields = ", ".join(field.name for field in dataclasses.fields(one))
    return f"- **`{one.__name__}({fields})`**: {_text(one.__doc__)}"


def _text(doc: str | None) -> str:
    """A docstring as Markdown: its indented parts are code, its sections bold."""
    lines: list[str] = []
    code = False
    for line in inspect.cleandoc(doc or "").splitlines():
        if re.fullmatch(r"(Args|Raises|Attributes|Returns):", line):
            lines += ["", f"**{line[:-1]}**", ""]
            continue
        if lines and line.startswith("    ") and _in_section(lines):
            lines.append(_argument(line))
            continue
        if line.startswith("    ") and not code:
            lines += ["```"]
            code = True
        elif code and line and not line.startswith("    "):
            lines = [*_trimmed(lines), "```", ""]
            code = False
        lines.append(line.removeprefix("    ") if code else line)
    return "\n".join([*_trimmed(lines), "```"] if code else lines).strip()


def _in_section(lines: list[str]) -> bool:
    marks = [line for line in lines if re.fullmatch(r"\*\*(Args|Raises|Attributes|Returns)\*\*", line)]
    return bool(marks)


def _argument(line: str) -> str:
    name, colon, rest = line.strip().partition(": ")
    if line.startswith("        ") or not colon:
        return f"  {line.strip()}"
    return f"- `{name}`: {rest}"


def _trimmed(lines: list[str]) -> list[str]:
    while lines and not lines[-1]:
        lines = lines[:-1]
    return lines


def _indented(doc: str | None) -> str:
    first, *rest = _text(doc).splitlines()
    return "\n".join([first, *(f"  {line}" if line else "" for line in rest)])


def main() -> int:
    text = page()
    if "--check" in sys.argv:
        if not PAGE.exists() or PAGE.read_text("utf-8") != text:
            print("docs/api.md is out of date: `make docs` writes it", file=sys.stderr)  # noqa: T201
            return 1
        return 0
    PAGE.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
