"""`mpris`: what plays, wherever it plays, as a player of this desktop."""

# ruff: noqa: PLC0415 (a command imports what it needs when it runs: see __init__)

from typing import TYPE_CHECKING

import typer

from soul_connect.cli.arguments import Ca, Token, Url
from soul_connect.cli.exits import CliError, Exit
from soul_connect.cli.link import Server, ask, say

if TYPE_CHECKING:
    from soul_connect.client import ConnectClient


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="Music")(mpris)


def mpris(url: Url = None, token: Token = None, ca: Ca = None) -> None:
    """Let media keys, applets and playerctl control the music, until Ctrl-C.

    Linux. It plays nothing here: it shows and controls what plays on any of your devices.
    """
    try:
        from soul_connect.mpris.bus import on_the_bus
    except ModuleNotFoundError:
        raise CliError(Exit.USAGE, "MPRIS is not installed: pip install 'soul-connect[mpris]'.") from None

    async def question(client: "ConnectClient") -> None:
        async with on_the_bus(client) as name:
            say(f"On the desktop's bus as {name}. Ctrl-C ends it.")
            await client.wait_closed()

    try:
        ask(Server(url, token, ca), question)
    except KeyboardInterrupt:
        return  # that is how one ends it
