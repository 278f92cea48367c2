"""Records and saves to try the store with, and what it should then hold."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, assert_never

from hypothesis import strategies as st

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
from soul_coordinator.core.names import key
from soul_coordinator.core.records import DeviceRecord, Loss, Pending, Receipt, Transfer, UserRecord
from soul_coordinator.core.values import Address, Capabilities, Playback, QueueChange, TrackError

USERS = ("alice", "bob", "Carol_9-")
DEVICES = tuple(f"00000000-0000-4000-8000-00000000000{n}" for n in range(5))
IDS = tuple(f"10000000-0000-4000-8000-00000000000{n}" for n in range(4))
NOW = 1_700_000_000_000

Kept = TypeVar("Kept")


def device(user: str = "alice", id: str = DEVICES[0], name: str = "Kitchen", **other: object) -> DeviceRecord:  # noqa: A002
    record = DeviceRecord(
        user=user,
        id=id,
        node="device",
        name=name,
        device_type="desktop",
        capabilities=Capabilities(True, True, False, ("flac", "mp3"), 192_000, 65_536),
        volume=0.5,
        created_at=NOW,
        last_seen=NOW,
        conn="0123456789abcdef",
        is_online=True,
    )
    return replace(record, **other)  # type: ignore[arg-type]


def receipt(user: str = "alice", id: str = IDS[0], at: int = NOW, by: str = DEVICES[0]) -> Receipt:  # noqa: A002
    return Receipt(Address(user, "device", by), id, "accepted", None, None, None, None, at)


moments = st.integers(0, 2**53 - 1)
counts = st.integers(0, 2**53 - 1)
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
volumes = st.floats(0, 1)
users = st.sampled_from(USERS)
device_ids = st.sampled_from(DEVICES)
request_ids = st.sampled_from(IDS)
nodes = st.sampled_from(("device", "guest"))
addresses = st.builds(Address, users, nodes, device_ids)
queues = st.lists(texts, max_size=4).map(tuple)
orders = st.none() | st.permutations(range(4)).map(tuple)
json_values = st.recursive(
    st.none() | st.booleans() | counts | volumes | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
capabilities = st.builds(
    Capabilities, st.booleans(), st.booleans(), st.booleans(), queues, counts, st.none() | counts
)
device_records = st.builds(
    DeviceRecord,
    user=users,
    id=device_ids,
    node=nodes,
    name=texts,
    device_type=st.sampled_from(("desktop", "mobile", "dap", "web")),
    capabilities=capabilities,
    volume=st.none() | volumes,
    created_at=moments,
    last_seen=moments,
    conn=st.none() | texts,
    is_online=st.booleans(),
    spent=queues,
    volume_issued_at=moments,
)
playbacks = st.builds(
    Playback,
    device_id=st.none() | device_ids,
    track_id=st.none() | texts,
    position_ms=counts,
    position_at=moments,
    is_playing=st.booleans(),
    queue=queues,
    queue_position=counts,
    volume=volumes,
    shuffle=st.booleans(),
    repeat_mode=st.sampled_from(("off", "one", "all")),
    duration_ms=st.none() | counts,
    updated_at=moments,
    epoch=counts,
    sequence=counts,
    queue_rev=counts,
    paused_reason=st.none() | texts,
    error=st.none() | st.builds(TrackError, texts, texts),
    applied=queues,
    order=orders,
)
losses = st.builds(Loss, moments, st.booleans(), st.booleans(), st.booleans())
receipts = st.builds(
    Receipt,
    addresses,
    request_ids,
    st.sampled_from(("accepted", "applied", "rejected")),
    st.none() | texts,
    st.none() | texts,
    st.none() | counts,
    st.none() | counts,
    moments,
)
pendings = st.builds(
    Pending,
    requester=addresses,
    id=request_ids,
    target=device_ids,
    command=st.dictionaries(texts, json_values, max_size=4),
    change=st.none() | st.builds(QueueChange, queues, orders, counts, counts),
    epoch=counts,
    issued_at=moments,
    expires_at=moments,
    number=counts,
    own=st.booleans(),
    accepted_at=moments,
)


@st.composite
def transfer_saves(draw: st.DrawFn) -> SaveTransfer:
    user = draw(users)
    if draw(st.booleans()):
        return SaveTransfer(user, None)
    requester = draw(st.none() | st.builds(Address, st.just(user), nodes, device_ids))
    transfer = Transfer(
        draw(request_ids),
        requester,
        draw(st.none() | request_ids) if requester else None,
        draw(st.none() | device_ids),
        draw(device_ids),
        draw(counts),
        draw(moments),
        draw(moments),
    )
    return SaveTransfer(user, transfer)


saves: st.SearchStrategy[Save] = st.one_of(
    st.builds(SaveDevice, device_records),
    st.builds(ForgetDevice, users, device_ids, st.sampled_from(("deleted", "unseen", "ended"))),
    st.builds(SavePlayback, users, playbacks, st.booleans()),
    st.builds(SavePosition, users, counts, moments),
    st.builds(SaveContext, users, st.dictionaries(texts, moments, max_size=3), st.none() | losses),
    st.builds(SaveReceipt, receipts),
    st.builds(DropReceipts, users, device_ids, st.lists(request_ids, max_size=3).map(tuple)),
    st.builds(SavePending, pendings),
    st.builds(DropPending, users, device_ids, request_ids),
    transfer_saves(),
)


@dataclass
class Expected:
    """A store in a few dictionaries: what the real one is compared with."""

    users: dict[str, UserRecord] = field(default_factory=dict)
    devices: dict[tuple[str, str], DeviceRecord] = field(default_factory=dict)
    receipts: dict[tuple[str, str, str], Receipt] = field(default_factory=dict)
    pending: dict[tuple[str, str, str], Pending] = field(default_factory=dict)

    def fits(self, save: Save) -> bool:
        """Whether the core could say this now: names of one user differ."""
        if not isinstance(save, SaveDevice):
            return True
        new = save.device
        return all(
            key(old.name) != key(new.name)
            for old in self.devices.values()
            if old.user == new.user and old.id != new.id
        )

    def apply(self, user: str, save: Save) -> None:
        record = self.users.setdefault(user, UserRecord(user))
        match save:
            case SaveDevice(new):
                self.devices[user, new.id] = new
            case ForgetDevice(device=id):
                self._forget(user, id)
            case SavePlayback(_, playback, with_queue):
                if not with_queue:
                    playback = replace(playback, queue=record.playback.queue, order=record.playback.order)
                self.users[user] = replace(record, playback=playback)
            case SavePosition(_, position_ms, position_at):
                playback = replace(record.playback, position_ms=position_ms, position_at=position_at)
                self.users[user] = replace(record, playback=playback)
            case SaveContext(_, issued, loss):
                self.users[user] = replace(record, issued=issued, loss=loss)
            case SaveReceipt(new):
                self.receipts[user, new.requester.device, new.id] = new
            case DropReceipts(_, id, ids):
                for each in ids:
                    self.receipts.pop((user, id, each), None)
            case SavePending(new):
                self.pending[user, new.requester.device, new.id] = new
            case DropPending(_, id, request):
                self.pending.pop((user, id, request), None)
            case SaveTransfer(_, transfer):
                self.users[user] = replace(record, transfer=transfer)
            case _:
                assert_never(save)

    def _forget(self, user: str, id: str) -> None:  # noqa: A002
        record = self.users[user]
        self.devices.pop((user, id), None)
        for receipt_key in [each for each in self.receipts if each[:2] == (user, id)]:
            del self.receipts[receipt_key]
        for pending_key, pending in list(self.pending.items()):
            if pending_key[0] == user and id in {pending_key[1], pending.target}:
                del self.pending[pending_key]
        moved = record.transfer
        if moved is not None:
            if moved.source == id:
                moved = replace(moved, source=None)
            if moved.requester is not None and moved.requester.device == id:
                moved = replace(moved, requester=None, request=None)
            if moved.target == id:
                moved = None
        playback = record.playback
        if playback.device_id == id:
            playback = replace(playback, device_id=None)
        self.users[user] = replace(record, transfer=moved, playback=playback)

    def records(self) -> tuple[UserRecord, ...]:
        return tuple(
            replace(
                record,
                devices=_sorted(self.devices, user, lambda one: (one.created_at, one.id)),
                receipts=_sorted(self.receipts, user, lambda one: (one.at, one.requester.device, one.id)),
                pending=_sorted(self.pending, user, lambda one: (one.number, one.requester.device, one.id)),
            )
            for user, record in sorted(self.users.items())
        )


def _sorted(
    rows: Mapping[Any, Kept], user: str, order: Callable[[Kept], tuple[object, ...]]
) -> tuple[Kept, ...]:
    return tuple(sorted((one for row, one in rows.items() if row[0] == user), key=order))


def batches() -> st.SearchStrategy[Sequence[Sequence[Save]]]:
    return st.lists(st.lists(saves, max_size=8), max_size=6)
