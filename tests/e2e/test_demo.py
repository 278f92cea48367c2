"""`serve --demo`: what it says opens the page, and real music is on."""

import io
import json
import re
import urllib.request
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serving import Server
from soul_connect.demo import album
from waiting import until


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("demo"))
    try:
        server.start("--demo")
        yield server
    finally:
        server.kill()


def told(demo: Server) -> tuple[str, str, str]:
    """The page's address, the user and the password, from what it wrote for people."""
    match = re.search(r"The page: (\S+) \(user (\w+), password (\S+)\)", "\n".join(demo.process.errors))
    assert match is not None
    return match[1], match[2], match[3]


def ask(demo: Server, path: str, body: object = None, token: str = "") -> Any:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{told(demo)[0]}{path}", data, headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def signed_in(demo: Server) -> str:
    _, user, password = told(demo)
    return str(ask(demo, "api/login", {"user": user, "password": password})["token"])


def test_what_it_says_opens_the_page(demo: Server) -> None:
    address, user, _ = told(demo)
    assert address == f"{demo.http}/"
    assert user == "demo"
    with urllib.request.urlopen(address, timeout=10) as page:
        assert page.headers["Content-Type"].startswith("text/html")
    assert (demo.data_dir / "demo" / "password").stat().st_mode & 0o777 == 0o600


def test_the_kitchen_has_the_album_on_and_the_page_its_titles_and_sound(demo: Server) -> None:
    token = signed_in(demo)
    library = ask(demo, "api/library", token=token)
    assert library["scanning"] or library["total"] == 5
    until(lambda: demo.json("status", token=token)["queue"], seconds=60, what="the album")
    assert not ask(demo, "api/library", token=token)["scanning"]
    state = demo.json("status", token=token)
    assert tuple(state["queue"]) == album.TRACKS
    assert not state["is_playing"]
    assert state["duration_ms"] == album.durations()[album.TRACKS[0]]
    devices = {device["id"]: device["name"] for device in demo.json("devices", token=token)}
    assert devices[state["device_id"]] == "Kitchen"
    found = ask(demo, "api/tracks", {"ids": state["queue"]}, token)["tracks"]
    assert [each["title"] for each in found.values()][:2] == ["Kitchen, Early", "Window Seat"]
    assert {each["album"] for each in found.values()} == {"Five Rooms"}
    for each in found.values():
        with urllib.request.urlopen(f"{demo.http}/{each['cover']}", timeout=10) as cover:
            assert cover.headers["Content-Type"] == "image/svg+xml"
    with urllib.request.urlopen(f"{demo.http}/{found[album.TRACKS[4]]['stream']}", timeout=10) as sound:
        data = sound.read()
    with wave.open(io.BytesIO(data)) as heard:
        length = heard.getnframes() * 1000 // heard.getframerate()
    assert length == album.durations()[album.TRACKS[4]]


def test_another_start_keeps_password_and_queue(demo: Server) -> None:
    token, before = signed_in(demo), told(demo)
    until(lambda: demo.json("status", token=token)["queue"], seconds=60, what="the album")
    assert demo.run("queue", "one", "two", "--on", "Kitchen", token=token).returncode == 0
    assert demo.stop() == 0
    made = demo.data_dir / "demo" / "music" / album.FOLDER / "cover.svg"
    changed = made.stat().st_mtime_ns
    demo.start("--demo")
    assert told(demo) == before
    until(lambda: ask(demo, "api/library", token=token)["total"] == 5, what="the library")
    assert demo.json("status", token=token)["queue"] == ["one", "two"]
    assert made.stat().st_mtime_ns == changed


def test_music_of_ones_own_takes_the_albums_place(tmp_path: Path) -> None:
    server = Server(tmp_path)
    (tmp_path / "music").mkdir()
    config = tmp_path / "soul-connect.toml"
    config.write_text('music_dir = "music"\n')
    try:
        server.start("--demo", "--config", str(config))
        assert ask(server, "api/library", token=signed_in(server))["total"] == 0
        assert not (server.data_dir / "demo" / "music").exists()
    finally:
        server.kill()


def test_music_that_is_not_there_is_said_at_once(tmp_path: Path) -> None:
    server = Server(tmp_path)
    config = tmp_path / "soul-connect.toml"
    config.write_text('music_dir = "musik"\n')
    done = server.run(
        "serve", "--config", str(config), "--mqtt-port", "0", "--tls-port", "0", "--http-port", "0"
    )
    assert done.returncode == 2
    assert done.stderr.strip().endswith("musik is no folder that can be read.")
