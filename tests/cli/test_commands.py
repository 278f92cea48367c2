"""Every command that changes or shows what plays, through the real program and a real server."""

import json
import os
from pathlib import Path

import pytest

from cli.conftest import House
from serving import Server
from soul_connect.client import ConnectClient

TRACKS = ("one?duration_ms=200000", "two?duration_ms=200000", "three?duration_ms=200000")


@pytest.fixture
def playing(house: House) -> House:
    """Kitchen is active, and plays the first of three tracks."""
    house.play_in_the_kitchen(*TRACKS)
    return house


def place(house: House) -> tuple[str | None, bool]:
    """Where the music is, and whether it plays."""
    state = house.state()
    return house.name_of(state.device_id), state.is_playing


def test_devices(house: House) -> None:
    listed = json.loads(house.say("devices", "--json"))
    assert {each["name"] for each in listed} >= {"Kitchen", "Office"}
    assert all(each["is_online"] for each in listed if each["name"] in house.ids)
    lines = [line.split("\t") for line in house.say("devices").splitlines()]
    assert {line[0]: line[5] for line in lines}.items() >= house.ids.items()


def test_status(playing: House) -> None:
    found = json.loads(playing.say("status", "--json"))
    assert (found["device_name"], found["is_playing"], found["track_id"]) == ("Kitchen", True, TRACKS[0])
    assert 0 <= found["position_now_ms"] < 30_000
    lines = playing.say("status").splitlines()
    assert {"state: playing", "device: Kitchen", f"track: {TRACKS[0]}", "queue: 1 of 3"} <= set(lines)


def test_play_and_pause(playing: House) -> None:
    assert playing.say("pause").startswith("Paused")
    assert place(playing) == ("Kitchen", False)
    assert playing.say("play").startswith("Playing")
    assert place(playing) == ("Kitchen", True)
    playing.say("play", "--on", "OFFICE")
    assert place(playing) == ("Office", True)


def test_stop(playing: House) -> None:
    playing.say("stop")
    assert place(playing) == ("Kitchen", False)
    assert playing.state().position_ms == 0


def test_seek(playing: House) -> None:
    playing.ask(lambda client: client.pause())
    for text, position in (("1:30", 90_000), ("+10", 100_000), ("-0:20", 80_000), ("-99", 0)):
        playing.say("seek", text)
        assert playing.state().position_ms == position


def test_next_and_previous(playing: House) -> None:
    playing.say("next")
    assert playing.state().track_id == TRACKS[1]
    playing.say("previous")
    assert playing.state().track_id == TRACKS[0]


def test_volume_of_the_active_and_of_another_device(playing: House) -> None:
    playing.say("volume", "40")
    playing.say("volume", "70", "--on", "office")
    devices = playing.ask(lambda client: client.list_devices())
    volumes = {each.name: each.volume for each in devices}
    assert volumes["Kitchen"] == pytest.approx(0.4)
    assert volumes["Office"] == pytest.approx(0.7)


def test_shuffle_and_repeat(playing: House) -> None:
    playing.say("shuffle", "on")
    playing.say("repeat", "all")
    state = playing.state()
    assert (state.shuffle, state.repeat_mode) == (True, "all")
    playing.say("repeat", "one")
    playing.say("shuffle", "off")
    state = playing.state()
    assert (state.shuffle, state.repeat_mode, state.queue) == (False, "one", TRACKS)


def test_transfer_keeps_plays_or_pauses(playing: House) -> None:
    playing.ask(lambda client: client.seek(60_000))
    playing.say("transfer", "office")
    assert place(playing) == ("Office", True)
    assert playing.ask(position) >= 60_000
    playing.say("transfer", "kit", "--pause")
    assert place(playing) == ("Kitchen", False)
    playing.say("transfer", playing.ids["Office"], "--play")
    assert place(playing) == ("Office", True)


async def position(client: ConnectClient) -> int:
    return client.position_ms()


def test_queue_keeps_play_or_pause_and_says_how_to_start(playing: House) -> None:
    playing.say("queue", "x?duration_ms=60000")
    assert playing.state().is_playing
    playing.ask(lambda client: client.pause())
    assert "soul-connect play" in playing.say("queue", *TRACKS)
    assert not playing.state().is_playing


def test_queue_of_files_and_folders(house: House, tmp_path: Path) -> None:
    album = tmp_path / "album"
    album.mkdir()
    for name in ("2.flac", "1.mp3", "cover.jpg"):
        (album / name).touch()
    relative = os.path.relpath(album / "2.flac")
    house.say("queue", relative, str(album), "https://music.example/x.ogg", "--on", "Kitchen")
    assert list(house.state().queue) == [
        str(album / "2.flac"),
        str(album / "1.mp3"),
        str(album / "2.flac"),
        "https://music.example/x.ogg",
    ]


@pytest.mark.parametrize(
    "command",
    [
        ("play",),
        ("pause",),
        ("seek", "10"),
        ("next",),
        ("previous",),
        ("volume", "50"),
        ("shuffle", "off"),
        ("repeat", "off"),
        ("queue", *TRACKS),
        ("transfer", "Kitchen"),
        ("stop",),
    ],
    ids=lambda command: command[0],
)
def test_results_as_json(playing: House, command: tuple[str, ...]) -> None:
    result = json.loads(playing.say(*command, "--json"))
    assert (result["type"], result["status"]) == ("command_result", "applied")


def test_rename_and_back(house: House) -> None:
    assert "Living room" in house.say("rename", "office", "Living room")
    assert json.loads(house.say("rename", "living", "Office", "--json"))["status"] == "applied"
    names = {each["name"] for each in json.loads(house.say("devices", "--json"))}
    assert "Office" in names and "Living room" not in names


def test_an_observer_looks_and_may_not_touch(playing: House) -> None:
    server: Server = playing.server
    observer = server.token("alice", "--role", "observer")
    code, out, _ = playing.run("status", "--json", token=observer)
    assert code == 0 and json.loads(out)["device_name"] == "Kitchen"
    code, out, _ = playing.run("devices", token=observer)
    assert code == 0 and "Kitchen" in out
    code, _, errors = playing.run("pause", token=observer)
    assert code == 4 and errors
