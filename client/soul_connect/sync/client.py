"""`ConnectClient` for threads and scripts."""

import random
import uuid
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from soul_connect.actions import Answer, RolledBack
from soul_connect.address import parse_url, trust
from soul_connect.controls import Controls
from soul_connect.errors import NotConnectedError
from soul_connect.identity import CONTROLLER, identify
from soul_connect.known import Known
from soul_connect.requests import DEFAULT_LIFETIME, Ask, AskDevices, AskState, Forget, Rename, Transfer, Wish
from soul_connect.session import Session
from soul_connect.sync.lifeline import Lifeline, TokenSource
from soul_connect.sync.values import Subscription
from soul_protocol.commands import Command
from soul_protocol.down import CommandResult, DevicesUpdate, Notice, PlaybackStateMessage
from soul_protocol.models import Capabilities, Device, DeviceType, PlaybackState
from soul_protocol.up import TransferOptions, TransferPlay


class ConnectClient(Known, Controls[CommandResult]):
    """A remote control of one user.

        with ConnectClient(url="mqtts://home", token=token, ephemeral=True) as client:
            client.pause()

    Names, arguments, results and errors are those of `soul_connect.ConnectClient`; every method
    may be called from any thread, and those that ask something return with the answer. It
    reconnects by itself, for as long as it is connected in the sense of `connect` and `disconnect`.
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
    ) -> None:
        """Nothing is connected yet. The arguments are those of `soul_connect.ConnectClient`.

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
        address, rng = parse_url(url), random.SystemRandom()
        self._session = Session(identity, rng=rng)
        self._line = Lifeline(
            self._session,
            address=address,
            tls=trust(ca_file) if address.tls else None,
            token=token,
            new_token=new_token,
            rng=rng,
        )

    def __enter__(self) -> Self:
        try:
            self.connect()
        except BaseException:  # Ctrl-C, too: without the block nothing goes on
            self.disconnect()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.disconnect()

    # The connection

    def connect(self, *, timeout: float | None = 10.0) -> None:
        """Connect and register; from then on, reconnect as needed.

        `timeout` in seconds is for the first time; with None this waits for as long as it takes.
        When it raises, the client goes on trying until `disconnect` (`with` sees to that).

        Raises:
            UnreachableError: not registered in time (`CertificateError`: at once, with a timeout).
            TokenRefusedError: the token was refused, and there is no other.
            DeviceInUseError: another client uses this device id.
            DeviceLimitError: no place is left; `list_devices` and `delete_device` still work, and
                the client registers once a place is free.
        """
        self._line.start(timeout)

    def disconnect(self, *, reason: str = "quit") -> None:
        """Say goodbye, see it acknowledged (1 s at most), and disconnect. May be called twice.

        Open requests end with `WithdrawnError`, subscriptions end.
        """
        self._line.stop(reason)

    def wait_closed(self) -> None:
        """Return when the client was disconnected.

        Raises:
            LinkError: it ended by itself, for good; this is why.
        """
        self._line.wait_closed()

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
        """The local clock of the session, in ms."""
        return self._line.now()

    # What changes. Every subscription is independent, goes on through reconnects, ends with
    # `disconnect`, and raises the `LinkError` that ended the client for good.

    def subscribe_state(self) -> Subscription[PlaybackState]:
        """What `state` is: the present one, then each new one; a slow reader gets the newest.

        A command of this client shows at once; it is taken back if it is not carried out.
        """
        return self._line.told.state.subscribe()

    def subscribe_devices(self) -> Subscription[tuple[Device, ...]]:
        """The devices: the present ones, then each change; a slow reader gets the newest."""
        return self._line.told.devices.subscribe()

    def subscribe_notices(self) -> Subscription[Notice]:
        """What people should see, from now on; the last 64 are kept for a slow reader."""
        return self._line.told.notices.subscribe()

    def subscribe_rollbacks(self) -> Subscription[RolledBack]:
        """Commands of this client that showed and were taken back, with the reason, from now on.

        The last 64 are kept for a slow reader. One that a later command of the same kind hides
        (a slider that moved on) is not told.
        """
        return self._line.told.rollbacks.subscribe()

    def subscribe_online(self) -> Subscription[bool]:
        """Whether this client is registered: now, and at each change."""
        return self._line.told.online.subscribe()

    # Requests

    def list_devices(self) -> tuple[Device, ...]:
        """Ask for the devices of this user, guests and this one included.

        Raises:
            RequestError: no answer (see `send_command`).
        """
        answer = self._ask(AskDevices())
        return answer.devices if isinstance(answer, DevicesUpdate) else self.devices

    def playback_state(self) -> PlaybackState:
        """Ask for the canonical state.

        Raises:
            RequestError: no answer (see `send_command`).
        """
        answer = self._ask(AskState())
        if not isinstance(answer, PlaybackStateMessage):
            raise NotConnectedError("the server answered something else")
        return answer.state

    def send_command(
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
        return _result(self._ask(Ask(command, target_device), lifetime_ms=lifetime_ms, until=until))

    def transfer_playback(
        self, to_device: str, *, play: TransferPlay = TransferPlay.KEEP, position_ms: int | None = None
    ) -> CommandResult:
        """Hand the music to a device, gapless for the listener; returns when it plays there.

        Raises:
            RejectedError: among others `transfer_failed`: then the old device plays on.
            RequestError: as `send_command`.
        """
        return _result(self._ask(Transfer(to_device, TransferOptions(play=play, position_ms=position_ms))))

    def rename_device(self, device_id: str, name: str) -> CommandResult:
        """Rename a device; a taken name gets a suffix. Raises as `send_command`."""
        return _result(self._ask(Rename(device_id, name)))

    def delete_device(self, device_id: str) -> CommandResult:
        """Forget a device, every byte of it, and close its connection. Raises as `send_command`."""
        return _result(self._ask(Forget(device_id)))

    def cancel(self, id: str) -> None:  # noqa: A002 (the wire's word)
        """Withdraw a request that waits for a connection: it ends with `WithdrawnError`."""
        self._line.cancel(id)

    def _ask(
        self,
        wish: Wish,
        *,
        lifetime_ms: int = DEFAULT_LIFETIME,
        until: Literal["final", "accepted"] = "final",
    ) -> Answer:
        return self._line.ask(
            str(uuid.uuid4()), wish, lifetime_ms=lifetime_ms, accepted_will_do=until == "accepted"
        )


def _result(answer: Answer) -> CommandResult:
    if not isinstance(answer, CommandResult):
        raise NotConnectedError("the server answered something else")
    return answer
