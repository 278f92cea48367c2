"""`soul-connect mpris` on a real session bus, driven by `playerctl`."""

import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from cli.conftest import House
from serving import PROGRAM, Process
from waiting import until

A, B, C = "/music/Blue Hour/01 Dawn.flac", "https://radio.example/02%20Noon.mp3", "three"


@dataclass
class Desktop:
    """A session bus of its own."""

    address: str

    def playerctl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["playerctl", "--player=soul_connect", *arguments],
            env={**os.environ, "DBUS_SESSION_BUS_ADDRESS": self.address},
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )

    def says(self, *arguments: str) -> str:
        done = self.playerctl(*arguments)
        assert done.returncode == 0, (arguments, done.stderr)
        return done.stdout.strip()

    def shows(self, *arguments: str, wanted: str) -> None:
        until(
            lambda: self.playerctl(*arguments).stdout.strip() == wanted,
            what=lambda: f"{arguments}: {self.playerctl(*arguments)}",
        )


@pytest.fixture
def desktop() -> Iterator[Desktop]:
    bus = Process(["dbus-run-session", "--", "sh", "-c", "echo $DBUS_SESSION_BUS_ADDRESS; exec sleep 600"])
    try:
        yield Desktop(bus.line("unix:"))
    finally:
        bus.kill()


@pytest.fixture
def shown(house: House, desktop: Desktop) -> Iterator[Process]:
    house.play_in_the_kitchen(A, B, C)
    program = Process(
        [*PROGRAM, "mpris"],
        env={
            **house.server.env,
            "SOUL_CONNECT_TOKEN": house.token,
            "DBUS_SESSION_BUS_ADDRESS": desktop.address,
        },
    )
    try:
        program.line("On the desktop's bus")
        yield program
    finally:
        program.kill()


def test_playerctl_sees_and_drives_what_plays_elsewhere(
    house: House, desktop: Desktop, shown: Process
) -> None:
    assert desktop.says("--list-all") == "soul_connect"
    desktop.shows("status", wanted="Playing")
    assert desktop.says("metadata", "xesam:title") == "01 Dawn"
    assert desktop.says("metadata", "xesam:url") == "file:///music/Blue%20Hour/01%20Dawn.flac"
    assert desktop.says("metadata", "xesam:album") == "Kitchen"
    duration_ms = house.state().duration_ms
    assert duration_ms is not None
    assert desktop.says("metadata", "mpris:length") == str(duration_ms * 1_000)

    desktop.says("pause")
    assert not house.state().is_playing
    desktop.shows("status", wanted="Paused")
    desktop.says("play-pause")
    assert house.state().is_playing

    desktop.says("next")
    desktop.shows("metadata", "xesam:url", wanted=B)
    desktop.says("position", "20")
    assert 20_000 <= house.state().position_ms < 22_000
    desktop.says("position", "5-")
    assert 15_000 <= house.state().position_ms < 18_000
    assert 15 <= float(desktop.says("position")) < 20
    desktop.says("previous")  # after three seconds of a track: its beginning
    assert house.state().track_id == B
    desktop.says("previous")
    assert house.state().track_id == A

    desktop.says("volume", "0.3")
    assert house.state().volume == pytest.approx(0.3)
    desktop.says("loop", "Playlist")
    assert house.state().repeat_mode == "all"
    desktop.says("shuffle", "On")
    assert house.state().shuffle
    desktop.says("stop")
    assert (house.state().is_playing, house.state().position_ms) == (False, 0)
    desktop.says("open", "https://radio.example/live")
    assert house.state().queue == ("https://radio.example/live",)
    desktop.shows("metadata", "xesam:title", wanted="live")

    house.say("transfer", "Office")
    desktop.shows("metadata", "xesam:album", wanted="Office")
    shown.signal(signal.SIGINT)
    assert shown.wait() == 0
    assert desktop.playerctl("status").returncode != 0


def test_who_follows_the_bus_hears_each_change_at_once(
    house: House, desktop: Desktop, shown: Process
) -> None:
    follower = Process(
        ["playerctl", "--player=soul_connect", "--follow", "metadata", "--format", "{{status}} {{title}}"],
        env={"DBUS_SESSION_BUS_ADDRESS": desktop.address},
    )
    try:
        follower.line("Playing 01 Dawn")
        house.say("next")
        follower.line("Playing 02 Noon")
        house.say("pause")
        follower.line("Paused 02 Noon")
        assert shown.returncode is None
    finally:
        follower.kill()


def test_what_is_refused_says_why(house: House, desktop: Desktop, shown: Process) -> None:
    guests = subprocess.run(
        [
            *("dbus-send", "--session", "--print-reply", "--dest=org.mpris.MediaPlayer2.soul_connect"),
            *("/org/mpris/MediaPlayer2", "org.freedesktop.DBus.Properties.Set"),
            *("string:org.mpris.MediaPlayer2.Player", "string:LoopStatus", "variant:string:Often"),
        ],
        env={**os.environ, "DBUS_SESSION_BUS_ADDRESS": desktop.address},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert "'Often' is not None, Track or Playlist" in guests.stderr
    assert shown.returncode is None
    assert house.state().repeat_mode == "off"


def test_without_a_bus_one_sentence(house: House) -> None:
    done = subprocess.run(
        [*PROGRAM, "mpris"],
        env={
            **os.environ,
            **house.server.env,
            "SOUL_CONNECT_TOKEN": house.token,
            "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nowhere/bus",
        },
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 2
    assert "There is no session bus" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_track_with_characters_that_the_bus_forbids_is_shown_all_the_same(
    house: House, desktop: Desktop, shown: Process
) -> None:
    house.play_in_the_kitchen("a\0b", "http://radio.example/\0\x1b[2J", "/music/\0.flac", C)
    desktop.shows("metadata", "xesam:title", wanted="a?b")
    for _ in range(3):
        desktop.says("next")
    desktop.shows("metadata", "xesam:title", wanted="three")
    assert shown.returncode is None
