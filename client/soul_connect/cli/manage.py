"""Commands about devices and this user's access: rename, forget, login."""

# ruff: noqa: PLC0415 (a command imports what it needs when it runs: see __init__)

import sys
from getpass import getpass
from json import dumps
from typing import TYPE_CHECKING, Annotated

import typer

from soul_connect.cli.arguments import Ca, DeviceWanted, Json, Token, Url
from soul_connect.cli.exits import CliError, Exit
from soul_connect.cli.link import Server, ask, say
from soul_connect.cli.remote import answered, target

if TYPE_CHECKING:
    from soul_connect.client import ConnectClient

PANEL = "Devices"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for function in (rename, forget, login):
        app.command(rich_help_panel=PANEL)(function)


def rename(
    device: DeviceWanted,
    name: Annotated[str, typer.Argument(metavar="NAME", help="1 to 64 characters.")],
    *,
    json: Json = False,
    url: Url = None,
    token: Token = None,
    ca: Ca = None,
) -> None:
    """Give a device another name.

    Example: soul-connect rename kitchen "Living room"
    """

    async def question(client: "ConnectClient") -> None:
        device_id = _required(client, device)
        await answered(client.rename_device(device_id, name), json=json)
        if not json:
            # The server may have added a suffix: what counts is what it says now.
            listed = await client.list_devices()
            now = next((each.name for each in listed if each.id == device_id), name)
            say(f"It is called {now} now.")

    ask(Server(url, token, ca), question)


def forget(
    device: DeviceWanted, json: Json = False, url: Url = None, token: Token = None, ca: Ca = None
) -> None:
    """Forget a device.

    Everything known about it is deleted; it needs a new token to come back.
    """

    async def question(client: "ConnectClient") -> None:
        await answered(client.delete_device(_required(client, device)), json=json)
        if not json:
            say("It is forgotten.")

    ask(Server(url, token, ca), question)


def login(
    address: Annotated[
        str, typer.Argument(metavar="URL", help="The server's web address, http:// or https://.")
    ],
    user: Annotated[str | None, typer.Option("--user", metavar="NAME", help="Your name there.")] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from the first line of stdin.")
    ] = False,
    json: Json = False,
    ca: Ca = None,
) -> None:
    """Log in, and keep the token.

    It is kept in your own settings file, which only you can read.

    Example: soul-connect login http://music.local:8080 --user alice
    """
    from soul_connect.cli.account import broker_address, log_in, remember

    place = broker_address(address)
    if user is None:
        user = _typed("User: ")
    password = sys.stdin.readline().rstrip("\n") if password_stdin else _secret("Password: ")
    granted = log_in(address, user, password, ca)
    file = remember(place, granted.token, ca)
    if json:
        say(dumps({"user": granted.user, "expires_at": granted.expires_at, "url": place, "file": str(file)}))
    else:
        say(f"Logged in as {granted.user}. The token is in {file}.")


def _required(client: "ConnectClient", device: str) -> str:
    found = target(client, device)
    if found is None:
        raise CliError(Exit.USAGE, "Name a device.")
    return found


def _typed(prompt: str) -> str:
    if not sys.stdin.isatty():
        raise CliError(Exit.USAGE, "Who are you? Give --user NAME.")
    sys.stderr.write(prompt)
    sys.stderr.flush()
    return sys.stdin.readline().strip()


def _secret(prompt: str) -> str:
    if not sys.stdin.isatty():
        raise CliError(Exit.USAGE, "There is no terminal to ask for the password: use --password-stdin.")
    return getpass(prompt)
