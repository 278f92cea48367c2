"""What waits to be decided is bounded, and one user who floods is no other's trouble."""

import asyncio
import contextlib
from pathlib import Path

from soul_coordinator.adapters.outbound import Outgoing
from soul_coordinator.adapters.sqlite import SqliteStore
from soul_coordinator.clock import Clock
from soul_coordinator.core.coordinator import Coordinator
from soul_coordinator.core.events import TokenEnded
from soul_coordinator.runner import (
    INBOX_BYTES,
    INBOX_BYTES_OF_USER,
    INBOX_MAX,
    Counters,
    Inbox,
    Runner,
)
from soul_coordinator.writer import Writer

LARGE = bytes(512 * 1024)


def topic(user: str) -> str:
    return f"soul/v1/{user}/device/D/up/queue"


def drained(inbox: Inbox) -> int:
    count = 0
    while inbox.take() is not None:
        count += 1
    return count


def test_one_user_has_its_share_and_the_others_theirs() -> None:
    counters = Counters()
    inbox = Inbox(counters)
    for _ in range(300):
        inbox.deliver(topic("mallory"), LARGE)
    assert counters.dropped == 300 - (kept := INBOX_BYTES_OF_USER // (len(LARGE) + 30))
    inbox.deliver(topic("alice"), LARGE)
    inbox.post(TokenEnded("alice", "D"))
    assert counters.dropped == 300 - kept
    assert drained(inbox) == kept + 2
    # As before, once they were taken.
    inbox.deliver(topic("mallory"), LARGE)
    assert drained(inbox) == 1


def test_all_together_have_a_bound() -> None:
    counters = Counters()
    inbox = Inbox(counters)
    for number in range(600):
        inbox.deliver(topic(f"user{number % 6}"), LARGE)
    assert counters.dropped == 600 - INBOX_BYTES // (len(LARGE) + 30)
    inbox.clear()
    for _ in range(INBOX_MAX + 1):
        inbox.deliver(topic("alice"), b"")
    # What no client says is never dropped: nobody would say it again.
    inbox.post(TokenEnded("alice", "D"))
    assert drained(inbox) == INBOX_MAX + 1


class Silence:
    """A link that nobody hears."""

    def __init__(self) -> None:
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def publish(self, out: Outgoing) -> None:
        pass

    async def retained(self, pattern: str) -> frozenset[str]:  # noqa: ARG002
        return frozenset()

    async def drain(self) -> None:
        pass

    async def flush(self) -> None:
        pass


async def test_between_large_messages_others_have_their_turn(tmp_path: Path) -> None:
    inbox, writer = Inbox(Counters()), Writer()
    with contextlib.closing(SqliteStore(tmp_path / "db")) as store:
        runner = Runner(
            core=Coordinator(coordinator_id="c", users=(), now=0),
            inbox=inbox,
            store=store,
            link=Silence(),
            writer=writer,
            clock=Clock(),
            counters=Counters(),
        )
        for _ in range(100):
            inbox.deliver("soul/v1/mallory/device/00000000-0000-4000-8000-000000000001/up/queue", LARGE)
        running, turns = asyncio.create_task(runner.run()), 0
        left = INBOX_MAX
        while left:
            await asyncio.sleep(0)
            left, turns = inbox.waiting, turns + 1
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        writer.shutdown()
    assert turns >= 50
