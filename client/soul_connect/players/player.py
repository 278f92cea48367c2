"""`Player`: a renderer, from any audio engine."""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from soul_connect.actions import Action, Arrived, Ordered, StateChanged
from soul_connect.client import ConnectClient, TokenSource
from soul_connect.device_file import DeviceFile
from soul_connect.errors import LinkError, RateLimitedError, RejectedError, RequestError
from soul_connect.players.deck import Deck
from soul_connect.players.engine import (
    Advanced,
    Engine,
    EngineError,
    EngineGone,
    EngineRestarted,
    PlayingChanged,
    PositionJumped,
    QueueReplaced,
    TrackEnded,
    TrackFailed,
    VolumeChanged,
)
from soul_connect.players.renderer import Renderer
from soul_connect.wiring import Wiring
from soul_protocol.down import ResultStatus
from soul_protocol.models import Capabilities, DeviceType, ReportedState

_log = logging.getLogger("soul_connect")

SAVE_EVERY: Final = 30_000
"""How often (ms) the position is written to the device file while playing."""

RETRY_CLAIM: Final = 1_000
"""After how long (ms) a claim that came too soon is repeated, if the server did not say."""


@dataclass(frozen=True, slots=True)
class _Claimed:
    epoch: int | None
    refused: bool


@dataclass(frozen=True, slots=True)
class _ClaimAgain:
    pass


@dataclass(frozen=True, slots=True)
class _Pressed:
    """Someone pressed play (with a deck, or to go on) or pause on this device."""

    play: bool
    deck: Deck | None
    done: "asyncio.Future[bool]"


class Player:
    """A device that plays music. `await player.run()` does everything.

    player = Player(MyEngine(), url="mqtts://home", token=token, name="Kitchen",
                    device_file=DeviceFile(Path("kitchen.json")))
    await player.run()
    """

    def __init__(
        self,
        engine: Engine,
        *,
        url: str,
        token: str,
        name: str,
        device_file: DeviceFile | None = None,
        device_id: str | None = None,
        device_type: DeviceType = DeviceType.DESKTOP,
        volume: float = 1.0,
        max_payload_bytes: int | None = None,
        ca_file: Path | None = None,
        new_token: TokenSource | None = None,
        wiring: Wiring | None = None,
    ) -> None:
        """Nothing is connected, and the engine is not started yet.

        Args:
            engine: what sounds; `run` opens and closes it.
            url: as `ConnectClient` takes it.
            token: of role device.
            name: asked for at the first registration of this device.
            device_file: who this device is; or else `device_id`, or a token that names it.
            device_id: a lower-case UUID, made once and kept.
            device_type: for the icon that others see.
            volume: 0.0-1.0, to begin with.
            max_payload_bytes: for a device with little memory: queues come in windows.
            ca_file: as `ConnectClient` takes it.
            new_token: as `ConnectClient` takes it.
            wiring: as `ConnectClient` takes it.

        Raises:
            ValueError: the arguments do not fit together.
        """
        self._engine = engine
        self._file = device_file
        self._client = ConnectClient(
            url=url,
            token=token,
            device_id=device_id or (None if device_file is None else device_file.device_id),
            name=name,
            device_type=device_type,
            capabilities=Capabilities(
                can_render=True,
                can_control=True,
                can_host_jam=False,
                supported_formats=tuple(engine.supported_formats),
                max_sample_rate=engine.max_sample_rate,
                max_payload_bytes=max_payload_bytes,
            ),
            volume=volume,
            ca_file=ca_file,
            new_token=new_token,
            wiring=wiring,
        )
        self._renderer = Renderer(
            self._client,
            engine,
            volume=volume,
            claim=self._claim,
            last_known=None if device_file is None else device_file.last_known_state,
        )
        self._inputs: asyncio.Queue[object] = asyncio.Queue()
        self._claims: set[asyncio.Task[None]] = set()
        self._saved: tuple[object, ...] = ()
        self._saved_at = 0.0

    @property
    def client(self) -> ConnectClient:
        """The connection: to look at, and to send commands with while `run` runs."""
        return self._client

    @property
    def is_active(self) -> bool:
        """Whether this is the device that plays (or is paused)."""
        return self._renderer.epoch is not None

    async def run(self) -> None:
        """Play what is asked until cancelled; then fall silent, say goodbye, and return to the canceller.

        Raises:
            EngineError: the engine cannot start, or is gone for good.
            LinkError: the server refuses this device for good. (One that is not there is waited for.)
        """
        table = self._renderer.table
        try:
            await self._engine.open(self._inputs.put_nowait)
            await table.set_volume(table.volume)
            self._client.serve(self._listen, self._renderer.offer)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._stay_connected(), name="soul-connect player connection")
                await self._work()
        except* (LinkError, EngineError) as group:
            raise _first(group) from None
        finally:
            await self._end()

    async def play_here(self, tracks: Iterable[str] | None = None, *, start_index: int = 0) -> bool:
        """Someone presses play on this device: `tracks`, or whatever was on last. Needs `run`.

        The music moves here. False: there is nothing to play.
        """
        deck = None
        if tracks is not None:
            queue = tuple(tracks)
            deck = Deck(tracks=queue, length=len(queue), index=start_index)
        return await self._press(play=True, deck=deck)

    async def pause_here(self) -> None:
        """Someone presses pause on this device. Needs `run`."""
        await self._press(play=False, deck=None)

    # Inside

    async def _stay_connected(self) -> None:
        await self._client.connect(timeout=None)
        await self._client.wait_closed()

    def _listen(self, action: Action) -> None:
        match action:
            case Arrived() | Ordered():
                self._inputs.put_nowait(action)
            case StateChanged(state=state) if self._renderer.outranked_by(state):
                self._inputs.put_nowait(action)
            case _:
                pass

    async def _work(self) -> None:
        while True:
            due = self._renderer.deadline
            wait = None if due is None else max(0.0, due - self._client.now()) / 1_000
            try:
                async with asyncio.timeout(wait):
                    item = await self._inputs.get()
            except TimeoutError:
                await self._renderer.wake()
            else:
                await self._take(item)
            self._save()

    async def _take(self, item: object) -> None:
        renderer = self._renderer
        match item:
            case Arrived(registered=registered):
                if self._file is not None:
                    self._file.keep_name(registered.device.name)
                await renderer.arrived(registered)
            case Ordered(order=order):
                await renderer.order(order)
            case StateChanged(state=state):
                await renderer.saw(state)
            case _Claimed(epoch=epoch, refused=refused):
                await renderer.claimed(epoch, refused=refused)
            case _ClaimAgain():
                await renderer.claim_again()
            case _Pressed():
                await self._obey_finger(item)
            case (
                TrackEnded()
                | Advanced()
                | TrackFailed()
                | PlayingChanged()
                | PositionJumped()
                | VolumeChanged()
                | QueueReplaced()
                | EngineRestarted()
                | EngineGone()
            ):
                await renderer.heard(item)
            case _:
                raise TypeError(f"an engine must not tell {type(item).__name__}")

    async def _press(self, *, play: bool, deck: Deck | None) -> bool:
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._inputs.put_nowait(_Pressed(play, deck, done))
        return await done

    async def _obey_finger(self, press: _Pressed) -> None:
        if press.play:
            result = await self._renderer.play_here(press.deck)
        else:
            await self._renderer.pause_here()
            result = True
        if not press.done.done():
            press.done.set_result(result)

    def _claim(self, state: ReportedState) -> None:
        task = asyncio.create_task(self._await_claim(state), name="soul-connect claim")
        self._claims.add(task)
        task.add_done_callback(self._claims.discard)

    async def _await_claim(self, state: ReportedState) -> None:
        try:
            result = await self._client.claim_playback(state)
        except RateLimitedError as error:
            self._inputs.put_nowait(_Claimed(None, refused=False))
            await asyncio.sleep((error.retry_after_ms or RETRY_CLAIM) / 1_000)
            self._inputs.put_nowait(_ClaimAgain())
        except RejectedError:
            self._inputs.put_nowait(_Claimed(None, refused=True))
        except (RequestError, LinkError):
            self._inputs.put_nowait(_Claimed(None, refused=False))
        else:
            superseded = result.status is ResultStatus.SUPERSEDED
            self._inputs.put_nowait(_Claimed(result.epoch, refused=superseded))

    def _save(self) -> None:
        """Keep what a later run needs: at each change but the position, that every 30 s."""
        if self._file is None or not self._client.is_online:
            return
        now, table = self._client.now(), self._renderer.table
        what = (self._renderer.epoch, table.track_id, table.deck.index, table.playing, table.deck.repeat)
        if what == self._saved and not (table.playing and now - self._saved_at >= SAVE_EVERY):
            return
        self._saved, self._saved_at = what, now
        last = self._renderer.offer(now).last_known_state
        # The next run begins silent, wherever this one ends.
        self._file.keep_state(
            None if last is None else last.model_copy(update={"is_playing": False, "position_at": None})
        )

    async def _end(self) -> None:
        for task in self._claims:
            task.cancel()
        try:
            # The last report says where it stopped, so that it can go on there.
            await self._renderer.pause_here()
            self._saved = ()
            self._save()
        except (EngineError, OSError) as error:
            _log.info("where it stopped is not kept: %s", error)
        finally:
            try:
                await self._client.disconnect()
            finally:
                await self._engine.close()


def _first(group: BaseExceptionGroup[Exception]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
