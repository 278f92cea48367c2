"""The hardware player end to end: the real MicroPython, broker and coordinator, over TLS, and real audio."""

import json
import secrets
import shutil
import signal
import struct
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from e2e.proxy import Proxy
from firmware.board import FIRMWARE
from firmware.houses import House
from firmware.pocket import Pocket, files, frozen, pocket
from serving import Process
from soul_connect.sync import ConnectClient
from soul_protocol.commands import Next
from soul_protocol.models import PlaybackState
from soul_protocol.tokens import SERVICE_USER
from waiting import until

RATE = 8_000
FRAME = 8


class Home:
    """A user with a phone (the command line, and a client that stays connected)."""

    def __init__(self, house: House, user: str, token: str, phone: ConnectClient) -> None:
        self.house, self.user, self.token, self.phone = house, user, token, phone

    def run(self, *words: str) -> str:
        """One command of the real command line; its output."""
        done = self.house.run(*words, token=self.token)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    @property
    def state(self) -> PlaybackState:
        """As last published to all."""
        state = self.phone.canonical_state
        assert state is not None
        return state

    def until(self, condition: Callable[[PlaybackState], Any], *, seconds: float = 10.0) -> PlaybackState:
        """The first state for which something is so."""

        def find() -> PlaybackState | None:
            state = self.state
            return state if condition(state) else None

        found = until(find, seconds=seconds, what=lambda: str(self.state)[:1_000])
        assert found is not None
        return found

    def say(self, topic: str, payload: bytes, token: str) -> None:
        """Publish as the coordinator could, with its token."""
        program = shutil.which("mosquitto_pub")
        assert program, "mosquitto_pub is not installed; see tests/system-packages.sh"
        who = ["-u", SERVICE_USER, "-P", token]
        where = ["-h", "127.0.0.1", "-p", str(self.house.mqtt_port), "-q", "1", "-t", topic, "-s"]
        subprocess.run([program, *who, *where], input=payload, timeout=10, check=True)


@pytest.fixture
def home(house: House, user: str) -> Iterator[Home]:
    token = house.account(user)
    with ConnectClient(url=house.url, token=token, ephemeral=True) as phone:
        yield Home(house, user, token, phone)


@contextmanager
def desk(home: Home, folder: Path) -> Iterator[tuple[Process, str]]:
    """Another player of the same user."""
    player = home.house.spawn(
        *("player", "--name", "Desk", "--engine", "simulated", "--json"),
        *("--device-file", str(folder / "desk.json")),
        token=home.token,
    )
    try:
        yield player, json.loads(player.line("{"))["device_id"]
    finally:
        player.kill()


def make_tune(file: Path, seconds: int) -> None:
    """A WAV of 32-bit samples that all differ: frame n is n."""
    samples = b"".join(struct.pack("<ii", n, n) for n in range(RATE * seconds))
    form = struct.pack("<HHIIHH", 1, 2, RATE, RATE * FRAME, FRAME, 32)
    body = (
        b"WAVEfmt "
        + struct.pack("<I", len(form))
        + form
        + b"data"
        + struct.pack("<I", len(samples))
        + samples
    )
    file.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)


def place_of(sound: bytes) -> int:
    """Where in the tune (ms) the last whole frame of a sound was."""
    end = len(sound) // FRAME * FRAME
    return int(struct.unpack("<i", sound[end - FRAME : end - 4])[0]) * 1_000 // RATE


def shows(track: str, state: PlaybackState) -> bool:
    """For `Home.until`: this track is the current one."""
    return state.track_id == track


def position_at(state: PlaybackState, moment: float) -> float:
    """In ms, at a moment (s since the epoch) of this machine, whose clock is the coordinator's too."""
    gone = moment * 1_000 - state.position_at if state.is_playing else 0
    return state.position_ms + gone


def position_now(state: PlaybackState) -> float:
    return position_at(state, time.time())


def in_step(home: Home, player: Pocket) -> None:
    """The sound is where everyone is told; of a machine that stood still both are told anew each second."""
    until(lambda: abs(place_of(player.heard()) - position_now(home.state)) < 400, what="that they agree")


def test_the_command_line_plays_on_it_and_hands_the_music_over_and_back(home: Home, tmp_path: Path) -> None:
    make_tune(tmp_path / "tune.wav", 120)
    with (
        files(tmp_path) as address,
        pocket(home.house, tmp_path, home.user, home.token, library=f"{address}/{{id}}.wav") as player,
        desk(home, tmp_path) as (_, other),
    ):
        listed = {device["name"]: device for device in json.loads(home.run("devices", "--json"))}
        assert listed["Pocket"]["device_type"] == "dap" and listed["Pocket"]["is_online"]
        home.run("queue", "tune", "missing", "tune", "--on", "Pocket")
        home.run("volume", "100", "--on", "Pocket")
        home.run("play")
        home.until(lambda state: state.is_playing and state.device_id == player.id)
        until(lambda: len(player.heard()) > RATE * FRAME, what="a second of sound")
        in_step(home, player)
        home.run("seek", "30")
        home.until(lambda state: state.position_ms >= 30_000)
        until(lambda: place_of(player.heard()) >= 31_000, what="the sound from there")
        in_step(home, player)
        assert home.state.duration_ms == 120_000

        home.run("transfer", "Desk")
        there = home.state
        assert there.device_id == other and there.is_playing
        silent = player.heard()
        assert 31_000 <= place_of(silent) <= position_now(there) + 400
        home.run("transfer", "Pocket")
        back = home.state
        assert back.device_id == player.id and back.is_playing
        until(lambda: len(player.heard()) > len(silent) + RATE * FRAME // 2, what="sound again")
        assert player.heard()[: len(silent)] == silent  # not a sample while Desk played
        in_step(home, player)

        home.run("next")  # the second track is not there: it is named and skipped
        state = home.until(lambda state: state.queue_position == 2)
        assert state.error is not None and state.error.code == "not_found" and state.is_playing
        home.run("pause")
        assert not home.state.is_playing
        count = len(player.heard())
        home.run("stop")
        assert len(player.heard()) == count and home.state.position_ms == 0


def test_buttons_claim_the_music_and_change_what_plays(home: Home, tmp_path: Path) -> None:
    with (
        pocket(home.house, tmp_path, home.user, home.token, engine="simulated") as player,
        desk(home, tmp_path) as (_, other),
    ):
        home.run("queue", "one", "two", "three", "--on", "Desk")
        home.run("play")
        home.until(lambda state: state.device_id == other and state.is_playing)
        player.press("play", lambda: home.state.device_id == player.id)
        state = home.until(lambda state: state.is_playing and state.track_id == "one")
        assert state.queue == ("one", "two", "three")
        player.press("next", lambda: home.state.track_id == "two")
        player.press("previous", lambda: home.state.track_id == "one")
        player.press("play", lambda: not home.state.is_playing)
        player.press("louder", lambda: home.state.volume > 0.5)
        # A power cut: silent, at its place and with its volume, and not a new device.
        home.run("play")
        home.until(lambda state: state.is_playing)
        volume = home.state.volume
        home.until(lambda state: state.position_ms > 1_000)
        # Flash is spared: a volume alone is written within 5 s.
        until(lambda: player.kept()["volume"] == volume)
        player.restart()
        player.shows("playing")  # it was away for less than two minutes
        state = home.until(lambda state: state.device_id == player.id and state.is_playing)
        assert state.volume == volume and state.track_id == "one"
        # Someone at its console ends it: offline, and no music starts by itself.
        player.process.signal(signal.SIGINT)
        player.process.wait(10)
        device = until(
            lambda: next(
                (one for one in home.phone.devices if one.id == player.id and not one.is_online), None
            )
        )
        assert device is not None and device.name == "Pocket"
        home.until(lambda state: not state.is_playing)


def hand_over(home: Home, device: str) -> None:
    """Transfer the music, see it play there, and let the second pass in which a user has one transfer."""
    home.phone.transfer_playback(device)
    began = time.monotonic()
    home.until(lambda state: state.device_id == device and state.is_playing)
    until(lambda: time.monotonic() - began > 1)


def test_a_queue_of_500_tracks_in_160_kb_and_one_of_10_000_in_windows(home: Home, tmp_path: Path) -> None:
    tracks = [str(uuid.uuid4()) for _ in range(500)]
    small: dict[str, Any] = {"heap": "160k", "code": frozen(tmp_path / "firmware"), "engine": "simulated"}
    with (
        Proxy(home.house.port) as proxy,
        pocket(home.house, tmp_path, home.user, home.token, port=proxy.port, **small) as player,
        desk(home, tmp_path) as (_, other),
    ):
        home.phone.set_queue(tracks, target_device=player.id)
        home.phone.play()
        for place in (1, 2):
            home.phone.next()
            home.until(partial(shows, tracks[place]))
        hand_over(home, other)
        hand_over(home, player.id)
        hand_over(home, other)
        player.press("play", lambda: home.state.device_id == player.id and home.state.is_playing)
        assert home.state.queue == tuple(tracks)
        home.phone.next()
        home.until(partial(shows, tracks[3]))

        # All of it comes again with each registration, while the music plays on and after a power cut.
        said = len(player.process.lines)
        proxy.swallow()
        player.process.line("link: no answer to a ping", after=said)
        proxy.heal()
        home.phone.send_command(Next(), lifetime_ms=20_000)
        home.until(partial(shows, tracks[4]))
        player.restart()
        player.shows("playing")
        home.phone.next()
        home.until(partial(shows, tracks[5]))

        tracks.reverse()
        home.phone.set_queue(tracks)
        home.until(lambda state: state.queue_rev > 1 and state.track_id == tracks[0])
        home.phone.set_shuffle(enabled=True)
        many = [f"{n:05}{'x' * 20}" for n in range(10_000)]
        home.phone.set_queue(many, start_index=5_000)
        home.phone.set_shuffle(enabled=False)
        home.phone.set_queue(many, start_index=5_000)
        home.phone.next()
        state = home.until(lambda state: state.track_id == many[5_001])
        assert state.is_playing and len(state.queue) == 10_000
        assert not any("Memory" in line for line in player.process.lines), player.process.output


def test_a_long_queue_goes_on_over_the_edges_of_its_windows(home: Home, tmp_path: Path) -> None:
    tracks = [f"{n:05}?duration_ms=50" for n in range(10_000)]
    small: dict[str, Any] = {"max_payload_bytes": 3_200, "engine": "simulated"}
    with pocket(home.house, tmp_path, home.user, home.token, **small) as player:
        home.phone.set_queue(tracks, start_index=7_000, target_device=player.id)
        home.phone.play()
        # A window holds 46 of them.
        state = home.until(lambda state: state.queue_position >= 7_120, seconds=30)
        assert state.track_id == tracks[state.queue_position] and state.error is None
        home.phone.pause()


def test_no_command_is_lost_or_done_twice_over_cuts(home: Home, tmp_path: Path) -> None:
    tracks = [f"track-{n}" for n in range(200)]
    with (
        Proxy(home.house.port) as proxy,
        pocket(home.house, tmp_path, home.user, home.token, engine="simulated", port=proxy.port) as player,
    ):
        home.phone.set_queue(tracks, target_device=player.id)
        home.phone.play()
        applied = 0
        # Three connections that end so soon after `registered` would mean another client with its id.
        for turn in range(2):
            proxy.swallow()  # the player is not told
            began = time.monotonic()
            with ThreadPoolExecutor(4) as fingers:
                skip = partial(home.phone.send_command, Next(), lifetime_ms=20_000)
                outcomes = [fingers.submit(skip) for _ in range(4)]
                proxy.heal()
                for outcome in outcomes:
                    assert outcome.result(25).status == "applied", turn
                    applied += 1
            # Found by the missing answer to its ping, while playing: 4 s, and the way back.
            assert time.monotonic() - began < 20
        assert applied == 8
        state = home.until(lambda state: state.queue_position == 8)
        assert state.track_id == tracks[8] and state.is_playing
        assert player.process.returncode is None


def test_a_coordinator_that_is_killed_comes_back_and_the_music_never_stopped(
    home: Home, tmp_path: Path
) -> None:
    with pocket(home.house, tmp_path, home.user, home.token, engine="simulated") as player:
        home.phone.set_queue(["one", "two"], target_device=player.id)
        home.phone.play()
        before = home.state
        home.house.process.kill()
        home.house.start()
        state = home.until(
            lambda state: (
                state.is_playing and state.device_id == player.id and state.sequence > before.sequence
            ),
            seconds=20,
        )
        now = time.time()
        assert abs(position_at(state, now) - position_at(before, now)) < 1_000
        until(lambda: home.phone.is_online, seconds=20)
        home.run("next")
        assert home.until(lambda state: state.track_id == "two").epoch == before.epoch


def test_whatever_comes_down_the_wire_it_goes_on(home: Home, tmp_path: Path) -> None:
    with pocket(home.house, tmp_path, home.user, home.token, engine="simulated") as player:
        root = f"soul/v1/{home.user}/device/{player.id}/down"
        junk = [
            b"{",
            b"[]",
            b"null",
            b"\xff\xfe\x00",
            b'{"type":"execute_command"}',
            b"x" * 30_000,
            b"[" * 5_000,
        ]
        token = home.house.service_token()
        for payload in junk:
            for channel in ("execute", "reply"):
                home.say(f"{root}/{channel}", payload, token)
        home.run("queue", "one", "two", "--on", "Pocket")
        home.run("play")
        assert home.until(lambda state: state.is_playing).device_id == player.id
        assert player.process.returncode is None


def test_a_newer_firmware_is_fetched_swapped_in_and_kept_once_it_is_online(
    home: Home, tmp_path: Path
) -> None:
    flash, key = tmp_path / "flash", secrets.token_hex(32)
    shutil.copytree(FIRMWARE / "soul", flash / "soul", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("boot.py", "main.py"):
        shutil.copy(FIRMWARE / name, flash)
    (flash / "soul" / "old.py").touch()  # the new one has no such file
    (tmp_path / "update.key").write_text(key)
    maker = [sys.executable, str(FIRMWARE / "update.py"), "--key", str(tmp_path / "update.key")]
    subprocess.run([*maker, "--version", "2", str(tmp_path / "update")], check=True, capture_output=True)
    with files(tmp_path / "update") as address:
        wanted: dict[str, Any] = {
            "update_url": address,
            "update_key": key,
            "update_after": 0.1,
            "engine": "simulated",
        }
        with pocket(home.house, tmp_path, home.user, home.token, code=flash, **wanted) as player:
            player.process.line("update: version 2")
            assert player.process.wait(20) == 3  # it starts again
            assert (flash / "soul.old" / "old.py").exists() and not (flash / "soul" / "old.py").exists()
            player.boot()
            assert player.process.wait(20) == 0 and player.process.lines == ["version on trial"]
            player.restart()
            player.shows("idle")
            until(lambda: not (flash / "soul.old").exists(), what="it stays")
            assert player.process.line("update: nothing newer")
