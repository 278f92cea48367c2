"""The command line as data: written by `make docs`, checked by `make check`.

Typer takes a tenth of a second to learn all commands and options. So what it knows is written
down once: `completion` answers a TAB with it, and `app` sees which module a command is in.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

FILE: Final = Path(__file__).with_name("grammar.json")

DEVICE: Final = "DEVICE"
"""What is offered are the devices as last seen."""


def home_of(command: str) -> str | None:
    """The module of `soul_connect.cli` that a command is in; None for what is no command."""
    try:
        home = json.loads(FILE.read_text("utf-8"))["commands"][command]["module"]
    except (OSError, ValueError, KeyError):
        return None
    return str(home)


def main(arguments: list[str]) -> int:
    """Write the file, or with `--check` say whether it is out of date. Returns the exit code."""
    text = json.dumps(document(), indent=1, ensure_ascii=False) + "\n"
    if "--check" not in arguments:
        FILE.write_text(text, "utf-8")
    elif FILE.read_text("utf-8") != text:
        sys.stderr.write(f"{FILE} is out of date: run `make docs`\n")
        return 1
    return 0


def document() -> dict[str, Any]:
    """The program: its commands, with their options and arguments."""
    from typer.main import get_command  # noqa: PLC0415 (only to write the file)

    from soul_connect.cli.app import build  # noqa: PLC0415

    program = get_command(build())
    found = _command(program, None)
    for name, command in getattr(program, "commands", {}).items():
        first = next(iter(getattr(command, "commands", {}).values()), command)  # a group runs nothing itself
        found["commands"][name]["module"] = first.callback.__module__.rpartition(".")[2]
    return found


def _command(command: Any, parent: Any) -> dict[str, Any]:
    context = command.make_context(command.name, [], parent=parent, resilient_parsing=True)
    params = command.get_params(context)
    subcommands = getattr(command, "commands", None) or {}
    return _told(
        help=command.get_short_help_str(),
        hidden=command.hidden,
        options=[_option(each, context) for each in params if each.param_type_name == "option"],
        arguments=[
            _told(many=each.nargs == -1, offers=_offers(each, context))
            for each in params
            if each.param_type_name == "argument"
        ],
        commands={name: _command(each, context) for name, each in subcommands.items()},
    )


def _option(option: Any, context: Any) -> dict[str, Any]:
    return _told(
        names=" ".join(sorted([*option.opts, *option.secondary_opts], key=len)),
        help=option.help,
        hidden=option.hidden,
        many=option.multiple,
        flag=option.is_flag,
        offers=_offers(option, context),
    )


def _told(**facts: Any) -> dict[str, Any]:
    """What there is to tell: no word for what is absent."""
    return {name: fact for name, fact in facts.items() if fact}


def _offers(param: Any, context: Any) -> str:
    """What may stand there: one of some words, a device, or (nothing) anything."""
    if param._custom_shell_complete is not None:  # noqa: SLF001 (typer has no public name for it)
        return DEVICE
    return " ".join(each.value for each in param.shell_complete(context, "") if each.type == "plain")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
