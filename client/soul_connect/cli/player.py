"""`player`: this computer as a device that plays."""

# ruff: noqa: PLC0415 (a command imports what it needs when it runs: see __init__)

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from soul_connect.cli.arguments import Ca, Json, Token, Url
from soul_connect.cli.exits import CliError, Exit
from soul_connect.cli.link import Server


class EngineName(StrEnum):
    """What makes the sound."""

    MPV = "mpv"
    SIMULATED = "simulated"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="Devices")(player)


def player(
    *,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="What to call it; else the computer's name.")
    ] = None,
    engine: Annotated[
        EngineName, typer.Option("--engine", help="mpv plays; simulated only keeps time.")
    ] = EngineName.MPV,
    device_file: Annotated[
        Path | None,
        typer.Option(
            "--device-file", metavar="FILE", help="Where it keeps who it is; else one for each name."
        ),
    ] = None,
    library: Annotated[
        str | None,
        typer.Option(
            "--library",
            "--template",
            metavar="FOLDER|URL",
            envvar="SOUL_CONNECT_LIBRARY",
            help="Where track ids are looked up: a folder, or an address with {id} in it.",
        ),
    ] = None,
    only_library: Annotated[
        bool,
        typer.Option(
            "--only-library",
            help="Play nothing else: no web address and no path, whoever queued it, guests too.",
        ),
    ] = False,
    volume: Annotated[
        int | None,
        typer.Option(
            "--volume", metavar="VOLUME", min=0, max=100, help="To begin with, 0 to 100; else as it was."
        ),
    ] = None,
    mpv_arg: Annotated[
        list[str] | None,
        typer.Option(
            "--mpv-arg",
            metavar="ARG",
            help="One more of mpv's options, such as --tls-ca-file=FILE; may be repeated.",
        ),
    ] = None,
    log: Annotated[
        Path | None,
        typer.Option(
            "--log", metavar="FILE", help="Where the simulated engine notes what it does, as JSON lines."
        ),
    ] = None,
    json: Json = False,
    url: Url = None,
    token: Token = None,
    ca: Ca = None,
) -> None:
    """Make this computer a device that plays music, until Ctrl-C.

    Example: soul-connect player --name Kitchen --library ~/Music
    """
    if engine is EngineName.MPV and log is not None:
        raise CliError(Exit.USAGE, "--log belongs to --engine simulated.")
    if engine is EngineName.SIMULATED and mpv_arg:
        raise CliError(Exit.USAGE, "--mpv-arg belongs to --engine mpv.")
    if only_library and library is None:
        raise CliError(Exit.USAGE, "--only-library needs --library: where is the music?")
    from soul_connect.cli.renderer import Wanted, run_player

    run_player(
        Server(url, token, ca),
        Wanted(
            name=name,
            engine=engine,
            device_file=device_file,
            library=library,
            only_library=only_library,
            volume=None if volume is None else volume / 100,
            mpv_arguments=tuple(mpv_arg or ()),
            log=log,
        ),
        json=json,
    )
