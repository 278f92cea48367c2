"""One device as the core holds it: its record, and what lives only as long as the process."""

from dataclasses import dataclass, field, replace
from typing import Final

from soul_coordinator.core.events import StateReported
from soul_coordinator.core.records import DeviceRecord, Pending
from soul_coordinator.core.values import Address, Capabilities, Instant, Message, Node

_LATE_KEPT: Final = 4
SPENT_KEPT: Final = 16
"""Connections of a device that are remembered as ended."""


@dataclass(frozen=True, slots=True)
class Window:
    """The part of the queue that a device with a payload limit has: [offset, end) of a `queue_rev`."""

    queue_rev: int
    offset: int
    end: int


@dataclass(slots=True)
class Device:
    """A listed device, a guest, or (`ephemeral`) a command line that is nowhere listed.

    `is_online` is what everyone is shown. `conn` is the current connection; it is live only
    while `registered`. A device can be shown online and not be registered: in the 3 s of
    grace after a loss (`grace_until`), and after a restart (`restart_until`).
    """

    address: Address
    name: str
    device_type: str
    capabilities: Capabilities
    volume: float | None
    created_at: Instant
    last_seen: Instant
    conn: str | None = None
    is_online: bool = False
    spent: tuple[str, ...] = ()
    volume_issued_at: Instant = 0

    ephemeral: bool = False
    registered: bool = False
    resumes: int | None = None
    """The epoch whose music it is to load again (`should_resume`), while it is the renderer's."""
    seq: int = 0
    heard_at: Instant = 0
    grace_until: Instant | None = None
    restart_until: Instant | None = None
    token_ended_at: Instant | None = None
    """When a token of its was taken back, maybe not the one that its connection lives by."""
    saved_at: Instant = 0
    held: StateReported | None = None
    held_until: Instant = 0
    queue_seq: int = 0
    """The `seq` of the report that last said which queue it has."""
    late: dict[str, Pending] = field(default_factory=dict)
    """Forwarded queues that it did not answer in time; it may have executed them nevertheless."""
    window: Window | None = None
    window_id: str | None = None
    """The `set_window` that it did not acknowledge yet; `window_again_at` is when it is repeated."""
    window_again_at: Instant | None = None

    @property
    def id(self) -> str:
        """The device id."""
        return self.address.device

    @property
    def node(self) -> Node:
        """`device` or `guest`."""
        return self.address.node

    @property
    def can_render(self) -> bool:
        """Whether it may play music at all: guests and command lines never."""
        return self.capabilities.can_render and self.node == "device" and not self.ephemeral

    def spend(self, conn: str | None) -> None:
        """`conn` never becomes current again."""
        if conn is not None and conn not in self.spent:
            self.spent = (*self.spent, conn)[-SPENT_KEPT:]

    def note_late(self, pending: Pending) -> None:
        """It did not answer in time. The latest few queues are kept until it says what became of them.

        One with a payload limit is sent the window of the queue that counts instead.
        """
        if pending.change is not None and self.capabilities.max_payload_bytes is None:
            self.late[pending.id] = replace(pending, own=True)
            if len(self.late) > _LATE_KEPT:
                del self.late[next(iter(self.late))]

    def note_window(self, message: Message) -> None:
        """A message goes to this device: a window of the queue in it replaces the one that it had."""
        part = message.get("current_state") or message.get("state") or message.get("command")
        if part is None or "queue_offset" not in part:
            return
        tracks = part["tracks"] if "tracks" in part else part["queue"]
        offset: int = part["queue_offset"]
        self.window = Window(part["queue_rev"], offset, offset + len(tracks))
        self.window_id = self.window_again_at = None

    def window_answered(self, request: str) -> None:
        """It has the window with this id, or cannot take it: that is not repeated."""
        if request == self.window_id:
            self.window_id = self.window_again_at = None

    def record(self) -> DeviceRecord:
        """What of it is saved."""
        return DeviceRecord(
            user=self.address.user,
            id=self.id,
            node=self.node,
            name=self.name,
            device_type=self.device_type,
            capabilities=self.capabilities,
            volume=self.volume,
            created_at=self.created_at,
            last_seen=self.last_seen,
            conn=self.conn,
            is_online=self.is_online,
            spent=self.spent,
            volume_issued_at=self.volume_issued_at,
        )

    @classmethod
    def restored(cls, record: DeviceRecord, *, restart_until: Instant) -> "Device":
        """A device as loaded at start: shown as last known until it registers, or 15 s pass."""
        return cls(
            address=Address(record.user, record.node, record.id),
            name=record.name,
            device_type=record.device_type,
            capabilities=record.capabilities,
            volume=record.volume,
            created_at=record.created_at,
            last_seen=record.last_seen,
            conn=record.conn,
            is_online=record.is_online,
            spent=record.spent,
            volume_issued_at=record.volume_issued_at,
            heard_at=record.last_seen,
            restart_until=restart_until if record.is_online else None,
        )
