"""The player that media keys, applets and `playerctl` control.

The names of methods, properties and arguments are those of the specification, version 2.2.
"""

from collections.abc import Awaitable
from typing import Final

from dbus_fast import DBusError, Variant
from dbus_fast.annotations import DBusBool, DBusDict, DBusDouble, DBusInt64, DBusObjectPath, DBusStr
from dbus_fast.constants import PropertyAccess
from dbus_fast.service import ServiceInterface, dbus_method, dbus_property, dbus_signal

from soul_connect.client import ConnectClient
from soul_connect.errors import SoulConnectError
from soul_connect.mpris.facts import Facts, facts, jumped, repeat_of

_ERROR: Final = "org.soul_connect.Error"
_READ: Final = PropertyAccess.READ


class Controls(ServiceInterface):
    """`org.mpris.MediaPlayer2.Player`. What is refused is an error of the bus that says why."""

    def __init__(self, client: ConnectClient) -> None:
        super().__init__("org.mpris.MediaPlayer2.Player")
        self._client = client
        self._shown = self._facts()
        self._expected_ms, self._expected_at = 0, 0.0

    def look(self) -> None:
        """Something changed: tell the bus what of it is new."""
        before, now = self._shown, self._facts()
        self._shown = now
        new = {name: value for name, value in _properties(now).items() if value != _properties(before)[name]}
        if new:
            self.emit_properties_changed(new)
        self._look_at_position(same_track=before.track == now.track)

    def _look_at_position(self, *, same_track: bool) -> None:
        moment, position = self._client.now(), self._client.position_ms()
        if same_track and jumped(self._expected(moment), position):
            self.Seeked(position * 1_000)
        self._expected_ms, self._expected_at = position, moment

    def _expected(self, moment: float) -> int:
        playing = self._shown.playback_status == "Playing"
        return self._expected_ms + (round(moment - self._expected_at) if playing else 0)

    def _facts(self) -> Facts:
        return facts(self._client.state, self._client.devices, is_online=self._client.is_online)

    @dbus_method()
    async def Next(self) -> None:
        """The next track."""
        await _done(self._client.next(expect_position=self._place()))

    @dbus_method()
    async def Previous(self) -> None:
        """The previous track, or the beginning of this one."""
        await _done(self._client.previous(expect_position=self._place()))

    @dbus_method()
    async def Pause(self) -> None:
        """Hold."""
        await _done(self._client.pause())

    @dbus_method()
    async def Play(self) -> None:
        """Go on."""
        await _done(self._client.play())

    @dbus_method()
    async def PlayPause(self) -> None:
        """One or the other."""
        playing = self._shown.playback_status == "Playing"
        await _done(self._client.pause() if playing else self._client.play())

    @dbus_method()
    async def Stop(self) -> None:
        """Paused at the beginning."""
        await _done(self._client.stop())

    @dbus_method()
    async def Seek(self, Offset: DBusInt64) -> None:
        """By µs from here; beyond the end is the next track."""
        length = self._shown.length_us
        wanted = self._client.position_ms() * 1_000 + Offset
        if length is not None and wanted > length:
            await _done(self._client.next(expect_position=self._place()))
        else:
            await _done(self._client.seek(max(0, wanted) // 1_000))

    @dbus_method()
    async def SetPosition(self, TrackId: DBusObjectPath, Position: DBusInt64) -> None:
        """To µs; out of range, or of another track than the current one, is ignored."""
        length = self._shown.length_us
        if TrackId != self._shown.track or Position < 0 or (length is not None and Position > length):
            return
        await _done(self._client.seek(Position // 1_000))

    @dbus_method()
    async def OpenUri(self, Uri: DBusStr) -> None:
        """Play this instead of the queue."""
        await _done(self._client.set_queue([Uri]))
        await _done(self._client.play())

    @dbus_signal()
    def Seeked(self, Position: int) -> DBusInt64:
        """The position (µs) is not where it would be by itself."""
        return Position

    @dbus_property(_READ)
    def PlaybackStatus(self) -> DBusStr:
        """`Playing`, `Paused` or `Stopped`."""
        return self._shown.playback_status

    @dbus_property()
    def LoopStatus(self) -> DBusStr:
        """`None`, `Track` or `Playlist`."""
        return self._shown.loop_status

    @LoopStatus.setter  # type: ignore[no-redef]
    async def LoopStatus(self, loop: DBusStr) -> None:
        mode = repeat_of(loop)
        if mode is None:
            raise DBusError(f"{_ERROR}.InvalidArgs", f"{loop!r} is not None, Track or Playlist")
        await _done(self._client.set_repeat(mode))

    @dbus_property()
    def Rate(self) -> DBusDouble:
        """Always 1."""
        return 1.0

    @Rate.setter  # type: ignore[no-redef]
    def Rate(self, _: DBusDouble) -> None:
        """Ignored: the specification asks for that where 1 is the only rate."""

    @dbus_property()
    def Shuffle(self) -> DBusBool:
        """Whether the queue is in random order."""
        return self._shown.shuffle

    @Shuffle.setter  # type: ignore[no-redef]
    async def Shuffle(self, shuffle: DBusBool) -> None:
        await _done(self._client.set_shuffle(shuffle))

    @dbus_property(_READ)
    def Metadata(self) -> DBusDict:
        """The track."""
        return _metadata(self._shown)

    @dbus_property()
    def Volume(self) -> DBusDouble:
        """Of the device that plays."""
        return self._shown.volume

    @Volume.setter  # type: ignore[no-redef]
    async def Volume(self, volume: DBusDouble) -> None:
        await _done(self._client.set_volume(min(1.0, max(0.0, volume))))

    @dbus_property(_READ)
    def Position(self) -> DBusInt64:
        """Now, in µs."""
        return self._client.position_ms() * 1_000

    @dbus_property(_READ)
    def MinimumRate(self) -> DBusDouble:
        """The only one."""
        return 1.0

    @dbus_property(_READ)
    def MaximumRate(self) -> DBusDouble:
        """The only one."""
        return 1.0

    @dbus_property(_READ)
    def CanGoNext(self) -> DBusBool:
        """Whether a track follows."""
        return self._shown.can_go_next

    @dbus_property(_READ)
    def CanGoPrevious(self) -> DBusBool:
        """At least to the beginning."""
        return self._shown.can_go_previous

    @dbus_property(_READ)
    def CanPlay(self) -> DBusBool:
        """Whether there is something to play."""
        return self._shown.can_play

    @dbus_property(_READ)
    def CanPause(self) -> DBusBool:
        """Whether there is something to pause."""
        return self._shown.can_pause

    @dbus_property(_READ)
    def CanSeek(self) -> DBusBool:
        """Whether there is something to seek in."""
        return self._shown.can_seek

    @dbus_property(_READ)
    def CanControl(self) -> DBusBool:
        """Always: what may not be done is refused with its reason."""
        return True

    def _place(self) -> int | None:
        state = self._client.state
        return state.queue_position if state is not None and state.queue else None


async def _done(request: Awaitable[object]) -> None:
    try:
        await request
    except SoulConnectError as error:
        raise DBusError(f"{_ERROR}.{type(error).__name__.removesuffix('Error')}", str(error)) from None
    except ValueError as error:
        raise DBusError(f"{_ERROR}.InvalidArgs", str(error)) from None


def _properties(shown: Facts) -> dict[str, object]:
    return {
        "PlaybackStatus": shown.playback_status,
        "LoopStatus": shown.loop_status,
        "Shuffle": shown.shuffle,
        "Volume": shown.volume,
        "Metadata": _metadata(shown),
        "CanGoNext": shown.can_go_next,
        "CanGoPrevious": shown.can_go_previous,
        "CanPlay": shown.can_play,
        "CanPause": shown.can_pause,
        "CanSeek": shown.can_seek,
    }


def _metadata(shown: Facts) -> dict[str, Variant]:
    found = {"mpris:trackid": Variant("o", shown.track)}
    if shown.length_us is not None:
        found["mpris:length"] = Variant("x", shown.length_us)
    if shown.title is not None:
        found["xesam:title"] = Variant("s", shown.title)
    if shown.album is not None:
        found["xesam:album"] = Variant("s", shown.album)
    if shown.url is not None:
        found["xesam:url"] = Variant("s", shown.url)
    return found
