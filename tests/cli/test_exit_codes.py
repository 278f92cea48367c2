"""What goes wrong ends in one sentence on stderr and the right number, never in a traceback."""

import asyncio
import json
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cli.conftest import House, start_player
from serving import Server
from soul_connect.client import ConnectClient
from soul_protocol.limits import DEVICES_PER_USER
from waiting import until

BAD_USAGE = (
    ("nonsense",),
    ("seek",),
    ("seek", "abc"),
    ("seek", "1:99"),
    ("seek", "1", "2"),
    ("volume", "101"),
    ("volume", "-1"),
    ("volume", "loud"),
    ("shuffle", "maybe"),
    ("repeat", "two"),
    ("queue",),
    ("transfer",),
    ("rename", "x"),
    ("play", "--on"),
    ("play", "--nowhere"),
    ("player", "--engine", "gramophone"),
    ("player", "--log", "x", "--engine", "mpv"),
    ("player", "--only-library"),
    ("status", "--url", "gopher://x"),
    ("login", "mqtt://host"),
)


def refused(house: House, code: int, *arguments: str, token: str | None = None) -> str:
    """Run a command that must end with `code` and one sentence; returns the sentence."""
    ended, out, errors = house.run(*arguments, token=token)
    assert ended == code, (ended, out, errors)
    assert out == ""
    assert len(errors.splitlines()) == 1, errors
    assert errors.startswith("soul-connect: ")
    return errors


@pytest.mark.parametrize("arguments", BAD_USAGE, ids=" ".join)
def test_bad_usage(house: House, arguments: tuple[str, ...]) -> None:
    refused(house, 2, *arguments)


@contextmanager
def nobody() -> Iterator[str]:
    """The address of a port that is taken, and where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"mqtt://127.0.0.1:{taken.getsockname()[1]}"


def test_unreachable(house: House) -> None:
    with nobody() as url:
        for command in (("status",), ("pause",), ("devices", "--json")):
            assert url in refused(house, 3, *command, "--url", url)
        refused(house, 3, "login", url.replace("mqtt", "http"), "--user", "a", "--password-stdin")


def test_a_certificate_that_is_not_trusted_is_said_in_words(house: House) -> None:
    said = refused(house, 3, "devices", "--url", house.server.tls_url)
    assert said.startswith("soul-connect: The server's certificate is not trusted: ")
    assert "--ca FILE" in said
    assert "_ssl" not in said


def test_no_token(house: House) -> None:
    done = house.server.run("status", token="")
    assert done.returncode == 2
    assert "soul-connect login" in done.stderr


def test_a_token_that_is_none(house: House) -> None:
    refused(house, 4, "status", token="garbage")


def test_a_token_of_another_server(house: House) -> None:
    head, body, _ = house.token.split(".")
    refused(house, 4, "status", token=f"{head}.{body}.{'A' * 86}")


def test_a_revoked_token(house: House) -> None:
    token = house.server.token("alice")
    assert house.run("status", token=token)[0] == 0
    assert house.server.run("token", "revoke", token).returncode == 0
    until(lambda: house.run("status", token=token)[0] == 4)


def test_unknown_and_unclear_devices(house: House) -> None:
    assert "Kitchen" in refused(house, 1, "transfer", "bathroom")
    refused(house, 1, "transfer", "00000000-0000-4000-8000-000000000000")
    refused(house, 1, "play", "--on", "bathroom")


def test_offline(house: House, tmp_path: Path) -> None:
    player, _ = start_player(house.server, house.token, tmp_path, "Garage")
    player.signal(signal.SIGTERM)
    assert player.wait() == 0
    until(lambda: "last seen" in house.run("devices")[1])
    refused(house, 5, "transfer", "garage")
    refused(house, 5, "volume", "10", "--on", "garage")
    code, out, _ = house.run("play", "--on", "garage", "--json")
    assert code == 5
    assert json.loads(out)["code"] == "device_offline"
    house.say("forget", "garage")
    assert "Garage" not in house.say("devices")


def test_a_silent_device_does_not_answer(house: House, tmp_path: Path) -> None:
    player, _ = start_player(house.server, house.token, tmp_path, "Cellar")
    house.play_in_the_kitchen("a")
    house.say("transfer", "Cellar")
    player.signal(signal.SIGSTOP)
    try:
        refused(house, 5, "pause")
    finally:
        player.signal(signal.SIGCONT)
        player.kill()
    house.say("forget", "cellar")


def test_a_forgotten_device_may_come_back_with_a_new_token(house: House, tmp_path: Path) -> None:
    player, _ = start_player(house.server, house.token, tmp_path, "Attic")
    house.say("forget", "Attic")
    assert player.wait() == 4
    again = ("player", "--name", "Attic", "--engine", "simulated", "--json")
    file = ("--device-file", str(tmp_path / "Attic.json"))
    said = refused(house, 4, *again, *file)
    assert "`soul-connect login URL`" in said and "`soul-connect token NAME`" in said
    player, _ = start_player(house.server, house.server.token("alice"), tmp_path, "Attic")
    player.kill()
    house.say("forget", "Attic")


def test_a_device_too_many_is_told_what_frees_a_place(server: Server) -> None:
    server.add_user("carol")
    carol = House(server, server.token("carol"), {}, {})

    async def register(number: int) -> None:
        device = f"{number:08x}-0000-4000-8000-000000000000"
        async with ConnectClient(url=server.url, token=carol.token, device_id=device, name=f"No. {number}"):
            pass

    for number in range(DEVICES_PER_USER):
        asyncio.run(register(number))
    player = ("player", "--name", "One more", "--engine", "simulated")
    said = refused(carol, 1, *player)
    assert said.startswith("soul-connect: All device places are taken") and "forget DEVICE" in said
    carol.say("forget", "No. 3")
    start_player(server, carol.token, server.folder, "One more")[0].kill()


def test_a_queue_whose_tracks_are_missing(house: House) -> None:
    house.play_in_the_kitchen("a")
    house.say("pause")
    house.say("queue", "gone?error=not_found")
    said = refused(house, 1, "play")
    assert "its queue has nothing that it can play" in said


def test_nothing_to_play(server: Server) -> None:
    assert server.run("user", "add", "bob").returncode == 0
    token = server.token("bob")
    assert server.run("play", token=token).returncode == 1
    assert server.run("status", token=token).returncode == 0
    assert server.run("devices", token=token).returncode == 0
