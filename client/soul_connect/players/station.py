"""The coordinator, as a renderer sees it."""

from collections.abc import Iterable
from typing import Protocol

from soul_protocol.models import PlaybackState, Refusal, ReportedState
from soul_protocol.up import PlaybackFailed, PlaybackReady, PlaybackStarted


class Station(Protocol):
    """The coordinator, as a renderer sees it; `ConnectClient` is one."""

    @property
    def device_id(self) -> str:
        """This device."""

    @property
    def canonical_state(self) -> PlaybackState | None:
        """The canonical state as last heard."""

    def now(self) -> float:
        """The local clock, in ms."""

    def server_time(self, moment: float) -> int | None:
        """A local moment on the coordinator's clock; None before the first contact."""

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
        """Say what goes on; false if nobody could be told."""

    def report_outcome(self, message: PlaybackReady | PlaybackStarted | PlaybackFailed) -> None:
        """Answer a step of a transfer."""
