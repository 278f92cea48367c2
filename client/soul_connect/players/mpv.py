"""The mpv engine: music on a desktop.

How it works. mpv holds at most two playlist entries, the current track and the next one,
so that it goes on without a gap. Its events are read in order by `_heard`, which never
waits; what there is to tell goes through one queue to the listener, so that the order
stays. Every change of ours is noted before mpv can report it (`then` of
`MpvProcess.request`): whatever mpv reports beyond that was done by someone else.

If mpv dies it is started once more, where it was; if that does not last, it is gone.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, ClassVar

from soul_connect.players.engine import (
    Advanced,
    Engine,
    EngineError,
    EngineEvent,
    EngineGone,
    EngineRestarted,
    PlayingChanged,
    PositionJumped,
    QueueReplaced,
    TrackFailed,
    VolumeChanged,
)
from soul_connect.players.mpv_ipc import MpvError, MpvGoneError, MpvProcess
from soul_connect.players.mpv_playback import Heard, Playback
from soul_connect.players.tracks import TrackResolver, absolute

_log = logging.getLogger(__name__)

_ARGUMENTS = (
    "--no-config",
    "--idle=yes",
    "--no-video",
    "--no-terminal",
    "--pause=yes",
    "--volume=100",
    "--volume-max=100",
    "--hr-seek=yes",
    "--prefetch-playlist=yes",
    "--load-scripts=no",
    "--ytdl=no",
    # mpv believes any certificate, and whoever is in between would choose what is heard.
    "--tls-verify=yes",
    "--audio-client-name=Soul Connect",
)
_LOAD_SECONDS = 10.0
_SEEK_SECONDS = 5.0
_RESTART_EVERY_SECONDS = 60.0
"""A second death within this time is final: starting again would only repeat it."""


class MpvEngine(Engine):
    """Plays with mpv (0.35 or later).

    Args:
        library, only_library: where ids are looked up, and whether no other is played (`TrackResolver`).
        program: mpv's name or path.
        arguments: more of mpv's options, such as `--audio-device=...`, or `--tls-ca-file=FILE` where
            tracks are on a server with a certificate of one's own.
    """

    supported_formats: ClassVar[tuple[str, ...]] = (
        "flac", "mp3", "wav", "ogg", "opus", "aac", "m4a", "alac", "aiff", "wavpack", "ape", "dsf",
    )  # fmt: skip
    max_sample_rate: ClassVar[int] = 384_000

    def __init__(
        self,
        *,
        library: str | None = None,
        only_library: bool = False,
        program: str = "mpv",
        arguments: Sequence[str] = (),
    ) -> None:
        self._tracks = TrackResolver(library, only_library=only_library)
        self._program = program
        self._arguments = (*_ARGUMENTS, *arguments)
        self._listener: Callable[[EngineEvent], None] | None = None
        self._mpv: MpvProcess | None = None
        self._playback = Playback()
        self._volume = 1.0
        self._outbox: asyncio.Queue[Heard] = asyncio.Queue()
        self._turn = asyncio.Lock()
        self._telling: asyncio.Task[None] | None = None
        self._restarting: asyncio.Task[None] | None = None
        self._restarted_at = float("-inf")
        self._gone = False

    @property
    def pid(self) -> int | None:
        """The process id of mpv, None while there is none."""
        return self._mpv.pid if self._mpv is not None else None

    async def open(self, listener: Callable[[EngineEvent], None]) -> None:
        """Start mpv; see `Engine.open`."""
        self._listener = listener
        await self._start()
        self._telling = asyncio.create_task(self._tell(), name="mpv events")

    async def close(self) -> None:
        """End mpv; see `Engine.close`."""
        self._listener = None
        tasks = [task for task in (self._restarting, self._telling) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        mpv, self._mpv = self._mpv, None
        if mpv is not None:
            await mpv.close()

    async def load(self, track_id: str, *, position_ms: int, play: bool) -> int | None:
        """Load a track; see `Engine.load`."""
        async with self._ready() as mpv:
            return await self._load(mpv, track_id, position_ms, play=play)

    async def play(self) -> None:
        """Go on; see `Engine.play`."""
        async with self._ready() as mpv:
            if (stopped := self._playback.unloaded_by_others) is not None:
                await self._load(mpv, *stopped, play=True)
            else:
                await self._set_paused(mpv, False)

    async def pause(self) -> None:
        """Hold; see `Engine.pause`."""
        async with self._ready() as mpv:
            await self._set_paused(mpv, True)
            await self._look(mpv)

    async def seek(self, position_ms: int) -> None:
        """Go to a position; see `Engine.seek`. Nothing happens where nothing is loaded."""
        async with self._ready() as mpv:
            playback = self._playback
            if playback.track_id is None:
                return
            arrived = playback.expect_seek()
            try:
                await mpv.command("seek", position_ms / 1000, "absolute+exact")
                async with asyncio.timeout(_SEEK_SECONDS):
                    await arrived
            except TimeoutError:
                raise EngineError("timeout", "mpv did not seek in time") from None
            finally:
                playback.seek_over()
            playback.anchor(position_ms)

    async def stop(self) -> None:
        """Unload; see `Engine.stop`."""
        async with self._ready() as mpv:
            self._playback.forget()
            await mpv.command("stop")

    async def set_volume(self, volume: float) -> None:
        """Set the volume; see `Engine.set_volume`."""
        async with self._ready() as mpv:
            await self._set_volume(mpv, volume)

    async def set_next(self, track_id: str | None) -> None:
        """Set what follows; see `Engine.set_next`. An id that leads nowhere fails when its turn comes."""
        async with self._ready() as mpv:
            await self._set_next(mpv, track_id)

    async def position_ms(self) -> int:
        """Where the sound is; see `Engine.position_ms`."""
        async with self._ready() as mpv:
            # mpv reports what changed between two looks of its own: a pause by someone else
            # within a millisecond of our play goes unreported, and is found here.
            paused: bool = await mpv.command("get_property", "pause")
            for heard in self._playback.pause_seen(paused):
                self._outbox.put_nowait(heard)
            if self._playback.paused:
                # mpv before 0.38 says too little after a seek while paused with `--ao=null`.
                return self._playback.position_ms()
            return await self._look(mpv)

    async def _start(self) -> None:
        self._playback = playback = Playback()
        try:
            mpv = await MpvProcess.start(
                self._program,
                self._arguments,
                on_event=lambda event: self._heard(playback, event),
                on_exit=self._died,
            )
        except FileNotFoundError as error:
            raise EngineError("engine_missing", f"{self._program} is not installed") from error
        except OSError as error:
            raise EngineError("engine_failed", f"{self._program} cannot be started: {error}") from error
        try:
            await mpv.command("observe_property", 1, "pause")
            await mpv.command("observe_property", 2, "volume")
        except (MpvError, MpvGoneError) as error:
            await mpv.close()
            text = f"{self._program} ended as soon as it was started: are its options right?"
            raise EngineError("engine_failed", text) from error
        except BaseException:  # cancelled, too: no mpv is left behind
            await mpv.close()
            raise
        self._mpv = mpv

    @contextlib.asynccontextmanager
    async def _ready(self) -> AsyncIterator[MpvProcess]:
        """A turn with a living mpv; its failures become `EngineError`."""
        while self._restarting is not None and not self._restarting.done():
            await asyncio.wait({self._restarting})
        async with self._turn:
            if self._mpv is None:
                raise EngineError("engine_gone", "mpv is not running")
            try:
                yield self._mpv
            except MpvGoneError as error:
                raise EngineError("engine_gone", str(error)) from error
            except MpvError as error:
                raise EngineError("playback_error", f"mpv: {error}") from error

    async def _load(self, mpv: MpvProcess, track_id: str, position_ms: int, *, play: bool) -> int | None:
        playback = self._playback
        await self._set_paused(mpv, True)
        ready = playback.expect_load(track_id, position_ms)
        try:
            address = self._tracks.resolve(track_id)
            # By name: mpv 0.38 put `index` before `options`, the names stayed.
            await mpv.request(
                {
                    "name": "loadfile",
                    "url": address,
                    "flags": "replace",
                    "options": {"start": f"+{position_ms / 1000:.3f}"},
                },
                then=lambda data: playback.loading(data["playlist_entry_id"]),
            )
            async with asyncio.timeout(_LOAD_SECONDS):
                await ready
            duration_ms = await _duration_ms(mpv)
            if playback.track_id is not None:  # it may be over: loaded at its end
                playback.anchor(position_ms)
        except BaseException as error:  # cancelled, too: a track that nobody waits for must not start
            playback.forget()
            with contextlib.suppress(MpvError, MpvGoneError):
                await mpv.command("stop")
            if isinstance(error, TimeoutError):
                raise EngineError("timeout", f"{track_id!r} did not load in time") from None
            raise
        if play:
            await self._set_paused(mpv, False)
        return duration_ms

    async def _set_paused(self, mpv: MpvProcess, paused: bool) -> None:
        with self._playback.changing_pause():
            await mpv.command(
                "set_property", "pause", paused, then=lambda _: self._playback.paused_by_us(paused)
            )

    async def _set_volume(self, mpv: MpvProcess, volume: float) -> None:
        percent = round(min(1.0, max(0.0, volume)) * 100, 2)
        await mpv.command(
            "set_property", "volume", percent, then=lambda _: self._playback.volume_by_us(percent)
        )
        self._volume = percent / 100

    async def _set_next(self, mpv: MpvProcess, track_id: str | None) -> None:
        playback = self._playback
        await mpv.command("playlist-clear", then=lambda _: playback.no_next())
        if track_id is None or playback.track_id is None:
            return
        try:
            address = self._tracks.resolve(track_id)
        except EngineError as error:
            playback.next_is_bad(track_id, error)
            return
        await mpv.command(
            "loadfile",
            address,
            "append",
            then=lambda data: playback.next_is(data["playlist_entry_id"], track_id),
        )

    async def _look(self, mpv: MpvProcess) -> int:
        """Where mpv says that the sound is, in ms; noted as well."""
        if self._playback.track_id is None:
            return 0
        # `time-pos` is as old as mpv's last look at the clock, up to 50 ms; `audio-pts` is now.
        # Below 0: the end of the last track still sounds.
        try:
            seconds: float = await mpv.command("get_property", "audio-pts")
        except MpvError:
            return self._playback.position_ms()
        position_ms = max(0, round(seconds * 1000))
        self._playback.anchor(position_ms)
        return position_ms

    def _heard(self, playback: Playback, event: dict[str, Any]) -> None:
        for heard in playback.hear(event):
            self._outbox.put_nowait(heard)

    async def _tell(self) -> None:
        """Pass on what happened, in order, with what has to be asked for first."""
        while True:
            heard = await self._outbox.get()
            try:
                event = await self._complete(heard)
            except (MpvError, MpvGoneError):
                continue  # it is over already
            if event is not None and self._listener is not None:
                self._listener(event)

    async def _complete(self, heard: Heard) -> EngineEvent | None:
        """With what it says only of itself; None where that is over already."""
        mpv = self._mpv
        match heard:
            case Advanced(track_id=track_id) if mpv is not None:
                return Advanced(track_id, await _duration_ms(mpv))
            case PositionJumped() if mpv is not None:
                return PositionJumped(await self._look(mpv))
            case QueueReplaced() if mpv is not None:
                return await self._replaced(mpv)
            case PlayingChanged(is_playing=False) if mpv is not None:
                await self._look(mpv)
            case VolumeChanged(volume=volume):
                self._volume = volume
        return heard

    def _died(self) -> None:
        if self._mpv is None:
            return  # while it was being started, which fails therefore
        self._mpv = None
        self._playback.died()
        self._restarting = asyncio.create_task(self._restart(), name="mpv restart")

    async def _restart(self) -> None:
        """Start again, where it was; the second time in a minute, say that it is gone."""
        async with self._turn:
            before = self._playback
            now = time.monotonic()
            if now - self._restarted_at < _RESTART_EVERY_SECONDS:
                self._give_up("mpv ended again and again")
                return
            self._restarted_at = now
            _log.warning("mpv ended unexpectedly; it is started again")
            try:
                await self._start()
                await self._take_up(before)
            except (EngineError, MpvError, MpvGoneError) as error:
                self._give_up(str(error))

    def _give_up(self, message: str) -> None:
        if not self._gone:
            self._gone = True
            self._outbox.put_nowait(EngineGone(message))

    async def _take_up(self, before: Playback) -> None:
        mpv = self._mpv
        if mpv is None:
            raise MpvGoneError("mpv has ended")
        await self._set_volume(mpv, self._volume)
        track_id, position_ms = before.track_id, before.position_ms()
        if track_id is None:
            return
        try:
            await self._load(mpv, track_id, position_ms, play=not before.paused)
        except EngineError as error:
            self._outbox.put_nowait(TrackFailed(track_id, error.code, str(error)))
            return
        if before.next_track_id is not None:
            await self._set_next(mpv, before.next_track_id)
        self._outbox.put_nowait(EngineRestarted(position_ms))

    async def _replaced(self, mpv: MpvProcess) -> QueueReplaced | None:
        """What someone else put on: mpv's whole playlist becomes the queue; None: it is empty again."""
        folder: str = await mpv.command("get_property", "working-directory")
        playlist: list[dict[str, Any]] = await mpv.command("get_property", "playlist")
        if not playlist:
            return None
        index = next((place for place, each in enumerate(playlist) if each.get("playing")), 0)
        tracks = tuple(absolute(each["filename"], folder) for each in playlist)
        self._playback.put_on_by_others(tracks[index])
        duration_ms = await _duration_ms(mpv)
        await self._look(mpv)
        return QueueReplaced(tracks, index, duration_ms, is_playing=not self._playback.paused)


async def _duration_ms(mpv: MpvProcess) -> int | None:
    try:
        seconds: float = await mpv.command("get_property", "duration")
    except MpvError:
        return None  # a stream without an end
    return round(seconds * 1000)
