"""A store in memory: what the core saved, as the next start of the coordinator loads it."""

from collections.abc import Iterable
from dataclasses import replace
from typing import assert_never

from soul_coordinator.core.effects import (
    DropPending,
    DropReceipts,
    ForgetDevice,
    Save,
    SaveContext,
    SaveDevice,
    SavePending,
    SavePlayback,
    SavePosition,
    SaveReceipt,
    SaveTransfer,
)
from soul_coordinator.core.records import DeviceRecord, GuestPass, Pending, Receipt, UserRecord
from soul_coordinator.core.values import Playback


class UserRows:
    """One user's rows."""

    def __init__(self, name: str) -> None:
        self.record = UserRecord(name)
        self.devices: dict[str, DeviceRecord] = {}
        self.receipts: dict[tuple[str, str], Receipt] = {}
        self.pending: dict[tuple[str, str], Pending] = {}
        self.passes: dict[str, GuestPass] = {}

    def load(self) -> UserRecord:
        return replace(
            self.record,
            devices=tuple(self.devices.values()),
            receipts=tuple(self.receipts.values()),
            pending=tuple(self.pending.values()),
            passes=tuple(self.passes.values()),
        )

    @property
    def playback(self) -> Playback:
        return self.record.playback

    def apply(self, save: Save) -> None:
        match save:
            case SaveDevice(device):
                self.devices[device.id] = device
            case ForgetDevice(device=device):
                self._forget(device)
            case SavePlayback(_, playback, with_queue):
                if not with_queue:
                    playback = replace(playback, queue=self.playback.queue, order=self.playback.order)
                self.record = replace(self.record, playback=playback)
            case SavePosition(_, position_ms, position_at):
                moved = replace(self.playback, position_ms=position_ms, position_at=position_at)
                self.record = replace(self.record, playback=moved)
            case SaveContext(_, issued, loss):
                self.record = replace(self.record, issued=issued, loss=loss)
            case SaveReceipt(receipt):
                self.receipts[receipt.requester.device, receipt.id] = receipt
            case DropReceipts(_, device, ids):
                for each in ids:
                    self.receipts.pop((device, each), None)
            case SavePending(pending):
                self.pending[pending.requester.device, pending.id] = pending
            case DropPending(_, device, request):
                self.pending.pop((device, request), None)
            case SaveTransfer(_, transfer):
                self.record = replace(self.record, transfer=transfer)
            case _:
                assert_never(save)

    def _forget(self, device: str) -> None:
        self.devices.pop(device, None)
        self.passes.pop(device, None)
        self.receipts = {key: one for key, one in self.receipts.items() if key[0] != device}
        self.pending = {key: one for key, one in self.pending.items() if device not in {key[0], one.target}}
        moved = self.record.transfer
        if moved is not None:
            if moved.requester is not None and moved.requester.device == device:
                moved = replace(moved, requester=None, request=None)
            if moved.source == device:
                moved = replace(moved, source=None)
            self.record = replace(self.record, transfer=None if moved.target == device else moved)


class MemoryStore:
    """All users' rows."""

    def __init__(self) -> None:
        self.users: dict[str, UserRows] = {}
        self.removed: set[str] = set()
        """Accounts that are no more: nothing is saved of them."""

    def of(self, user: str) -> UserRows:
        return self.users.setdefault(user, UserRows(user))

    def commit(self, saves: Iterable[Save]) -> None:
        for save in saves:
            if save.user not in self.removed:
                self.of(save.user).apply(save)

    def remove(self, user: str) -> None:
        """Delete an account, and every byte of it."""
        self.users.pop(user, None)
        self.removed.add(user)

    def create(self, user: str) -> None:
        """Create an account, or one of the same name again."""
        self.removed.discard(user)

    def load(self) -> list[UserRecord]:
        return [rows.load() for rows in self.users.values()]
