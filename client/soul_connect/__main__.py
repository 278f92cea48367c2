"""`python -m soul_connect`, and the `soul-connect` program."""

import os
import sys


def main() -> int:
    """Run the command line; returns the exit code."""
    if "_SOUL_CONNECT_COMPLETE" in os.environ:
        from soul_connect.cli.completion import answer  # noqa: PLC0415 (only for a TAB)

        if (answered := answer()) is not None:
            sys.stdout.write(answered[0] + "\n" if answered[0] else "")
            return answered[1]
    try:
        import typer  # noqa: F401, PLC0415 (only whether it is there)
    except ModuleNotFoundError:
        print(  # noqa: T201
            "soul-connect: the command line is not installed: pip install 'soul-connect[cli]'",
            file=sys.stderr,
        )
        return 2
    from soul_connect.cli.app import main as command_line  # noqa: PLC0415

    return command_line()


if __name__ == "__main__":
    sys.exit(main())
