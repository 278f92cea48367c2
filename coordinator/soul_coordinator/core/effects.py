"""What is to be done: imperatives, in order. Saves come first; nothing is told before it is saved."""

from collections.abc import Mapping
from typing import Literal

from soul_coordinator.core.immutable import immutable
from soul_coordinator.core.records import DeviceRecord, Loss, Pending, Receipt, Transfer
from soul_coordinator.core.values import Address, Instant, Message, Playback


@immutable
class SaveDevice:
    """Insert or replace a device."""

    device: DeviceRecord

    @property
    def user(self) -> str:
        """Whose it is."""
        return self.device.user


Forgotten = Literal["deleted", "unseen", "ended"]
"""Why a device is forgotten: somebody deleted it, so that its older tokens are refused from now on;
nobody saw it for a month; or a guest's time is over."""


@immutable
class ForgetDevice:
    """Remove every byte of a device: its row, receipts and pending commands."""

    user: str
    device: str
    why: Forgotten


@immutable
class SavePlayback:
    """Save the canonical state; its queue and order only `with_queue`."""

    user: str
    playback: Playback
    with_queue: bool


@immutable
class SavePosition:
    """Save a continuous position, which is no transition."""

    user: str
    position_ms: int
    position_at: Instant


@immutable
class SaveContext:
    """Save what else decides: newest `issued_at` by command class, and how the renderer went."""

    user: str
    issued: Mapping[str, Instant]
    loss: Loss | None


@immutable
class SaveReceipt:
    """Insert or replace an answer."""

    receipt: Receipt

    @property
    def user(self) -> str:
        """Whose it is."""
        return self.receipt.requester.user


@immutable
class DropReceipts:
    """Forget one device's answers with these ids."""

    user: str
    device: str
    ids: tuple[str, ...]


@immutable
class SavePending:
    """Insert or replace a pending command, and with it what it carries (`Pending`)."""

    pending: Pending

    @property
    def user(self) -> str:
        """Whose it is."""
        return self.pending.requester.user


@immutable
class DropPending:
    """A pending command came to its end."""

    user: str
    device: str
    id: str


@immutable
class SaveTransfer:
    """The user's committed transfer; None: there is none."""

    user: str
    transfer: Transfer | None


Save = (
    SaveDevice
    | ForgetDevice
    | SavePlayback
    | SavePosition
    | SaveContext
    | SaveReceipt
    | DropReceipts
    | SavePending
    | DropPending
    | SaveTransfer
)
"""Effects for the store."""


@immutable
class Reply:
    """To one device, on `down/reply`."""

    to: Address
    message: Message


@immutable
class Execute:
    """To one device, on `down/execute`."""

    to: Address
    message: Message


@immutable
class Publish:
    """To everyone of a user, on `all/CHANNEL` (`state` and `devices` are retained).

    A message of None clears the retained copy.
    """

    user: str
    channel: Literal["state", "position", "devices", "event"]
    message: Message | None


@immutable
class CloseConnection:
    """Have the broker close a device's connection (None: all of the user's), after what was told before.

    With the reason `deleted` the broker refuses what was issued before, up to `at` (None: the
    moment in which it hears of it), ms since the Unix epoch by the clock that dates tokens.
    """

    user: str
    device: str | None
    reason: str
    at: Instant | None = None


Tell = Reply | Execute | Publish | CloseConnection
"""Effects for the broker."""

Effect = Save | Tell
