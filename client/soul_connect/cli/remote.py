"""Commands that change what plays: they ask, wait for the final answer, and say what is so now."""

# ruff: noqa: PLC0415 (a command imports what it needs when it runs: see __init__)

from collections.abc import Awaitable, Callable
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from soul_connect.cli.arguments import (
    Ca,
    DeviceWanted,
    Json,
    On,
    Place,
    Repeat,
    Switch,
    Token,
    Url,
    parse_percent,
    parse_place,
)
from soul_connect.cli.exits import CliError, Exit
from soul_connect.cli.link import Server, ask, say

if TYPE_CHECKING:
    from soul_connect.client import ConnectClient
    from soul_protocol.down import CommandResult

    Request = Callable[[ConnectClient], Awaitable[CommandResult]]

PANEL = "Music"
_PATIENCE_MS = 2_000
"""Transfers are limited to one a second: a script that makes two needs no error for that."""

_AUDIO = frozenset(
    {
        ".aac",
        ".aif",
        ".aiff",
        ".alac",
        ".ape",
        ".dsf",
        ".flac",
        ".m4a",
        ".mp3",
        ".oga",
        ".ogg",
        ".opus",
        ".wav",
        ".wv",
    }
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for function in (play, pause, stop, next_track, previous, seek, volume, shuffle, repeat, queue, transfer):
        name = "next" if function is next_track else function.__name__
        # Otherwise `seek -10` would be read as an option.
        context = {"ignore_unknown_options": True} if function is seek else None
        app.command(name, rich_help_panel=PANEL, context_settings=context)(function)


def play(on: On = None, json: Json = False, url: Url = None, token: Token = None, ca: Ca = None) -> None:
    """Go on playing, or start on a device.

    Example: soul-connect play --on kitchen
    """
    _request(lambda client: client.play(target_device=target(client, on)), Server(url, token, ca), json=json)


def pause(json: Json = False, url: Url = None, token: Token = None, ca: Ca = None) -> None:
    """Pause, and keep the position."""
    _request(lambda client: client.pause(), Server(url, token, ca), json=json)


def stop(json: Json = False, url: Url = None, token: Token = None, ca: Ca = None) -> None:
    """Stop: paused at the beginning of the track."""
    _request(lambda client: client.stop(), Server(url, token, ca), json=json)


def next_track(json: Json = False, url: Url = None, token: Token = None, ca: Ca = None) -> None:
    """The next track."""
    _request(lambda client: client.next(expect_position=_here(client)), Server(url, token, ca), json=json)


def previous(json: Json = False, url: Url = None, token: Token = None, ca: Ca = None) -> None:
    """The previous track, or the beginning of this one.

    After three seconds of a track it is the beginning.
    """
    _request(lambda client: client.previous(expect_position=_here(client)), Server(url, token, ca), json=json)


def seek(
    position: Annotated[
        Place, typer.Argument(metavar="POS", parser=parse_place, help="1:30 or 90, or +10 or -10 from here.")
    ],
    json: Json = False,
    url: Url = None,
    token: Token = None,
    ca: Ca = None,
) -> None:
    """Go to a position in the track.

    Examples: soul-connect seek 1:30, soul-connect seek +10, soul-connect seek -10
    """

    async def request(client: "ConnectClient") -> "CommandResult":
        duration_ms = client.state.duration_ms if client.state is not None else None
        return await client.seek(position.from_here(client.position_ms(), duration_ms))

    _request(request, Server(url, token, ca), json=json)


def volume(
    percent: Annotated[int, typer.Argument(metavar="VOLUME", parser=parse_percent, help="0 to 100.")],
    *,
    on: On = None,
    json: Json = False,
    url: Url = None,
    token: Token = None,
    ca: Ca = None,
) -> None:
    """Set a device's volume.

    Example: soul-connect volume 40 --on kitchen
    """

    async def request(client: "ConnectClient") -> "CommandResult":
        return await client.set_volume(percent / 100, target_device=target(client, on))

    _request(request, Server(url, token, ca), json=json, done=f"Volume {percent}.")


def shuffle(
    switch: Annotated[Switch, typer.Argument(metavar="on|off")],
    json: Json = False,
    url: Url = None,
    token: Token = None,
    ca: Ca = None,
) -> None:
    """Play the queue in random order, or in its own."""
    _request(
        lambda client: client.set_shuffle(switch is Switch.ON),
        Server(url, token, ca),
        json=json,
        done=f"Shuffle is {switch}.",
    )


def repeat(
    mode: Annotated[Repeat, typer.Argument(metavar="off|one|all")],
    json: Json = False,
    url: Url = None,
    token: Token = None,
    ca: Ca = None,
) -> None:
    """Repeat nothing, this track, or the whole queue."""

    async def request(client: "ConnectClient") -> "CommandResult":
        from soul_protocol.commands import RepeatMode

        return await client.set_repeat(RepeatMode(mode))

    _request(request, Server(url, token, ca), json=json, done=f"Repeat is {mode}.")


def queue(
    tracks: Annotated[
        list[str], typer.Argument(metavar="TRACK...", help="Files, folders, web addresses or ids.")
    ],
    *,
    on: On = None,
    json: Json = False,
    url: Url = None,
    token: Token = None,
    ca: Ca = None,
) -> None:
    """Replace the queue.

    If music was playing, it goes on with the first of these.

    Example: soul-connect queue album/*.flac --on kitchen && soul-connect play
    """
    wanted = [track for text in tracks for track in expand(text)]

    async def request(client: "ConnectClient") -> "CommandResult":
        return await client.set_queue(wanted, target_device=target(client, on))

    _request(request, Server(url, token, ca), json=json, hint="`soul-connect play` starts it.")


def transfer(
    device: DeviceWanted,
    *,
    play_there: Annotated[
        bool | None,
        typer.Option(
            "--play/--pause", help="Play there, or wait there; as it was, if not given.", show_default=False
        ),
    ] = None,
    json: Json = False,
    url: Url = None,
    token: Token = None,
    ca: Ca = None,
) -> None:
    """Take the music to another device.

    It goes on at the same place in the track.

    Example: soul-connect transfer kitchen
    """

    async def request(client: "ConnectClient") -> "CommandResult":
        from soul_protocol.up import TransferPlay

        chosen = {None: TransferPlay.KEEP, True: TransferPlay.PLAY, False: TransferPlay.PAUSE}[play_there]
        wanted = target(client, device)
        if wanted is None:
            raise CliError(Exit.USAGE, "Name the device to transfer to.")
        return await client.transfer_playback(wanted, play=chosen)

    _request(request, Server(url, token, ca), json=json)


def target(client: "ConnectClient", wanted: str | None) -> str | None:
    """The id of the device that was asked for; None for the active one."""
    if wanted is None:
        return None
    from soul_connect.cli.words import find_device
    from soul_protocol.topics import is_device

    # A whole id is for the server to judge: it may know a device that we do not.
    return wanted.lower() if is_device(wanted.lower()) else find_device(wanted, client.devices).id


def expand(text: str) -> list[str]:
    """A track as the devices understand it: a file by its whole path, a folder by what is in it.

    Raises:
        CliError: a folder without music.
    """
    path = Path(text).expanduser()
    if "://" in text or not path.exists():
        return [text]
    if not path.is_dir():
        # The folder's true path, but the file's own name, also where that is a link.
        return [str(path.parent.resolve() / path.name)]
    inside = sorted(each for each in path.resolve().rglob("*") if each.suffix.lower() in _AUDIO)
    if not inside:
        raise CliError(Exit.USAGE, f"There is no music in {text}.")
    return [str(each) for each in inside]


async def patiently(request: "Callable[[], Awaitable[CommandResult]]") -> "CommandResult":
    """Ask; if that was too soon after the last time, wait as told and ask again, once."""
    import asyncio

    from soul_connect.errors import RateLimitedError

    try:
        return await request()
    except RateLimitedError as error:
        wait_ms = error.retry_after_ms
        if wait_ms is None or wait_ms > _PATIENCE_MS:
            raise
    await asyncio.sleep(wait_ms / 1000)
    return await request()


async def answered(request: "Awaitable[CommandResult]", *, json: bool) -> None:
    """Wait for the final answer, and print it if it is wanted as JSON.

    Raises:
        RequestError: it was refused.
        CliError: it was not done after all, because a newer command came first.
    """
    from soul_connect.errors import RequestError
    from soul_protocol.down import ResultStatus

    try:
        result = await request
    except RequestError as error:
        if json:
            facts = {"id": error.id, "status": "rejected", "code": error.code, "message": str(error)}
            say(dumps({key: value for key, value in facts.items() if value is not None}))
        raise
    if json:
        say(result.model_dump_json(exclude_none=True))
    if result.status is ResultStatus.SUPERSEDED:
        raise CliError(Exit.REJECTED, "A newer command came first, so this one was left out.")


def _here(client: "ConnectClient") -> int | None:
    """What is being skipped: if someone else skips at the same moment, the two count as one."""
    state = client.state
    return state.queue_position if state is not None and state.queue else None


def _request(
    request: "Request", server: Server, *, json: bool, done: str | None = None, hint: str | None = None
) -> None:
    async def question(client: "ConnectClient") -> None:
        await answered(patiently(lambda: request(client)), json=json)
        if json:
            return
        if done is not None:
            say(done)
            return
        from soul_connect.cli.words import sentence

        state = await client.playback_state()
        say(sentence(state, client.devices, client.position_ms()))
        if hint is not None and not state.is_playing:
            say(hint)

    ask(server, question)
