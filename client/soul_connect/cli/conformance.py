"""`conformance`: which rules of the contract a server, or a client, keeps."""

# ruff: noqa: PLC0415 (a command imports what it needs when it runs: see __init__)

import sys
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated

import typer

from soul_connect.cli.arguments import Ca, Json, Token
from soul_connect.cli.exits import CliError, Exit
from soul_connect.cli.link import Server, run, say

if TYPE_CHECKING:
    from soul_connect.conformance.verdict import Finding
    from soul_connect.settings import ClientSettings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="Server")(conformance)


def conformance(
    url: Annotated[str, typer.Argument(metavar="URL", help="The server, or the broker to meet a client at.")],
    *,
    client: Annotated[
        bool,
        typer.Option("--client", help="Be the coordinator there, and try the first client that registers."),
    ] = False,
    wait: Annotated[
        float, typer.Option("--wait", metavar="SECONDS", min=1, help="How long to wait for that client.")
    ] = 60.0,
    track: Annotated[
        list[str] | None,
        typer.Option(
            "--track", metavar="TRACK", help="Three tracks that the client can play, of 10 s at least."
        ),
    ] = None,
    json: Json = False,
    token: Token = None,
    ca: Ca = None,
) -> int:
    """Try every rule of the contract on a server; or, with --client, on somebody's player.

    Example: soul-connect conformance mqtt://127.0.0.1:1883 --token "$(soul-connect token tester)"
    """
    if track and len(track) != 3:
        raise CliError(Exit.USAGE, "--track is given three times, or not at all.")
    from soul_connect.conformance.verdict import Verdict

    findings: list[Finding] = []

    async def main() -> None:
        from json import dumps

        settings = Server(url, token, ca).settings()
        async for finding in _findings(settings, client=client, wait=wait, tracks=tuple(track or ())):
            findings.append(finding)
            if not json:
                _show(finding)
        counts = {verdict: sum(one.verdict is verdict for one in findings) for verdict in Verdict}
        if json:
            rules = [
                {"section": one.section, "rule": one.rule, "verdict": one.verdict, "seen": one.seen or None}
                for one in findings
            ]
            say(dumps({"rules": rules, "counts": counts}))
        else:
            say(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))

    run(main())
    return int(Exit.REJECTED if any(one.verdict is Verdict.BROKEN for one in findings) else Exit.DONE)


async def _findings(
    settings: "ClientSettings", *, client: bool, wait: float, tracks: tuple[str, ...]
) -> "AsyncIterator[Finding]":
    """One after the other.

    Raises:
        CliError: it could not begin.
        LinkError: nobody could connect.
    """
    from soul_connect.address import parse_url, trust
    from soul_connect.conformance.run import OccupiedError, try_client, try_server
    from soul_connect.conformance.visitor import TRACKS
    from soul_connect.errors import CertificateError, TokenRefusedError, UnreachableError
    from soul_connect.link import LinkLost, LinkRefused, LinkUntrusted

    if settings.token is None:
        raise CliError(Exit.USAGE, "There is no token: give --token, or set SOUL_CONNECT_TOKEN.")
    address = parse_url(settings.url)
    tls = trust(settings.ca) if address.tls else None
    user = _holder(settings.token)
    try:
        if client:
            hint = f"Start the client now: it has {wait:g} s to register at {settings.url}."
            print(hint, file=sys.stderr, flush=True)  # noqa: T201 (for people, beside what is asked for)
            found = try_client(
                address, user=user, token=settings.token, tls=tls, patience=wait, tracks=tracks or TRACKS
            )
        else:
            found = try_server(address, user=user, token=settings.token, tls=tls)
        async for finding in found:
            yield finding
    except OccupiedError as error:
        raise CliError(Exit.USAGE, f"{error}.") from None
    except LinkRefused as refused:
        raise TokenRefusedError(str(refused), reason=refused.reason) from None
    except LinkUntrusted as error:
        raise CertificateError(str(error)) from None
    except LinkLost as error:
        raise UnreachableError(f"{settings.url}: {error}") from None


def _holder(token: str) -> str:
    """The `sub` of a token of any role."""
    import base64
    import json

    try:
        body = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return str(claims["sub"])
    except (IndexError, KeyError, TypeError, ValueError):
        raise CliError(Exit.REFUSED, "The token is of no use: it names no user.") from None


def _show(finding: "Finding") -> None:
    mark = {"kept": "+", "broken": "!", "not shown": " "}[finding.verdict]
    say(f"{mark} {finding.section:<16} {finding.rule}")
    if finding.seen:
        say(f"  {'':<16} {finding.verdict}: {finding.seen}")
