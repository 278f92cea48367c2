"""The command line, `soul-connect`.

Typing a command must feel instant: what is imported here at the top is typer and the
standard library; everything else is imported by the command that needs it.
"""
