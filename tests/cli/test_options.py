"""Options that many commands share, and that none is left untried."""

import re
import socket
from pathlib import Path
from typing import Any

import typer

from cli.conftest import House
from serving import Server, serving
from soul_connect.cli.app import build

TESTS = Path(__file__).parents[1]


def commands() -> dict[str, Any]:
    """Every command by its words."""

    def walk(words: tuple[str, ...], command: Any) -> dict[str, Any]:
        inside = getattr(command, "commands", None)
        if inside is None:
            return {" ".join(words): command}
        return {
            path: each for name, one in inside.items() for path, each in walk((*words, name), one).items()
        }

    return walk((), typer.main.get_command(build()))


def test_every_command_and_option_is_tried_somewhere() -> None:
    files = [
        *(TESTS / "cli").glob("*.py"),
        *(TESTS / "e2e").glob("*.py"),
        TESTS / "coordinator" / "accounts" / "test_command_line.py",
        TESTS / "client" / "test_conformance.py",
        TESTS / "serving.py",
    ]
    text = "\n".join(file.read_text("utf-8") for file in files)
    untried = []
    for path, command in commands().items():
        if f'"{path.split()[-1]}"' not in text:
            untried.append(path)
        for parameter in command.params:
            names = [name for name in (*parameter.opts, *parameter.secondary_opts) if name.startswith("--")]
            untried += [f"{path} {name}" for name in names if not re.search(f'"{name}["=]', text)]
    assert untried == []


def test_a_token_by_option(house: House) -> None:
    code, out, _ = house.run("devices", "--token", house.token, token="none")
    assert code == 0 and "Kitchen" in out
    assert house.run("devices", "--token", "none")[0] == 4


def test_a_player_begins_with_a_volume_and_a_library(server: Server, house: House, tmp_path: Path) -> None:
    player = server.spawn(
        *("player", "--name", "Shed", "--engine", "simulated", "--volume", "35", "--json"),
        *("--device-file", str(tmp_path / "shed.json"), "--template", "https://music.example/{id}"),
        token=house.token,
    )
    try:
        player.line("{")
        shed = next(each for each in house.ask(lambda client: client.list_devices()) if each.name == "Shed")
        assert shed.volume == 0.35
        house.say("forget", "Shed")
    finally:
        player.kill()


def test_a_host_to_listen_on(tmp_path: Path) -> None:
    with serving(tmp_path, "--host", "127.0.0.2") as server:
        with socket.create_connection(("127.0.0.2", server.mqtt_port), timeout=5):
            pass
        with socket.socket() as elsewhere:
            elsewhere.settimeout(5)
            assert elsewhere.connect_ex(("127.0.0.1", server.mqtt_port)) != 0
