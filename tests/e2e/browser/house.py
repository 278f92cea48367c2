"""The demo as a person meets it: a server with two players and an album, and someone who puts it in order."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from serving import Server
from soul_connect.demo import album
from soul_connect.errors import RequestError
from soul_connect.sync import ConnectClient, Subscription
from soul_protocol.commands import RepeatMode
from soul_protocol.models import Device, PlaybackState
from soul_protocol.up import TransferPlay
from waiting import until

USER = "demo"
TIDY_VOLUME = 0.6


class House:
    """`soul-connect serve --demo`, and an ephemeral client that sets and looks at what the page shows."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.album: list[str] = []
        self._hand: ConnectClient | None = None
        self._states: Subscription[PlaybackState]
        self._devices: Subscription[tuple[Device, ...]]
        self._state: PlaybackState
        self._listed: tuple[Device, ...]

    @property
    def address(self) -> str:
        return f"{self.server.http}/"

    @property
    def hand(self) -> ConnectClient:
        assert self._hand is not None
        return self._hand

    @property
    def password(self) -> str:
        """The one that the demo prints."""
        return (self.server.data_dir / "demo" / "password").read_text("utf-8").strip()

    def enter(self, music: Path) -> None:
        """Start the demo with an album that is there already: to make it takes seconds."""
        there = self.server.data_dir / "demo" / "music"
        there.parent.mkdir(mode=0o700, parents=True)
        shutil.copytree(music, there, copy_function=os.link)
        self.server.data_dir.chmod(0o700)
        self.server.start("--demo")
        token = self.server.token(USER)
        self._hand = ConnectClient(url=self.server.url, token=token, name="Tests", ephemeral=True)
        self._hand.connect()
        self._states = self._hand.subscribe_state()
        self._devices = self._hand.subscribe_devices()
        self.album = list(until(lambda: self.state.queue, seconds=60, what="the album on Kitchen"))

    @property
    def state(self) -> PlaybackState:
        """As it is told to everyone, the newest."""
        with contextlib.suppress(TimeoutError):
            while True:
                self._state = self._states.get(timeout=0)
        return self._state

    @property
    def devices(self) -> tuple[Device, ...]:
        with contextlib.suppress(TimeoutError):
            while True:
                self._listed = self._devices.get(timeout=0)
        return self._listed

    def device(self, name: str) -> Device:
        return next(device for device in self.devices if device.name == name)

    def names(self) -> set[str]:
        return {device.name for device in self.devices}

    def tidy(self) -> None:
        """Kitchen is active, paused at the start of the whole album, at 60 %."""
        until(self._tidied, seconds=30, what=lambda: f"a tidy house: {self.state}")

    def _tidied(self) -> bool:
        kitchen, was, hand = self.device("Kitchen").id, self.state, self.hand
        try:
            if was.device_id != kitchen and was.device_id is not None:
                hand.transfer_playback(kitchen, play=TransferPlay.PAUSE)
            elif was.is_playing:
                hand.pause()
            elif was.shuffle:
                hand.set_shuffle(False)
            elif was.repeat_mode is not RepeatMode.OFF:
                hand.set_repeat(RepeatMode.OFF)
            elif list(was.queue) != self.album or was.queue_position or was.position_ms:
                hand.set_queue(self.album, target_device=kitchen)
            elif was.volume != TIDY_VOLUME:
                hand.set_volume(TIDY_VOLUME)
            else:
                return True
        except RequestError:
            pass  # Too soon after the last transfer, or a player that has just gone: asked again.
        return False

    def close(self) -> None:
        if self._hand is not None:
            self._hand.disconnect()
        self.server.kill()


@contextmanager
def open_house(folder: Path, music: Path, server: type[Server] = Server) -> Iterator[House]:
    house = House(server(folder))
    try:
        house.enter(music)
        yield house
    finally:
        house.close()


@contextmanager
def open_demo(folder: Path) -> Iterator[House]:
    """Likewise, the album made for this once."""
    music = folder / "music"
    music.mkdir()
    album.make(music)
    with open_house(folder / "house", music) as house:
        yield house
