"""Writes the tables of docs/protocol.md from `soul_protocol` and docs/rules/*.toml.

`--check` says whether they are up to date, and whether the tests exist that show each rule.
A table stands between `<!-- table: NAME -->` and `<!-- end -->`.
"""

import re
import sys
import types
import typing
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path

import rules
from pydantic.fields import FieldInfo

from soul_protocol import commands, down, limits, models, roles, topics, up
from soul_protocol.errors import MEANING
from soul_protocol.topics import RETAINED, AllChannel, DownChannel, UpChannel
from soul_protocol.wire import Wire

PAGE = Path(__file__).parent / "protocol.md"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _code(text: object) -> str:
    return f"`{text}`"


def _type_name(model: type[Wire]) -> str:
    names = typing.get_args(model.model_fields["type"].annotation)
    return ", ".join(_code(name) for name in names)


def topics_table() -> str:
    rows: list[tuple[str, ...]] = []
    for channel, kinds in up.MESSAGES.items():
        node = "device" if channel in topics.DEVICE_ONLY else "N"
        quality = {UpChannel.PING: "0", UpChannel.STATE: "0 for the tick, else 1"}.get(channel, "1")
        names = ", ".join(dict.fromkeys(_type_name(kind) for kind in kinds))
        if channel is UpChannel.COMMAND:
            names += ", all but `set_queue`"
        if channel is UpChannel.QUEUE:
            names += " with `set_queue`"
        rows.append((_code(f"{topics.PREFIX}/U/{node}/D/up/{channel}"), quality, "", names))
    for place, kinds in down.MESSAGES.items():
        names = ", ".join(_type_name(kind) for kind in kinds)
        if isinstance(place, DownChannel):
            topic = f"{topics.PREFIX}/U/N/D/down/{place}"
        else:
            topic = f"{topics.PREFIX}/U/all/{place}"
        quality = "0" if place is AllChannel.POSITION else "1"
        if place is DownChannel.REPLY:
            quality = "1, `pong` 0"
        rows.append((_code(topic), quality, "yes" if place in RETAINED else "", names))
    rows.append((_code(topics.COORDINATOR), "1", "yes", _type_name(down.CoordinatorStatus)))
    rows.append((_code(topics.BROKER_CLOSE), "1", "", ", ".join(map(_type_name, down.TO_BROKER))))
    return _table(("topic", "QoS", "retained", "messages"), rows)


def grants_table() -> str:
    def cell(filters: tuple[str, ...]) -> str:
        return ", ".join(_code(one) for one in filters) or "nothing"

    rows: list[tuple[str, ...]] = []
    for role in roles.Role:
        device = "D" if role in {roles.Role.DEVICE, roles.Role.GUEST} else None
        grant = roles.grant_for(roles.Identity("U", role, device))
        publish = cell(grant.publish)
        if role is roles.Role.GUEST:
            for scope in roles.Scope:
                more = roles.grant_for(roles.Identity("U", role, device, frozenset({scope})))
                extra = tuple(one for one in more.publish if one not in grant.publish)
                publish += f"; with scope {_code(scope)}: {cell(extra)}"
        will = "yes" if grant.will else "no"
        rows.append((_code(role), publish, cell(grant.subscribe), will, "yes" if grant.retain else "no"))
    return _table(("role", "may publish", "may subscribe", "will", "retain"), rows)


def codes_table() -> str:
    return _table(("code", "meaning"), [(_code(code), text) for code, text in MEANING.items()])


def limits_table() -> str:
    rows = [
        (_code(name), f"{value:,}")
        for name, value in vars(limits).items()
        if name.isupper() and isinstance(value, int) and name not in {"SECOND", "MINUTE", "HOUR", "DAY"}
    ]
    return _table(("limit", "value"), rows)


def _shape(annotation: object) -> str:
    """A type as a reader of JSON knows it."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if isinstance(annotation, typing.TypeAliasType if hasattr(typing, "TypeAliasType") else ()):
        return _shape(annotation.__value__)
    if origin is typing.Annotated:
        return _shape(inner[0])
    if origin is typing.Literal:
        return " or ".join(_code(value) for value in inner)
    if origin is tuple:
        return f"[{_shape(inner[0])}]"
    if origin in {typing.Union, types.UnionType}:
        shapes = [_shape(one) for one in inner if one is not types.NoneType]
        if len(shapes) > 4:
            return "command"
        return " or ".join(shapes) + (" or null" if types.NoneType in inner else "")
    if isinstance(annotation, type):
        if issubclass(annotation, Enum):
            values = [str(one.value) for one in annotation]
            return "code" if len(values) > 8 else " or ".join(_code(value) for value in values)
        if issubclass(annotation, Wire):
            return annotation.__name__
        return {str: "string", int: "integer", float: "number", bool: "boolean"}.get(
            annotation, annotation.__name__
        )
    return str(annotation)


def _field(name: str, field: FieldInfo) -> str:
    shape = _shape(field.annotation)
    absent = not field.is_required() and field.default is None
    if absent:
        shape = shape.removesuffix(" or null")
    return f"`{name}{'?' if absent else ''}` {shape}"


def _models_table(kinds: list[type[Wire]], head: str) -> str:
    rows = []
    for kind in kinds:
        named = "type" in kind.model_fields
        name = _type_name(kind) if named else _code(kind.__name__)
        fields = [_field(key, value) for key, value in kind.model_fields.items() if key != "type"]
        rows.append((name, "; ".join(fields) or "nothing"))
    return _table((head, "fields"), rows)


def up_table() -> str:
    return _models_table([kind for kinds in up.MESSAGES.values() for kind in kinds], "message up")


def down_table() -> str:
    kinds = dict.fromkeys(kind for kinds in down.MESSAGES.values() for kind in kinds)
    return _models_table([*kinds, down.CoordinatorStatus, *down.TO_BROKER], "message down")


def commands_table() -> str:
    return _models_table(list(typing.get_args(typing.get_args(commands.Command)[0])), "command")


def forwarded_table() -> str:
    kinds = list(typing.get_args(typing.get_args(commands.ForwardedCommand)[0]))
    plain = typing.get_args(typing.get_args(commands.Command)[0])
    return _models_table([kind for kind in kinds if kind not in plain], "forwarded command")


def models_table() -> str:
    kinds: list[type[Wire]] = [
        models.DeviceDescription,
        models.Capabilities,
        models.Device,
        models.ReportedState,
        models.LastKnownState,
        models.PlaybackState,
        models.TrackError,
        models.Refusal,
        models.Limits,
        up.TransferOptions,
    ]
    return _models_table(kinds, "object")


TABLES: dict[str, Callable[[], str]] = {
    "topics": topics_table,
    "grants": grants_table,
    "codes": codes_table,
    "limits": limits_table,
    "up": up_table,
    "down": down_table,
    "commands": commands_table,
    "forwarded": forwarded_table,
    "models": models_table,
    "rules": rules.table,
}


def main(arguments: list[str]) -> int:
    """Write the page, or with `--check` compare. Returns the exit code."""
    text = PAGE.read_text("utf-8")
    pattern = re.compile(r"<!-- table: (\w+) -->\n.*?<!-- end -->", re.DOTALL)
    fresh = pattern.sub(
        lambda found: f"<!-- table: {found[1]} -->\n\n{TABLES[found[1]]()}\n\n<!-- end -->", text
    )
    missing = TABLES.keys() - set(pattern.findall(text))
    if missing:
        sys.stderr.write(f"{PAGE} has no place for the tables {', '.join(sorted(missing))}\n")
        return 1
    wrong = list(rules.problems())
    if wrong:
        sys.stderr.write("\n".join(wrong) + "\n")
        return 1
    if "--check" in arguments:
        if fresh != text:
            sys.stderr.write(f"{PAGE} is out of date: run `make docs`\n")
        return int(fresh != text)
    PAGE.write_text(fresh, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
