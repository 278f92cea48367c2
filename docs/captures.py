"""Takes the pictures of docs/terminal.md: the real program, in tmux, 80 columns, light and dark.

    python docs/captures.py

starts a server with players of its own, and ends it. Needs tmux. Writes docs/terminal/*.svg.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import DEFAULT_TERMINAL_THEME, MONOKAI, TerminalTheme
from rich.text import Text

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from serving import PROGRAM, Server, serving

FOLDER = Path(__file__).parent / "terminal"
THEMES: dict[str, TerminalTheme] = {"light": DEFAULT_TERMINAL_THEME, "dark": MONOKAI}
WIDTH, HEIGHT = 80, 18
ALBUM = "https://music.example/Blue%20Hour"
TITLES = ("Harbour Lights", "Tide Table", "Lamplighter", "Nine Steps", "Morning Ferry")
TRACKS = [
    f"{ALBUM}/{place:02}%20{title.replace(' ', '%20')}.flac?duration_ms={214_000 + 9_000 * place}"
    for place, title in enumerate(TITLES, 1)
]

# rich's own page, without the fonts that it would fetch from elsewhere.
PAGE = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{
    font-family: "DejaVu Sans Mono", Menlo, Consolas, monospace;
    font-size: {char_height}px;
    line-height: {line_height}px;
    font-variant-east-asian: full-width;
}}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Path(folder)) as server,
        evening(server) as token,
    ):
        for name, command in COMMANDS.items():
            seen = screen(server, token, command)
            # As a reader's own server would have it.
            seen = seen.replace(str(server.tls_port), "8883").replace(str(server.mqtt_port), "1883")
            draw(name, command, seen)


COMMANDS = {
    "devices": "soul-connect devices",
    "status": "soul-connect status",
    "watch": "soul-connect watch",
    "doctor": "soul-connect doctor",
    "doctor-fault": "soul-connect doctor --url mqtts://localhost:{tls}",
}


@contextlib.contextmanager
def evening(server: Server) -> Iterator[str]:
    """Music in the kitchen, a player in the study, and one that has gone to bed; Alice's token."""
    server.add_user("alice")
    token = server.token("alice")
    players = []
    try:
        for name in ("Kitchen", "Study", "Bedroom"):
            player = server.spawn(
                *("player", "--name", name, "--engine", "simulated", "--json"),
                *("--device-file", str(server.folder / f"{name}.json")),
                token=token,
            )
            player.line("{")
            players.append(player)
        players[2].signal(2)
        players[2].wait()
        for words in (
            ("queue", *TRACKS, "--on", "Kitchen"),
            ("volume", "40"),
            ("volume", "65", "--on", "Study"),
            ("play",),
            ("next",),
            ("seek", "1:17"),
        ):
            done = server.run(*words, token=token)
            if done.returncode:
                raise SystemExit(f"{words}: {done.stderr}")
        yield token
    finally:
        for player in players:
            player.kill()


def screen(server: Server, token: str, command: str) -> str:
    """What the command shows, with its colours, once it stands still for a second."""
    program = command.format(tls=server.tls_port).replace("soul-connect", " ".join(PROGRAM), 1)
    tmux = ("tmux", "-u", "-L", f"captures-{os.getpid()}")
    env = {**os.environ, **server.env, "SOUL_CONNECT_TOKEN": token, "LC_ALL": "C.UTF-8"}
    subprocess.run(
        [*tmux, "new-session", "-d", "-x", str(WIDTH), "-y", str(HEIGHT), f"{program}; exec sleep 60"],
        env=env,
        check=True,
    )
    try:
        seen, since = "", time.monotonic()
        while time.monotonic() - since < 3:
            now = subprocess.run(
                [*tmux, "capture-pane", "-p", "-e"], env=env, check=True, capture_output=True, text=True
            ).stdout
            seen = now.rstrip() or seen
    finally:
        subprocess.run([*tmux, "kill-server"], env=env, check=True)
    return seen


def draw(name: str, command: str, text: str) -> None:
    prompt = command.partition(" --url")[0] if "{tls}" not in command else command.format(tls=8883)
    for theme, colours in THEMES.items():
        with Path(os.devnull).open("w") as nowhere:
            console = Console(
                width=WIDTH, record=True, file=nowhere, force_terminal=True, color_system="truecolor"
            )
            console.print(Text.assemble(("$ ", "dim"), prompt))
            shown = Text.from_ansi(text)
            # A piece of its own each: a font may draw them wider or narrower than two cells.
            shown.highlight_regex(r"[\U0001F300-\U0001FAFF]", "not dim")
            console.print(shown)
        svg = console.export_svg(title=prompt, theme=colours, code_format=PAGE, unique_id=f"{name}-{theme}")
        lines = [line.rstrip() for line in svg.splitlines()]
        (FOLDER / f"{name}-{theme}.svg").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
