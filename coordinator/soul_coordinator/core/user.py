"""One user's state, and the turn in which one event changes it.

A `Turn` collects what an event decides. Rules change the user through it and tell through
it; at its end it yields the saves first, then the canonical state, then everything else in
the order in which it was said. However much changed, one turn is one `sequence`.
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from soul_coordinator.core import messages
from soul_coordinator.core.device import SPENT_KEPT, Device
from soul_coordinator.core.effects import (
    CloseConnection,
    DropPending,
    DropReceipts,
    Effect,
    Execute,
    ForgetDevice,
    Forgotten,
    Publish,
    Reply,
    Save,
    SaveContext,
    SaveDevice,
    SavePending,
    SavePlayback,
    SavePosition,
    SaveReceipt,
    SaveTransfer,
    Tell,
)
from soul_coordinator.core.rates import RATES_KEPT, DeviceRates, Rates
from soul_coordinator.core.records import GuestPass, Loss, Pending, Receipt, Transfer, UserRecord
from soul_coordinator.core.values import CLASSES, Address, Command, Instant, Message, Playback
from soul_protocol import limits

POSITION_SAVED_EVERY: Final = 5 * limits.SECOND

_IDS: Final = uuid.UUID("5c0a1f0e-6a64-4b0c-9d3f-2f1d4f0c7a51")

ANY_COMMAND: Final = "any"
"""Beside the command classes in `User.issued`: when anyone last asked for a change of what plays."""

_ENDED_KEPT: Final = 32
"""Devices that are not here of which ended connections are remembered: ids are free to invent."""

BURIED_FOR: Final = 3 * limits.SECOND
"""How long what a deleted device or user still says is not heard: the broker closes within 1 s."""


@dataclass(slots=True)
class Handover:
    """A transfer under way. Before its commit `committed` is None, and nothing of it is saved.

    `playback` is what the target plays if it is a `set_queue` run as a transfer; None: what
    plays at the commit. `deadline` ends the wait for the target's next word; `latest` is as
    far as registrations may put it off. `requester` is None once its device was deleted.
    `earlier` is a committed transfer that this one superseded: until its target starts, or this
    one is committed, the wait for it goes on.
    """

    id: str
    requester: Address | None
    request: str
    target: str
    play: str
    position_ms: int | None
    playback: Playback | None
    deadline: Instant
    latest: Instant
    committed: Transfer | None = None
    earlier: Transfer | None = None

    @property
    def starting(self) -> Transfer | None:
        """The transfer whose target was told to start and has not said that it did: what is saved."""
        return self.committed or self.earlier


@dataclass(slots=True)
class User:
    """Everything of one user."""

    id: str
    playback: Playback = field(default_factory=Playback)
    issued: dict[str, Instant] = field(default_factory=dict)
    loss: Loss | None = None
    devices: dict[str, Device] = field(default_factory=dict)
    unplaced: dict[str, Address] = field(default_factory=dict)
    """Who was told `device_limit_reached`: they may query and delete."""
    receipts: dict[str, dict[str, Receipt]] = field(default_factory=dict)
    """Answers by device and id, the latest last, and the device that got it last."""
    pending: dict[tuple[str, str], Pending] = field(default_factory=dict)
    handover: Handover | None = None
    passes: dict[str, GuestPass] = field(default_factory=dict)
    rates: Rates = field(default_factory=Rates)
    ids: int = 0
    """How many ids were made for this user."""
    number: int = 0
    """The number of the newest accepted command."""
    position_saved_at: Instant = 0
    ended: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Connections that ended of devices that are not here: a delayed `register` brings none back."""
    buried: dict[str, Instant] = field(default_factory=dict)
    """Deleted devices, and until when nothing that they say is heard."""

    @property
    def listed(self) -> Iterator[Device]:
        """The devices that everyone sees, guests included."""
        return (one for one in self.devices.values() if not one.ephemeral)

    @property
    def active(self) -> Device | None:
        """The device that renders, or did when it was last seen."""
        return self.devices.get(self.playback.device_id or "")

    def rates_of(self, device: str, now: Instant) -> DeviceRates:
        """The rates of a device. Ids are free to invent: of strangers, few are remembered."""
        known = self.rates.devices
        rates = known.pop(device, None)
        if rates is None:
            rates = DeviceRates.fresh(now)
            if len(known) >= RATES_KEPT:
                del known[next(one for one in known if one not in self.devices)]
        known[device] = rates
        return rates

    def forget_loss(self) -> None:
        """Another renderer: how the last one went, and what was asked for since, is over."""
        self.loss = None
        self.issued.pop(ANY_COMMAND, None)

    def remember_ended(self, device: str, conns: tuple[str, ...]) -> None:
        """The connections of a device that is not here never become current again."""
        known = self.ended.pop(device, ())
        self.ended[device] = (*known, *(one for one in conns if one not in known))[-SPENT_KEPT:]
        if len(self.ended) > _ENDED_KEPT:
            del self.ended[next(iter(self.ended))]

    @classmethod
    def restored(cls, record: UserRecord, *, restart_until: Instant) -> "User":
        """A user as loaded at start."""
        user = cls(
            id=record.id,
            playback=record.playback,
            issued=dict(record.issued),
            loss=record.loss,
            devices={one.id: Device.restored(one, restart_until=restart_until) for one in record.devices},
            passes={one.device: one for one in record.passes},
        )
        for pending in sorted(record.pending, key=lambda one: one.number):
            user.pending[pending.requester.device, pending.id] = pending
            user.number = pending.number
        carried = user._take_carried(frozenset((one.requester.device, one.id) for one in record.receipts))
        for receipt in sorted((*record.receipts, *carried), key=lambda one: one.at):
            kept = user.receipts.pop(receipt.requester.device, {})
            kept[receipt.id] = receipt
            user.receipts[receipt.requester.device] = kept
        return user

    def _take_carried(self, answered: frozenset[tuple[str, str]]) -> Iterator[Receipt]:
        """What pending commands carry: their answers, unless they are among those saved, come out."""
        for key, pending in self.pending.items():
            self._recall(pending)
            if not pending.own and key not in answered:
                at = pending.accepted_at
                yield Receipt(pending.requester, pending.id, "accepted", None, None, None, None, at)

    def _recall(self, pending: Pending) -> None:
        """That a command was given, by someone."""
        if pending.own:
            return
        if pending.epoch == self.playback.epoch:
            self.issued[ANY_COMMAND] = max(self.issued.get(ANY_COMMAND, 0), pending.accepted_at)
        target = self.devices.get(pending.target)
        if target is not None:
            self.remember(target, pending.command, pending.issued_at)

    def forget_issued(self) -> None:
        """Forget when commands were issued, but for those that are pending."""
        self.issued.clear()
        for pending in self.pending.values():
            self._recall(pending)

    def remember(self, target: Device, command: Command, issued_at: Instant) -> None:
        """A command for `target` counts as the newest of its class, unless a newer one does."""
        name = CLASSES.get(command["type"])
        if name == "volume":
            target.volume_issued_at = max(target.volume_issued_at, issued_at)
        elif name is not None:
            self.issued[name] = max(self.issued.get(name, 0), issued_at)


class Turn:
    """One event's changes to one user."""

    __slots__ = (
        "_before",
        "_carried",
        "_devices_changed",
        "_noted",
        "_saves",
        "_tells",
        "coordinator",
        "entropy",
        "now",
        "user",
    )

    def __init__(self, user: User, now: Instant, *, coordinator: str, entropy: int = 0) -> None:
        self.user = user
        self.now = now
        self.coordinator = coordinator
        self.entropy = entropy
        self._before = user.playback
        self._devices_changed = False
        self._noted = self._carried = False
        self._saves: dict[object, Save] = {}
        self._tells: list[Tell] = []

    # Telling

    def reply(self, to: Address, message: Message) -> None:
        """Say it to one device, on `down/reply`."""
        self._note(to, message)
        self._tells.append(Reply(to, message))

    def execute(self, to: Address, message: Message) -> None:
        """Say it to one device, on `down/execute`."""
        self._note(to, message)
        self._tells.append(Execute(to, message))

    def execute_first(self, to: Address, message: Message) -> None:
        """Say it to one device before all else that it is told to do in this turn."""
        self._note(to, message)
        place = next((n for n, one in enumerate(self._tells) if isinstance(one, Execute)), len(self._tells))
        self._tells.insert(place, Execute(to, message))

    def _note(self, to: Address, message: Message) -> None:
        device = self.user.devices.get(to.device)
        if device is not None:
            device.note_window(message)

    def event(self, message: Message) -> None:
        """Say it to everyone of the user, on `all/event`."""
        self._tells.append(Publish(self.user.id, "event", message))

    def tick(self) -> None:
        """Tell everyone the position, and save it now and then."""
        self._tells.append(Publish(self.user.id, "position", messages.position(self.user.playback)))
        if self.now - self.user.position_saved_at >= POSITION_SAVED_EVERY:
            self.save_position()

    def close(self, device: str, reason: str) -> None:
        """Have the broker close a device's connection."""
        self._tells.append(CloseConnection(self.user.id, device, reason))

    def show_devices(self) -> None:
        """The device list changed: tell everyone at the end of the turn."""
        self._devices_changed = True

    # Changing

    def change(self, **fields: Any) -> None:
        """Change the canonical state; the turn's first change is the next `sequence`."""
        playback = self.user.playback
        step = 1 if playback.sequence == self._before.sequence else 0
        self.user.playback = replace(
            playback, **fields, sequence=playback.sequence + step, updated_at=self.now
        )

    def move(self, position_ms: int, position_at: Instant) -> None:
        """A continuous position: no change, no `sequence`."""
        self.user.playback = replace(self.user.playback, position_ms=position_ms, position_at=position_at)

    def save_position(self) -> None:
        """Save the position that reports have brought since the last save."""
        playback = self.user.playback
        self.user.position_saved_at = self.now
        self._saves["position"] = SavePosition(self.user.id, playback.position_ms, playback.position_at)

    def save_device(self, device: Device) -> None:
        """Save a device, unless it is ephemeral."""
        if not device.ephemeral:
            device.saved_at = self.now
            self._saves["device", device.id] = SaveDevice(device.record())

    def forget_device(self, device: Device, why: Forgotten) -> None:
        """Remove every byte of a device."""
        user = self.user
        user.devices.pop(device.id, None)
        user.receipts.pop(device.id, None)
        user.rates.devices.pop(device.id, None)
        user.passes.pop(device.id, None)
        for stale in [key for key in self._saves if isinstance(key, tuple) and device.id in key]:
            del self._saves[stale]
        self._saves["forget", device.id] = ForgetDevice(user.id, device.id, why)

    def save_context(self) -> None:
        """Save the newest `issued_at` by class, and the loss."""
        self._saves["context"] = SaveContext(self.user.id, dict(self.user.issued), self.user.loss)

    def note_context(self) -> None:
        """A command changes the context; that is saved, unless a pending command carries it."""
        self._noted = True

    def save_receipt(self, receipt: Receipt) -> None:
        """Save an answer."""
        self._saves["receipt", receipt.requester.device, receipt.id] = SaveReceipt(receipt)

    def drop_receipts(self, device: str, ids: tuple[str, ...]) -> None:
        """Forget answers that are no longer kept."""
        self._saves["drop receipts", device, ids] = DropReceipts(self.user.id, device, ids)

    def save_pending(self, pending: Pending) -> None:
        """Keep a pending command."""
        self._carried = self._carried or not pending.own
        self._saves["pending", pending.requester.device, pending.id] = SavePending(pending)

    def drop_pending(self, pending: Pending) -> None:
        """A pending command came to its end."""
        device, request = pending.requester.device, pending.id
        self._saves["pending", device, request] = DropPending(self.user.id, device, request)

    def save_transfer(self, transfer: Transfer | None) -> None:
        """Save the committed transfer, or that there is none."""
        self._saves["transfer"] = SaveTransfer(self.user.id, transfer)

    def new_id(self) -> str:
        """A UUID that nobody had: the coordinator's id is fresh for every start."""
        self.user.ids += 1
        return str(uuid.uuid5(_IDS, f"{self.coordinator}/{self.user.id}/{self.user.ids}"))

    # The end

    def effects(self) -> tuple[Effect, ...]:
        """Saves, then the state, then all else as it was said, then the device list."""
        user, playback = self.user, self.user.playback
        if self._noted and not self._carried:
            self.save_context()
        saves: list[Effect] = []
        head: list[Effect] = []
        if playback.sequence != self._before.sequence:
            queue = playback.queue is not self._before.queue or playback.order is not self._before.order
            saves.append(SavePlayback(user.id, playback, with_queue=queue))
            user.position_saved_at = self.now
            self._saves.pop("position", None)
            head.append(Publish(user.id, "state", messages.playback_state(playback)))
        saves.extend(self._saves.values())
        tail: list[Effect] = []
        if self._devices_changed:
            tail.append(Publish(user.id, "devices", messages.devices_update(user.listed)))
        closing = [one for one in self._tells if isinstance(one, CloseConnection)]
        said = [one for one in self._tells if not isinstance(one, CloseConnection)]
        return (*saves, *head, *said, *tail, *closing)
