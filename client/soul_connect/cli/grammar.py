"""The command line as data, for a shell's TAB: written by `make docs`, checked by `make check`.

Typer takes a tenth of a second to say what could follow. So what it knows of commands and
options is written down once, and `completion` reads it.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

FILE: Final = Path(__file__).with_name("grammar.json")

DEVICE: Final = "DEVICE"
"""What is offered are the devices as last seen."""


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

    return _command(get_command(build()), None)


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
