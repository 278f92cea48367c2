"""One real server for all tests of the command line, with a user and two players that keep time."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from serving import Process, Server, serving
from soul_connect.cli.remote import patiently
from soul_connect.client import ConnectClient
from soul_protocol.commands import RepeatMode
from soul_protocol.models import PlaybackState

T = TypeVar("T")

PASSWORD = "correct horse battery staple"


@dataclass
class House:
    """Alice, with the players Kitchen and Office."""

    server: Server
    token: str
    players: dict[str, Process]
    ids: dict[str, str]

    def ask(self, question: Callable[[ConnectClient], Awaitable[T]]) -> T:
        """Through the library, which is quicker than a program: to prepare, and to look."""

        async def main() -> T:
            async with ConnectClient(url=self.server.url, token=self.token, ephemeral=True) as client:
                return await question(client)

        return asyncio.run(main())

    def state(self) -> PlaybackState:
        return self.ask(lambda client: client.playback_state())

    def name_of(self, device_id: str | None) -> str | None:
        return next((name for name, known in self.ids.items() if known == device_id), None)

    def play_in_the_kitchen(self, *tracks: str) -> None:
        """Kitchen is active and plays the first of `tracks`; nothing is shuffled or repeated."""

        async def prepare(client: ConnectClient) -> None:
            state = await client.playback_state()
            if state.device_id != self.ids["Kitchen"]:
                await patiently(lambda: client.transfer_playback(self.ids["Kitchen"]))
            await client.set_shuffle(enabled=False)
            await client.set_repeat(RepeatMode.OFF)
            await client.set_queue(tracks)
            await client.play()

        self.ask(prepare)

    def run(self, *arguments: str, token: str | None = None) -> tuple[int, str, str]:
        """A command of Alice's: exit code, stdout, stderr."""
        done = self.server.run(*arguments, token=token or self.token)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout, done.stderr

    def say(self, *arguments: str) -> str:
        """The output of a command that must succeed."""
        code, out, errors = self.run(*arguments)
        assert code == 0, (arguments, out, errors)
        assert errors == ""
        return out


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("server")) as server:
        done = server.run("user", "add", "alice", "--password-stdin", stdin=PASSWORD + "\n")
        assert done.returncode == 0, done.stderr
        yield server


def start_player(server: Server, token: str, folder: Path, name: str) -> tuple[Process, str]:
    """A simulated player that is registered, and its device id."""
    player = server.spawn(
        *("player", "--name", name, "--engine", "simulated", "--json"),
        *("--device-file", str(folder / f"{name}.json")),
        token=token,
    )
    return player, json.loads(player.line("{"))["device_id"]


@pytest.fixture(scope="session")
def house(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("players")
    token = server.token("alice")
    players, ids = {}, {}
    try:
        for name in ("Kitchen", "Office"):
            players[name], ids[name] = start_player(server, token, folder, name)
        yield House(server, token, players, ids)
    finally:
        for player in players.values():
            player.kill()
