"""`doctor`: what is wrong between this computer and the music, and what to do."""

# ruff: noqa: PLC0415 (a command imports what it needs when it runs: see __init__)

import typer

from soul_connect.cli.arguments import Ca, Json, Token, Url
from soul_connect.cli.exits import Exit
from soul_connect.cli.link import Server, run, say


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="Server")(doctor)


def doctor(json: Json = False, url: Url = None, token: Token = None, ca: Ca = None) -> int:
    """Look for what is wrong, and say what to do."""
    first_problem = Exit.DONE

    async def main() -> None:
        from json import dumps

        from soul_connect.cli.checks import examine
        from soul_connect.cli.show import finding_lines, finding_view, terminal

        nonlocal first_problem
        console = terminal()
        found = []
        async for finding in examine(Server(url, token, ca)):
            if not finding.ok and first_problem is Exit.DONE:
                first_problem = finding.code
            if json:
                found.append(
                    {
                        "check": finding.check,
                        "ok": finding.ok,
                        "text": finding.text,
                        "advice": finding.advice,
                    }
                )
            elif console.is_terminal:
                console.print(finding_view(finding.text, finding.advice, ok=finding.ok))
            else:
                for line in finding_lines(finding.text, finding.advice, ok=finding.ok):
                    say(line)
        if json:
            say(dumps(found))

    run(main())
    return int(first_problem)
