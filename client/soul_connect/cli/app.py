"""The typer app: every command of `soul-connect`."""

import atexit
import gc
import io
import os
import sys
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperGroup

from soul_connect.cli import grammar
from soul_connect.cli.exits import end_with, is_closed_pipe

MODULES: Final = (
    "look",
    "mpris",
    "remote",
    "player",
    "manage",
    "server",
    "accounts",
    "provision",
    "doctor",
    "conformance",
)
"""Where the commands are, in the order of `--help`; each has `register`."""

HELP = """Your music on all your devices: look, control, and hand it from one to another.

What plays is on the server; it is found by SOUL_CONNECT_URL and SOUL_CONNECT_TOKEN,
or by what `soul-connect login URL` has kept.
"""


class Grouped(TyperGroup):
    """Help with the commands in groups; rich could do that too, and would take a tenth of a second."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands."""
        groups: dict[str, list[tuple[str, str]]] = {}
        width = max((len(name) for name in self.commands), default=0)
        for name in self.list_commands(ctx):
            command: Any = self.get_command(ctx, name)
            if command is None or command.hidden:
                continue
            group = getattr(command, "rich_help_panel", None)
            text = command.get_short_help_str(formatter.width - width - 6)
            groups.setdefault(group if isinstance(group, str) else "More", []).append(
                (name.ljust(width), text)
            )
        for group, rows in groups.items():
            with formatter.section(group):
                formatter.write_dl(rows)


def build(modules: tuple[str, ...] = MODULES) -> typer.Typer:
    """The app, with all commands, or with those of a few modules."""
    app = typer.Typer(
        name="soul-connect",
        cls=Grouped,
        help=HELP,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for module in modules:
        import_module(f"soul_connect.cli.{module}").register(app)
    return app


def modules_for(arguments: list[str]) -> tuple[str, ...]:
    """The modules that a command line needs: typer takes its time for each command that it is told of.

    With a single command typer would make no group of it, so that there are always some.
    """
    home = grammar.home_of(arguments[0]) if arguments else None
    return tuple(each for each in MODULES if each in {"look", home}) if home in MODULES else MODULES


def main() -> int:
    """Run the command line; returns the exit code."""
    # At its end a process gives everything back at once: looking for garbage first would take
    # 50 ms, until the prompt is back.
    atexit.register(gc.freeze)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Where an encoding lacks a letter of somebody's device, a `?` is better than no answer.
        sys.stdout.reconfigure(errors="replace")
    try:
        result = build(modules_for(sys.argv[1:]))(prog_name="soul-connect", standalone_mode=False)
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 (the last one who can say it kindly)
        if is_closed_pipe(error):
            # Whoever read our output has gone: the flush at exit must not complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return end_with(error)
    return result if isinstance(result, int) else 0
