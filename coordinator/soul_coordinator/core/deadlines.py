"""When something is due, and what is done then.

The agenda holds one moment for each user: the earliest at which anything of it is due. An
entry may come too early - its cause went away meanwhile - and then finds nothing to do.
"""

import heapq
from collections.abc import Iterator

from soul_coordinator.core import (
    forwarding,
    gate,
    ownership,
    presence,
    receipts,
    recovery,
    reports,
    transfers,
    windows,
)
from soul_coordinator.core.device import Device
from soul_coordinator.core.user import Turn, User
from soul_coordinator.core.values import Instant
from soul_protocol import limits

_STALE_KEPT = 64


class Agenda:
    """The users in the order in which something is due for them.

    Who changed is looked at when somebody asks for the next moment: after the answers have left.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[Instant, str]] = []
        self._at: dict[str, Instant] = {}
        self._changed: dict[str, User] = {}

    @property
    def next(self) -> Instant | None:
        """The earliest moment; None: nothing is due."""
        if self._changed:
            changed, self._changed = self._changed, {}
            for user in changed.values():
                self._plan(user)
        return self._heap[0][0] if self._heap else None

    def plan(self, user: User) -> None:
        """Look at a user again: it changed."""
        self._changed[user.id] = user

    def _plan(self, user: User) -> None:
        due = next_due(user)
        planned = self._at.get(user.id)
        if due is None or (planned is not None and planned <= due):
            return
        self._at[user.id] = due
        heapq.heappush(self._heap, (due, user.id))
        if len(self._heap) > 2 * len(self._at) + _STALE_KEPT:
            # Entries that were overtaken lie in the heap until their time; not too many of them.
            self._heap = [(at, name) for name, at in self._at.items()]
            heapq.heapify(self._heap)

    def due(self, now: Instant) -> Iterator[str]:
        """Take off the users for whom something is due by now."""
        while (earliest := self.next) is not None and earliest <= now:
            at, name = heapq.heappop(self._heap)
            if self._at.get(name) == at:
                del self._at[name]
                yield name

    def forget(self, name: str) -> None:
        """The user is gone."""
        self._at.pop(name, None)
        self._changed.pop(name, None)


def next_due(user: User) -> Instant | None:
    """The earliest moment at which something of this user is due."""
    due = [one.expires_at for one in user.pending.values()]
    for device in user.devices.values():
        due += _device_due(user, device)
    due += [allowed.ends_at for allowed in user.passes.values()]
    if user.handover is not None:
        due.append(user.handover.deadline)
    abandoned = receipts.abandoned_at(user)
    if abandoned is not None:
        due.append(abandoned)
    due += gate.untold_at(user)
    purge = recovery.purge_at(user)
    if purge is not None:
        due.append(purge)
    return min(due, default=None)


def _device_due(user: User, device: Device) -> Iterator[Instant]:
    if device.grace_until is not None:
        yield device.grace_until
    if device.restart_until is not None:
        yield device.restart_until
    if device.registered:
        yield device.heard_at + limits.SILENCE
    elif not device.is_online:
        yield ownership.kept_until(user, device)
    if device.held is not None:
        yield device.held_until
    if device.window_again_at is not None:
        yield device.window_again_at


def time_passed(turn: Turn) -> None:
    """Do what is due for a user."""
    reports.time_passed(turn)
    gate.time_passed(turn)
    presence.time_passed(turn)
    transfers.time_passed(turn)
    forwarding.time_passed(turn)
    windows.time_passed(turn)
    recovery.purge_state(turn)
    receipts.time_passed(turn)
    ownership.time_passed(turn)
