"""Answers: every request with an id ends in exactly one final result, which never changes.

A repeated id (the latest 1,024 of a device, for 10 minutes) gets its answer again.
"""

from soul_coordinator.core import messages
from soul_coordinator.core.records import Pending, Receipt
from soul_coordinator.core.user import Turn, User
from soul_coordinator.core.values import FINAL, Address, Instant
from soul_protocol import limits
from soul_protocol.errors import MEANING, Code


def answer_again(turn: Turn, sender: Address, request: str) -> bool:
    """Tell the answer that this id got before. Returns whether there was one."""
    receipt = turn.user.receipts.get(sender.device, {}).get(request)
    if receipt is None or turn.now - receipt.at > limits.REMEMBERED_FOR:
        return False
    turn.reply(sender, messages.result(receipt))
    return True


def accept(turn: Turn, requester: Address, request: str) -> None:
    """`accepted`: it was forwarded, or a transfer began; the final result follows."""
    _answer(turn, requester, request, "accepted")


def apply(turn: Turn, requester: Address, request: str) -> None:
    """`applied`, with the `sequence` and `epoch` in which it shows."""
    playback = turn.user.playback
    _answer(turn, requester, request, "applied", sequence=playback.sequence, epoch=playback.epoch)


def reject(turn: Turn, requester: Address, request: str, code: Code | str, text: str | None = None) -> None:
    """`rejected`, with the reason."""
    meaning = MEANING.get(Code(code)) if text is None and code in set(Code) else text
    _answer(turn, requester, request, "rejected", code=str(code), text=meaning)


def supersede(turn: Turn, requester: Address, request: str, text: str) -> None:
    """`superseded`: something newer won."""
    _answer(turn, requester, request, "superseded", text=text)


def expire(turn: Turn, requester: Address, request: str) -> None:
    """`expired`: it is too old to be carried out."""
    _answer(turn, requester, request, "expired", text="it came too late")


def settle(turn: Turn, pending: Pending) -> None:
    """Take a command off the pending ones; its result is told separately."""
    if turn.user.pending.pop((pending.requester.device, pending.id), None) is not None:
        turn.drop_pending(pending)


def _answer(
    turn: Turn,
    requester: Address,
    request: str,
    status: str,
    *,
    code: str | None = None,
    text: str | None = None,
    sequence: int | None = None,
    epoch: int | None = None,
) -> None:
    kept = turn.user.receipts.setdefault(requester.device, {})
    before = kept.pop(request, None)
    if before is not None and before.status in FINAL:
        kept[request] = before
        return
    receipt = Receipt(requester, request, status, code, text, sequence, epoch, turn.now)
    kept[request] = receipt
    turn.save_receipt(receipt)
    turn.reply(requester, messages.result(receipt))
    _forget_old(turn, requester.device, kept)


def _forget_old(turn: Turn, device: str, kept: dict[str, Receipt]) -> None:
    stale: list[str] = []
    excess = len(kept) - limits.REMEMBERED_IDS
    for place, receipt in enumerate(kept.values()):
        if place >= excess and turn.now - receipt.at <= limits.REMEMBERED_FOR:
            break
        if (device, receipt.id) not in turn.user.pending:
            stale.append(receipt.id)
    if stale:
        for request in stale:
            del kept[request]
        turn.drop_receipts(device, tuple(stale))


def abandoned_at(user: User) -> list[Instant]:
    """When the answers to devices that are gone (command lines, mostly) are no longer kept."""
    return [
        next(reversed(kept.values())).at + limits.REMEMBERED_FOR + 1
        for device, kept in user.receipts.items()
        if kept and device not in user.devices
    ]


def abandoned(user: User, now: Instant) -> list[str]:
    """The devices whose answers are to be forgotten by now."""
    return [
        device
        for device, kept in user.receipts.items()
        if device not in user.devices
        and (not kept or next(reversed(kept.values())).at + limits.REMEMBERED_FOR < now)
    ]
