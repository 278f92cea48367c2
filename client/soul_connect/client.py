"""`ConnectClient`: the way in for programs that use asyncio."""

import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from soul_connect.actions import Action, Answer, RolledBack
from soul_connect.address import parse_url, trust
from soul_connect.controls import Controls
from soul_connect.errors import NotConnectedError
from soul_connect.identity import CONTROLLER, identify
from soul_connect.known import Known
from soul_connect.lifeline import Lifeline, TokenSource
from soul_connect.requests import (
    DEFAULT_LIFETIME,
    Ask,
    AskDevices,
    AskState,
    Claim,
    Forget,
    Rename,
    Transfer,
    Wish,
)
from soul_connect.session import Offer, Session
from soul_connect.wiring import Wiring
from soul_protocol.commands import Command
from soul_protocol.down import CommandResult, DevicesUpdate, Notice, PlaybackStateMessage
from soul_protocol.models import Capabilities, Device, DeviceType, PlaybackState, Refusal, ReportedState
from soul_protocol.up import PlaybackFailed, PlaybackReady, PlaybackStarted, TransferOptions, TransferPlay

__all__ = ["CONTROLLER", "ConnectClient", "TokenSource"]


class ConnectClient(Known, Controls[Coroutine[Any, Any, CommandResult]]):
    """A device of one user: a remote control, or (with `Player`) a renderer.

        async with ConnectClient(url="mqtts://home", token=token, ephemeral=True) as client:
            await client.pause()

    It reconnects by itself, for as long as it is connected in the sense of `connect` and
    `disconnect`; requests made meanwhile wait for at most their lifetime. All methods belong
    to one event loop.
    """

    def __init__(
        self,
        *,
        url: str,
        token: str,
        device_id: str | None = None,
        name: str = "Soul Connect",
        device_type: DeviceType = DeviceType.DESKTOP,
        capabilities: Capabilities = CONTROLLER,
        volume: float | None = None,
        ephemeral: bool = False,
        ca_file: Path | None = None,
        new_token: TokenSource | None = None,
        wiring: Wiring | None = None,
    ) -> None:
        """Nothing is connected yet.

        Args:
            url: `mqtt://`, `mqtts://`, `ws://` or `wss://`, as `address.parse_url` reads it.
            token: a JWT of role device, guest or observer. With an observer's the client only
                watches: requests raise `RejectedError`.
            device_id: a lower-case UUID that this device made once and keeps (`DeviceFile`). Not
                needed where the token names it, nor for an ephemeral client or an observer.
            name: asked for at the first registration; the coordinator may add a suffix.
            device_type: for the icon that others see.
            capabilities: what this device can do; a remote control's by default.
            volume: 0.0-1.0, of a device that renders.
            ephemeral: unlisted, cannot render, gone with its connection.
            ca_file: trust this certificate authority (PEM) instead of the system's.
            new_token: asked for another token when the server refuses the one in use. None, or
                the same again, ends the client.
            wiring: for simulations: another transport, another clock.

        Raises:
            ValueError: the arguments do not fit together.
        """
        identity = identify(
            token,
            device_id=device_id,
            name=name,
            device_type=device_type,
            capabilities=capabilities,
            volume=volume,
            ephemeral=ephemeral,
        )
        address = parse_url(url)
        wiring = wiring or Wiring()
        self._session = Session(identity, rng=wiring.rng)
        self._line = Lifeline(
            self._session,
            address=address,
            tls=trust(ca_file) if address.tls else None,
            token=token,
            new_token=new_token,
            wiring=wiring,
        )

    async def __aenter__(self) -> Self:
        try:
            await self.connect()
        except BaseException:  # Ctrl-C, too: without the block nothing goes on
            await self.disconnect()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.disconnect()

    # The connection

    async def connect(self, *, timeout: float | None = 10.0) -> None:  # noqa: ASYNC109 (part of the question)
        """Connect and register; from then on, reconnect as needed.

        `timeout` in seconds is for the first time; with None this waits for as long as it takes.
        When it raises, the client goes on trying until `disconnect` (`async with` sees to that).

        Raises:
            UnreachableError: not registered in time (`CertificateError`: at once, with a timeout).
            TokenRefusedError: the token was refused, and there is no other.
            DeviceInUseError: another client uses this device id.
            DeviceLimitError: no place is left; `list_devices` and `delete_device` still work, and
                the client registers once a place is free.
        """
        await self._line.start(timeout)

    async def disconnect(self, *, reason: str = "quit") -> None:
        """Say goodbye, see it acknowledged (1 s at most), and disconnect. May be called twice.

        Open requests end with `WithdrawnError`, iterators end.
        """
        await self._line.stop(reason)

    async def wait_closed(self) -> None:
        """Return when the client was disconnected.

        Raises:
            LinkError: it ended by itself, for good; this is why.
        """
        await self._line.wait_closed()

    def reconnect_now(self) -> None:
        """Do not wait out the backoff: the program knows that the network is back."""
        self._line.hurry()

    # What is known without asking, besides `Known`

    @property
    def is_online(self) -> bool:
        """Registered with the coordinator at this moment (an observer: connected)."""
        return self._line.told.online.value is True

    @property
    def device(self) -> Device | None:
        """This device as the coordinator lists it: its name may differ from the one asked for."""
        return self._line.told.device

    def now(self) -> float:
        """The local clock of `offer` and of the session, in ms."""
        return self._line.now()

    # What changes. Every iterator is independent, goes on through reconnects, ends with
    # `disconnect`, and raises the `LinkError` that ended the client for good.

    def subscribe_state(self) -> AsyncIterator[PlaybackState]:
        """What `state` is: the present one, then each new one; a slow reader gets the newest.

        A command of this client shows at once; it is taken back if it is not carried out.
        """
        return aiter(self._line.told.state)

    def subscribe_devices(self) -> AsyncIterator[tuple[Device, ...]]:
        """The devices: the present ones, then each change; a slow reader gets the newest."""
        return aiter(self._line.told.devices)

    def subscribe_notices(self) -> AsyncIterator[Notice]:
        """What people should see, from now on; the last 64 are kept for a slow reader."""
        return aiter(self._line.told.notices)

    def subscribe_rollbacks(self) -> AsyncIterator[RolledBack]:
        """Commands of this client that showed and were taken back, with the reason, from now on.

        The last 64 are kept for a slow reader. One that a later command of the same kind hides
        (a slider that moved on) is not told.
        """
        return aiter(self._line.told.rollbacks)

    def subscribe_online(self) -> AsyncIterator[bool]:
        """Whether this client is registered: now, and at each change."""
        return aiter(self._line.told.online)

    # Requests

    async def list_devices(self) -> tuple[Device, ...]:
        """Ask for the devices of this user, guests and this one included.

        Raises:
            RequestError: no answer (see `send_command`).
        """
        answer = await self._ask(AskDevices())
        return answer.devices if isinstance(answer, DevicesUpdate) else self.devices

    async def playback_state(self) -> PlaybackState:
        """Ask for the canonical state.

        Raises:
            RequestError: no answer (see `send_command`).
        """
        answer = await self._ask(AskState())
        if not isinstance(answer, PlaybackStateMessage):
            raise NotConnectedError("the server answered something else")
        return answer.state

    async def send_command(
        self,
        command: Command,
        *,
        target_device: str | None = None,
        lifetime_ms: int = DEFAULT_LIFETIME,
        until: Literal["final", "accepted"] = "final",
    ) -> CommandResult:
        """Ask the active device, or `target_device`, to do something.

        Without a connection the command waits for one, `lifetime_ms` (1-30,000) at most.
        Returns the final result: `applied`, or `superseded` where a later command made it
        pointless. With `until="accepted"` it returns earlier, once the command was forwarded.

        Raises:
            RejectedError: refused; `code` says why (`RateLimitedError`: too many).
            ExpiredError: too old when it could have been sent, or done.
            NoAnswerError: sent, but no answer came.
            NotConnectedError: before `connect`, or after `disconnect`.
            ValueError: `lifetime_ms` is out of range.
        """
        return _result(await self._ask(Ask(command, target_device), lifetime_ms=lifetime_ms, until=until))

    async def transfer_playback(
        self, to_device: str, *, play: TransferPlay = TransferPlay.KEEP, position_ms: int | None = None
    ) -> CommandResult:
        """Hand the music to a device, gapless for the listener; returns when it plays there.

        Raises:
            RejectedError: among others `transfer_failed`: then the old device plays on.
            RequestError: as `send_command`.
        """
        return _result(
            await self._ask(Transfer(to_device, TransferOptions(play=play, position_ms=position_ms)))
        )

    async def rename_device(self, device_id: str, name: str) -> CommandResult:
        """Rename a device; a taken name gets a suffix. Raises as `send_command`."""
        return _result(await self._ask(Rename(device_id, name)))

    async def delete_device(self, device_id: str) -> CommandResult:
        """Forget a device, every byte of it, and close its connection. Raises as `send_command`."""
        return _result(await self._ask(Forget(device_id)))

    def cancel(self, id: str) -> None:  # noqa: A002 (the wire's word)
        """Withdraw a request that waits for a connection: it ends with `WithdrawnError`."""
        self._line.apply(self._session.cancel(id))

    # The renderer's side; `Player` uses all of this

    def report_state(
        self,
        state: ReportedState | None = None,
        *,
        epoch: int | None = None,
        volume: float | None = None,
        applied: Iterable[str] = (),
        refused: Iterable[Refusal] = (),
        tick: bool = False,
    ) -> bool:
        """Report what this device does: `state` and its `epoch`, or while idle only its `volume`.

        `tick`: nothing changed but the position. False: not registered, so nothing was sent.
        """
        actions = self._session.report(
            epoch=epoch, state=state, volume=volume, applied=applied, refused=refused, tick=tick
        )
        if actions is None:
            return False
        self._line.apply(actions)
        return True

    def report_outcome(self, message: PlaybackReady | PlaybackStarted | PlaybackFailed) -> None:
        """Answer a step of a transfer."""
        self._line.apply(self._session.outcome(message))

    async def claim_playback(self, state: ReportedState) -> CommandResult:
        """Someone pressed play on this device itself; the result carries the new `epoch`."""
        return _result(await self._ask(Claim(state)))

    def serve(self, listener: Callable[[Action], None], offer: Callable[[float], Offer]) -> None:
        """Become a renderer: `listener` gets every action of the session, after it was done.

        `offer` is asked, at each registration, what this device brings along.
        """
        self._session.offer = offer
        self._line.told.listener = listener

    async def _ask(
        self,
        wish: Wish,
        *,
        lifetime_ms: int = DEFAULT_LIFETIME,
        until: Literal["final", "accepted"] = "final",
    ) -> Answer:
        return await self._line.ask(
            str(uuid.uuid4()), wish, lifetime_ms=lifetime_ms, accepted_will_do=until == "accepted"
        )


def _result(answer: Answer) -> CommandResult:
    if not isinstance(answer, CommandResult):
        raise NotConnectedError("the server answered something else")
    return answer
