"""What a commit costs with `durability = "normal"` and `"full"`.

    python tests/bench/durability.py [--folder DIR] [--commits 2000]

A commit here is what one command costs the coordinator: accepted (pending command, receipt,
context), then applied (state, receipt, pending dropped). States a second are transitions of
1,000 users, one a commit and 256 a commit (a busy coordinator gathers that many at most).
What is printed is a table; nothing is asserted.
"""

import argparse
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Final, get_args

from soul_coordinator.adapters.sqlite import SqliteStore
from soul_coordinator.adapters.sqlite_connection import Durability
from soul_coordinator.core.effects import (
    DropPending,
    Save,
    SaveContext,
    SavePending,
    SavePlayback,
    SaveReceipt,
)
from soul_coordinator.core.records import Pending, Receipt
from soul_coordinator.core.values import Address, Playback
from soul_coordinator.runner import BATCH_MAX
from soul_protocol import limits

NOW: Final = 1_700_000_000_000
USERS: Final = 1_000
DEVICE: Final = "00000000-0000-4000-8000-000000000001"
IDS: Final = [str(uuid.UUID(int=number)) for number in range(limits.REMEMBERED_IDS)]


def command(number: int) -> tuple[list[Save], list[Save]]:
    """The two commits of a command: accepted, applied."""
    user, request = f"user-{number % USERS}", IDS[number % len(IDS)]
    asker = Address(user, "device", DEVICE)
    pending = Pending(
        asker, request, DEVICE, {"type": "pause"}, None, 1, NOW, NOW + limits.COMMAND_LIFETIME, number
    )
    accepted: list[Save] = [
        SavePending(pending),
    ]
    applied: list[Save] = [
        SavePlayback(user, state(number), with_queue=False),
        DropPending(user, DEVICE, request),
        SaveContext(user, {"playing": NOW + number}, None),
        SaveReceipt(Receipt(asker, request, "applied", None, None, number, 1, NOW)),
    ]
    return accepted, applied


def state(number: int) -> Playback:
    """A transition: no queue goes with it."""
    return Playback(device_id=DEVICE, track_id="t", position_ms=number, epoch=1, sequence=number)


def timed(store: SqliteStore, batches: Sequence[Sequence[Save]]) -> list[float]:
    """How long each commit takes, in ms."""
    took = []
    for saves in batches:
        begun = time.perf_counter()
        store.commit(saves)
        took.append(1_000 * (time.perf_counter() - begun))
    return sorted(took)


def measure(folder: Path, durability: Durability, commits: int) -> list[str]:
    """One column of the table."""
    store = SqliteStore(folder / f"{durability}.db", durability)
    queue = tuple(f"track-{number}" for number in range(1_000))
    store.commit(
        [SavePlayback(f"user-{user}", Playback(queue=queue), with_queue=True) for user in range(USERS)]
    )
    both = timed(store, [part for number in range(commits // 2) for part in command(number)])
    single = timed(
        store, [[SavePlayback(f"user-{one % USERS}", state(one), with_queue=False)] for one in range(commits)]
    )
    many = [
        [SavePlayback(f"user-{one % USERS}", state(batch), with_queue=False) for one in range(BATCH_MAX)]
        for batch in range(commits // 20)
    ]
    gathered = timed(store, many)
    store.close()
    return [
        f"{both[len(both) // 2]:.2f} / {both[int(len(both) * 0.99)]:.2f}",
        f"{1_000 * len(single) / sum(single):,.0f}",
        f"{1_000 * len(gathered) * BATCH_MAX / sum(gathered):,.0f}",
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--folder", type=Path, help="on the disk to measure; else a temporary one")
    parser.add_argument("--commits", type=int, default=2_000)
    options = parser.parse_args()
    names = get_args(Durability)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        columns = [measure(Path(folder), name, options.commits) for name in names]
    what = ("commit of a command, ms p50 / p99", "states a second, one a commit", f"{BATCH_MAX} a commit")
    lines = [
        f"\nStorage: {options.commits:,} commits each, {USERS:,} users with queues of 1,000 tracks\n",
        f"| durability | {' | '.join(names)} |",
        f"| --- |{' ---: |' * len(names)}",
        *(f"| {label} | {' | '.join(values)} |" for label, *values in zip(what, *columns, strict=True)),
    ]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
