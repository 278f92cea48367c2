"""The way to the server for commands that ask something and end."""

# ruff: noqa: PLC0415 (a command imports what it needs when it runs: see __init__)

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from soul_connect.cli.exits import RENEWAL, CliError, Exit
from soul_connect.cli.plain import plain

if TYPE_CHECKING:
    from soul_connect.client import ConnectClient
    from soul_connect.settings import ClientSettings

_CONNECT_SECONDS = 5.0
_KNOCK_AFTER_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Server:
    """Which server, as whom; None: as the environment and the user's file say."""

    url: str | None = None
    token: str | None = None
    ca: Path | None = None

    def settings(self) -> "ClientSettings":
        """All of it.

        Raises:
            SettingsError: something is bad.
        """
        from soul_connect.settings import ClientSettings

        return ClientSettings.load(overrides={"url": self.url, "token": self.token, "ca": self.ca})

    def settings_with_token(self) -> "tuple[ClientSettings, str]":
        """The settings, and the token, which must be there.

        Raises:
            CliError: there is none, or it is none of ours.
            SettingsError: something is bad.
        """
        from soul_connect.identity import read_token

        settings = self.settings()
        if settings.token is None:
            raise CliError(
                Exit.USAGE,
                "There is no token: `soul-connect login URL` gets one; or set SOUL_CONNECT_TOKEN to "
                "what `soul-connect token NAME` prints on the server.",
            )
        try:
            read_token(settings.token)
        except ValueError as error:
            raise CliError(Exit.REFUSED, f"The token is of no use: {error}. {RENEWAL}") from None
        return settings, settings.token


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a command's coroutine, quietly: the one sentence at the end says it all."""
    import asyncio
    import logging

    logging.getLogger().addHandler(logging.NullHandler())
    asyncio.run(main)


@asynccontextmanager
async def connected(server: Server) -> "AsyncIterator[ConnectClient]":
    """A client that is registered, as an ephemeral device that nobody sees."""
    from soul_connect.client import ConnectClient

    settings, token = server.settings_with_token()
    client = ConnectClient(
        url=settings.url,
        token=token,
        name="Command line",
        ephemeral=True,
        ca_file=settings.ca,
    )
    try:
        await _arrive(client, settings.url)
        yield client
    finally:
        _keep_for_the_shell(settings, client)
        await client.disconnect()


def _keep_for_the_shell(settings: "ClientSettings", client: "ConnectClient") -> None:
    from soul_connect.cli.known import Known, owner_of, remember

    owner = owner_of(settings)
    if client.devices and owner is not None:
        remember(
            owner,
            (Known(each.id, each.name, str(each.device_type), each.is_online) for each in client.devices),
        )


async def _arrive(client: "ConnectClient", url: str) -> None:
    """Connect; where nobody listens, say so without the patience that a lost connection deserves.

    Raises:
        LinkError: refused.
        CliError: unreachable.
    """
    import asyncio

    from soul_connect.errors import CertificateError, UnreachableError

    arriving = asyncio.ensure_future(client.connect(timeout=_CONNECT_SECONDS))
    try:
        await asyncio.wait({arriving}, timeout=_KNOCK_AFTER_SECONDS)
        if not arriving.done() and (closed := await knock(url)) is not None:
            raise CliError(Exit.UNREACHABLE, f"{url} cannot be reached: {closed}. Is the server running?")
        await arriving
    except CertificateError:
        raise
    except UnreachableError as error:
        cause = error.__cause__ or error
        raise CliError(
            Exit.UNREACHABLE, f"{url} does not answer: {cause}. `soul-connect doctor` looks for the reason."
        ) from None
    finally:
        arriving.cancel()
        await asyncio.gather(arriving, return_exceptions=True)


async def knock(url: str) -> str | None:
    """Why nobody opens at the server's port; None where somebody does."""
    import asyncio

    from soul_connect.address import parse_url
    from soul_connect.lookup import look_up

    address = parse_url(url)
    closed = "no answer from there"
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            found = await asyncio.wrap_future(look_up(address.host, address.port))
    except TimeoutError:
        return "no nameserver answers"
    except OSError as error:
        return error.strerror or str(error)
    for *_, place in found:
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                _, writer = await asyncio.open_connection(place[0], place[1])
        except TimeoutError:
            continue
        except ConnectionRefusedError:
            closed = "nobody listens there"
        except OSError as error:
            closed = error.strerror or str(error)
        else:
            writer.close()
            return None
    return closed


def ask(server: Server, question: "Callable[[ConnectClient], Awaitable[None]]") -> None:
    """Connect, do one thing, and say goodbye."""

    async def main() -> None:
        async with connected(server) as client:
            await question(client)

    run(main())


def say(text: str) -> None:
    """A line for people or scripts, on stdout."""
    sys.stdout.write(plain(text) + "\n")
    sys.stdout.flush()
