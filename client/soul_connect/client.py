"""`ConnectClient`: the way in for programs that use asyncio."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import Literal, Self

from soul_protocol.commands import Command
from soul_protocol.down import CommandResult, Notice
from soul_protocol.models import Capabilities, Device, DeviceType, PlaybackState, Refusal, ReportedState
from soul_protocol.commands import RepeatMode
from soul_protocol.up import TransferPlay

TokenSource = Callable[[], Awaitable[str | None]]

CONTROLLER = Capabilities(
    can_render=False, can_control=True, can_host_jam=False, supported_formats=(), max_sample_rate=0
)


class ConnectClient:
    """A device of one user: a remote control, or (with `Player`) a renderer."""

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
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        raise NotImplementedError

    async def __aexit__(self, *_: object) -> None:
        raise NotImplementedError

    # Connection
    async def connect(self, *, timeout: float | None = 10.0) -> None:
        """Connect and register. `timeout` in seconds; None waits until it works.

        Raises:
            UnreachableError, TokenRefusedError, DeviceInUseError, DeviceLimitError
        """
        raise NotImplementedError

    async def disconnect(self, *, reason: str = "quit") -> None: ...
    async def wait_closed(self) -> None:
        """Return after `disconnect`; raise the `LinkError` that ended the client for good."""
        raise NotImplementedError

    @property
    def device_id(self) -> str:
        raise NotImplementedError

    @property
    def user(self) -> str:
        raise NotImplementedError

    @property
    def is_online(self) -> bool:
        """Registered with the coordinator at this moment."""
        raise NotImplementedError

    # What is known
    @property
    def device(self) -> Device | None:
        """This device as the coordinator lists it (its name may differ from the one asked for)."""
        raise NotImplementedError

    @property
    def devices(self) -> tuple[Device, ...]:
        """The devices as last heard."""
        raise NotImplementedError

    @property
    def state(self) -> PlaybackState | None:
        """The canonical state as last heard."""
        raise NotImplementedError

    def position_ms(self) -> int:
        """Where the music is now, in ms (extrapolated)."""
        raise NotImplementedError

    def server_now(self) -> int | None:
        """The coordinator's clock now, ms since the epoch; None before the first contact."""
        raise NotImplementedError

    async def list_devices(self) -> tuple[Device, ...]:
        """Ask for the devices."""
        raise NotImplementedError

    async def playback_state(self) -> PlaybackState:
        """Ask for the canonical state."""
        raise NotImplementedError

    def subscribe_state(self) -> AsyncIterator[PlaybackState]:
        """Each new state, the current one first; the latest value wins."""
        raise NotImplementedError

    def subscribe_devices(self) -> AsyncIterator[tuple[Device, ...]]: ...
    def subscribe_notices(self) -> AsyncIterator[Notice]:
        raise NotImplementedError

    def subscribe_online(self) -> AsyncIterator[bool]:
        """Whether this client is registered, now and at each change."""
        raise NotImplementedError

    # Requests: all raise RejectedError (code), ExpiredError, NoAnswerError, NotConnectedError
    async def send_command(
        self,
        command: Command,
        *,
        target_device: str | None = None,
        lifetime_ms: int = 5_000,
        until: Literal["final", "accepted"] = "final",
    ) -> CommandResult:
        """The final result (`applied` or `superseded`); with `until="accepted"` perhaps `accepted`."""
        raise NotImplementedError

    async def transfer_playback(
        self, to_device: str, *, play: TransferPlay = TransferPlay.KEEP, position_ms: int | None = None
    ) -> CommandResult:
        raise NotImplementedError

    async def rename_device(self, device_id: str, name: str) -> CommandResult:
        raise NotImplementedError

    async def delete_device(self, device_id: str) -> CommandResult:
        raise NotImplementedError

    async def play(self, *, target_device: str | None = None) -> CommandResult:
        raise NotImplementedError

    async def pause(self) -> CommandResult:
        raise NotImplementedError

    async def stop(self) -> CommandResult:
        raise NotImplementedError

    async def seek(self, position_ms: int) -> CommandResult:
        raise NotImplementedError

    async def next(self, *, expect_position: int | None = None) -> CommandResult:
        raise NotImplementedError

    async def previous(self, *, expect_position: int | None = None) -> CommandResult:
        raise NotImplementedError

    async def set_queue(
        self,
        tracks: Iterable[str],
        *,
        start_index: int = 0,
        target_device: str | None = None,
        keep_position: bool = False,
        expect_rev: int | None = None,
    ) -> CommandResult:
        raise NotImplementedError

    async def set_volume(self, volume: float, *, target_device: str | None = None) -> CommandResult:
        """0.0-1.0."""
        raise NotImplementedError

    async def set_shuffle(self, enabled: bool) -> CommandResult:
        raise NotImplementedError

    async def set_repeat(self, mode: RepeatMode) -> CommandResult:
        raise NotImplementedError

    # Rendering without `Player`
    def report_state(
        self, state: ReportedState, *, applied: Iterable[str] = (), refused: Iterable[Refusal] = ()
    ) -> None:
        raise NotImplementedError
