"""`Player`: a renderer, from any audio engine."""

import asyncio
import contextlib
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
from soul_connect.players.memory import Memory
from soul_connect.players.renderer import Renderer
from soul_connect.wiring import Wiring
from soul_protocol.down import ResultStatus
from soul_protocol.models import Capabilities, DeviceType, ReportedState

_log = logging.getLogger("soul_connect")

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
        volume: float | None = None,
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
            volume: 0.0-1.0, to begin with; without it that of `device_file`, else 1.0.
            max_payload_bytes: for a device with little memory: queues come in windows.
            ca_file: as `ConnectClient` takes it.
            new_token: as `ConnectClient` takes it.
            wiring: as `ConnectClient` takes it.

        Raises:
            ValueError: the arguments do not fit together.
        """
        if volume is None:
            volume = 1.0 if device_file is None or device_file.volume is None else device_file.volume
        self._engine = engine
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
        self._over = False
        """Whether `run` has ended, and nobody takes what is pressed."""
        self._claims: set[asyncio.Task[None]] = set()
        self._memory = None if device_file is None else Memory(device_file, self._renderer, self._client.now)

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
        self._over = False
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

        The music moves here. False: there is nothing to play, or `run` has ended.
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

    @property
    def _name(self) -> str | None:
        """What the coordinator calls it; None while it is not there."""
        device = self._client.device
        return device.name if device is not None and self._client.is_online else None

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
            memory = self._memory
            due = [self._renderer.deadline, None if memory is None else memory.deadline]
            moments = [moment for moment in due if moment is not None]
            wait = max(0.0, min(moments) - self._client.now()) / 1_000 if moments else None
            try:
                async with asyncio.timeout(wait):
                    item = await self._inputs.get()
            except TimeoutError:
                await self._renderer.wake()
            else:
                await self._take(item)
            if memory is not None:
                memory.look(self._name)

    async def _take(self, item: object) -> None:
        renderer = self._renderer
        match item:
            case Arrived(registered=registered):
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
        if self._over:
            return False
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._inputs.put_nowait(_Pressed(play, deck, done))
        return await done

    async def _obey_finger(self, press: _Pressed) -> None:
        result = False
        try:
            if press.play:
                result = await self._renderer.play_here(press.deck)
            else:
                await self._renderer.pause_here()
                result = True
        finally:  # where `run` ends meanwhile, too: somebody waits
            if not press.done.done():
                press.done.set_result(result)

    def _let_go(self) -> None:
        """Nobody takes what was pressed and not yet obeyed: let those who wait for it go on."""
        self._over = True
        while not self._inputs.empty():
            item = self._inputs.get_nowait()
            if isinstance(item, _Pressed) and not item.done.done():
                item.done.set_result(False)

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

    async def _end(self) -> None:
        self._let_go()
        for task in self._claims:
            task.cancel()
        try:
            # The last report says where it stopped, so that it can go on there.
            with contextlib.suppress(EngineError):  # an engine that is gone has been complained of
                await self._renderer.pause_here()
            if self._memory is not None:
                self._memory.end(self._name)
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
