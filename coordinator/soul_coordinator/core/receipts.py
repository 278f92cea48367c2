"""Answers: every request with an id ends in exactly one final result, which never changes.

A repeated id (the latest 1,024 of a device, for 10 minutes) gets its answer again.
"""

from dataclasses import replace
from itertools import takewhile
from typing import Final

from soul_coordinator.core import messages
from soul_coordinator.core.device import Device
from soul_coordinator.core.records import Pending, Receipt
from soul_coordinator.core.user import Turn, User
from soul_coordinator.core.values import Address, Instant
from soul_protocol import limits
from soul_protocol.errors import MEANING, Code

DEVICES_KEPT: Final = 64
"""Devices of a user whose answers are kept: more than may be registered, since some are gone again."""


def answer_again(turn: Turn, sender: Address, request: str) -> bool:
    """Tell the answer that this id got before. Returns whether there was one."""
    receipt = turn.user.receipts.get(sender.device, {}).get(request)
    if receipt is None or turn.now - receipt.at > limits.REMEMBERED_FOR:
        return False
    turn.reply(sender, messages.result(receipt))
    return True


def accept(turn: Turn, requester: Address, request: str) -> None:
    """`accepted`: it was forwarded; the final result follows. The pending command carries it."""
    _answer(turn, requester, request, "accepted", saved=False)


def begin(turn: Turn, requester: Address, request: str) -> None:
    """`accepted`: a transfer began. Not saved: it dies with the process, and its id may begin it anew."""
    _answer(turn, requester, request, "accepted", saved=False)


def keep(turn: Turn, requester: Address, request: str) -> None:
    """Save the answer to a transfer that can no longer die."""
    turn.save_receipt(turn.user.receipts[requester.device][request])


def apply(turn: Turn, requester: Address, request: str) -> None:
    """`applied`, with the `sequence` and `epoch` in which it shows."""
    playback = turn.user.playback
    _answer(turn, requester, request, "applied", sequence=playback.sequence, epoch=playback.epoch)


def reject(turn: Turn, requester: Address, request: str, code: Code | str, text: str | None = None) -> None:
    """`rejected`, with the reason."""
    _answer(turn, requester, request, "rejected", code=str(code), text=text or MEANING[Code(code)])


def supersede(turn: Turn, requester: Address, request: str, text: str) -> None:
    """`superseded`: something newer won."""
    _answer(turn, requester, request, "superseded", text=text)


def expire(turn: Turn, requester: Address, request: str) -> None:
    """`expired`: it is too old to be carried out."""
    _answer(turn, requester, request, "expired", text="it came too late")


def settle(turn: Turn, pending: Pending) -> None:
    """Take a command off the pending ones, if it is there still; its result is told separately."""
    if turn.user.pending.pop((pending.requester.device, pending.id), None) is not None:
        turn.drop_pending(pending)
        if not pending.own:
            _save_carried(turn, pending)


def _save_carried(turn: Turn, pending: Pending) -> None:
    """What the command carried outlives it."""
    turn.save_context()
    if pending.command["type"] == "set_volume":
        turn.save_device(turn.user.devices[pending.target])


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
    saved: bool = True,
) -> None:
    # Devices and their answers lie in the order of the last one.
    kept = turn.user.receipts.pop(requester.device, {})
    turn.user.receipts[requester.device] = kept
    kept.pop(request, None)
    receipt = Receipt(requester, request, status, code, text, sequence, epoch, turn.now)
    kept[request] = receipt
    if saved:
        turn.save_receipt(receipt)
    turn.reply(requester, messages.result(receipt))
    _forget_old(turn, requester.device, kept)
    if len(turn.user.receipts) > DEVICES_KEPT:
        gone = next(one for one in turn.user.receipts if one not in turn.user.devices)
        _drop_all(turn, gone)


def _drop_all(turn: Turn, device: str) -> None:
    turn.drop_receipts(device, tuple(turn.user.receipts.pop(device)))


def _forget_old(turn: Turn, device: str, kept: dict[str, Receipt]) -> None:
    # The oldest come first. Nothing that still waits is among them: it has ended within 30 s, in which
    # the rates let in far fewer requests than are remembered.
    excess = len(kept) - limits.REMEMBERED_IDS
    old = takewhile(
        lambda one: one[0] < excess or turn.now - one[1].at > limits.REMEMBERED_FOR, enumerate(kept.values())
    )
    stale = tuple(receipt.id for _, receipt in old)
    if stale:
        for request in stale:
            del kept[request]
        turn.drop_receipts(device, stale)


def unname(turn: Turn, device: Device) -> None:
    """A device is forgotten: answers to others that quote it keep their meaning, without its name."""
    for kept in turn.user.receipts.values():
        for request, receipt in kept.items():
            text = receipt.message or ""
            # Only what a target says of its failure is in its own words.
            if receipt.code == Code.TRANSFER_FAILED and (device.name in text or device.id in text):
                kept[request] = replace(receipt, message=MEANING[Code.TRANSFER_FAILED])
                turn.save_receipt(kept[request])


def abandoned_at(user: User) -> Instant | None:
    """When the first answers to a device that is gone (a command line, mostly) are no longer kept."""
    for device, kept in user.receipts.items():
        if device not in user.devices:
            return next(reversed(kept.values())).at + limits.REMEMBERED_FOR
    return None


def time_passed(turn: Turn) -> None:
    """Forget the answers to devices that are gone."""
    user = turn.user
    for device, kept in tuple(user.receipts.items()):
        newest = next(reversed(kept.values())).at
        if device not in user.devices and newest + limits.REMEMBERED_FOR <= turn.now:
            _drop_all(turn, device)
