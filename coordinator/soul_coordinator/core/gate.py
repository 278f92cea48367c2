"""What is let in: rates first, then registration. What is not is answered, sparingly."""

from collections.abc import Iterator

from soul_coordinator.core import messages, presence, receipts
from soul_coordinator.core.device import Device
from soul_coordinator.core.events import MessageRefused
from soul_coordinator.core.rates import REQUEST_CHANNELS
from soul_coordinator.core.user import Turn, User
from soul_coordinator.core.values import Address, Instant
from soul_protocol import limits
from soul_protocol.errors import Code


def within_rate(turn: Turn, sender: Address, channel: str, request: str | None) -> bool:
    """Whether a message is within its channel's rate. If not it is to be dropped, and that was said."""
    rates = turn.user.rates_of(sender.device, turn.now)
    if channel == "state":
        wait = rates.states.take(turn.now)
    else:
        bucket = rates.requests if channel in REQUEST_CHANNELS else rates.others
        wait = bucket.take(turn.now)
    if wait:
        say_limited(turn, sender, request, wait)
    return not wait


def say_limited(turn: Turn, sender: Address, request: str | None, wait: int) -> None:
    """`rate_limited`, at most once a second to one device. `wait` is in ms."""
    rates = turn.user.rates_of(sender.device, turn.now)
    if turn.now - rates.told_rate_at < limits.RATE_REPLY_EVERY:
        # Whoever waits for an answer gets one in its turn.
        rates.untold = rates.untold if request is None else (sender, request, turn.now + wait)
    else:
        rates.told_rate_at, rates.untold = turn.now, None
        error = messages.error(Code.RATE_LIMITED, request=request, retry_after_ms=wait)
        turn.reply(sender, error)


def untold_at(user: User) -> Iterator[Instant]:
    """When those who were over their rates are to be told."""
    for rates in user.rates.devices.values():
        if rates.untold is not None:
            yield rates.told_rate_at + limits.RATE_REPLY_EVERY


def time_passed(turn: Turn) -> None:
    """Tell who was over a rate a moment after it was told so."""
    for rates in tuple(turn.user.rates.devices.values()):
        if rates.untold is not None and rates.told_rate_at + limits.RATE_REPLY_EVERY <= turn.now:
            sender, request, at = rates.untold
            say_limited(turn, sender, request, max(0, at - turn.now))


def transfer_allowed(turn: Turn, sender: Address, request: str) -> bool:
    """Whether the user may move the music now: once a second, `play` on another device included."""
    wait = turn.user.rates.take_transfer(turn.now)
    if wait:
        say_limited(turn, sender, request, wait)
    return not wait


def present(turn: Turn, sender: Address) -> Device | None:
    """The registered device that speaks; None: it was told to register."""
    device = turn.user.devices.get(sender.device)
    if device is None or not device.registered or device.node != sender.node:
        say_unregistered(turn, sender)
        return None
    presence.heard(turn, device)
    return device


def say_unregistered(turn: Turn, sender: Address) -> None:
    """`not_registered`, at most every 5 s to one device."""
    rates = turn.user.rates_of(sender.device, turn.now)
    if turn.now - rates.told_unregistered_at >= limits.COMPLAIN_EVERY:
        rates.told_unregistered_at = turn.now
        turn.reply(sender, messages.error(Code.NOT_REGISTERED))


def refuse(turn: Turn, event: MessageRefused) -> None:
    """Answer a message that broke the contract; it changed nothing.

    Only answers to registered devices are remembered: ids of others are free to invent.
    """
    code, sender = Code(event.code), event.sender
    if event.id is None:
        turn.reply(sender, messages.error(code, event.message))
        return
    device = turn.user.devices.get(sender.device)
    if device is None or not device.registered or device.node != sender.node:
        turn.reply(sender, messages.error(code, event.message, request=event.id))
    elif not receipts.answer_again(turn, sender, event.id):
        receipts.reject(turn, sender, event.id, code, event.message)
