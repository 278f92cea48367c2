"""Mistakes about what is asked for: transfers, commands, limits, names and windows."""

from typing import Final

from simulator.mistake import Mistake

OF_REQUESTS: Final = (
    # Transfers
    Mistake(
        "two renderers in an epoch",
        "transfers.py",
        "        device_id=handover.target,\n        epoch=user.playback.epoch + 1,",
        "        device_id=handover.target,\n        epoch=user.playback.epoch,",
        "one renderer an epoch",
    ),
    Mistake(
        "skip the save of a commit",
        "transfers.py",
        "    turn.save_transfer(handover.committed)\n",
        "",
        "a committed transfer survives a restart",
    ),
    Mistake(
        "let the source play on",
        "transfers.py",
        "    _tell(turn, handover.committed, to_target=True, to_source=True)\n    forwarding",
        "    _tell(turn, handover.committed, to_target=True, to_source=False)\n    forwarding",
        "the source stops at the commit",
    ),
    Mistake(
        "start where the target prepared",
        "transfers.py",
        "    at = position.position_now(user.playback, now) if handover.playback is None",
        "    at = user.playback.position_ms if handover.playback is None",
        "the position is extrapolated to the commit",
    ),
    Mistake(
        "take the volume along",
        "transfers.py",
        "        volume=1.0 if target.volume is None else target.volume,\n    )\n\n\ndef _prepare",
        "        volume=user.playback.volume,\n    )\n\n\ndef _prepare",
        "volume belongs to the device",
    ),
    Mistake(
        "touch the source when a transfer fails early",
        "transfers.py",
        "        _abort(turn, handover)\n    else:\n        turn.save_transfer(None)\n        turn.change(",
        "        _abort(turn, handover)\n        turn.change(is_playing=False)\n    else:\n"
        "        turn.save_transfer(None)\n        turn.change(",
        "a failed transfer leaves the source as it was",
    ),
    Mistake(
        "forget who waits for a transfer that failed",
        "transfers.py",
        "        receipts.reject(turn, handover.requester, handover.request, Code.TRANSFER_FAILED, text)",
        "        assert text",
        "every request ends in a final result",
    ),
    Mistake(
        "commit an aborted transfer",
        "transfers.py",
        " or handover.id != event.transfer or handover.target != event.sender.device:\n",
        ":\n",
        "a late `ready` changes nothing",
    ),
    # Commands
    Mistake(
        "ignore supersede",
        "requests.py",
        "    return issued_at >= (",
        "    return issued_at >= 0 * (",
        "in each class the latest `issued_at` wins",
    ),
    Mistake(
        "compare wall clocks",
        "requests.py",
        "issued_at = turn.now if event.issued_at is None else min(event.issued_at, turn.now)",
        "issued_at = turn.now if event.issued_at is None else event.issued_at",
        "`issued_at` in the future is now",
    ),
    Mistake(
        "ignore expiry",
        "requests.py",
        "    if turn.now - issued_at > limits.ISSUED_AT_MAX_AGE or expires_at <= turn.now:\n",
        "    if expires_at <= turn.now:\n",
        "30 s old is `expired`",
    ),
    Mistake(
        "let commands wait for ever",
        "deadlines.py",
        "    due = [one.expires_at for one in user.pending.values()]",
        "    due = [one.expires_at + limits.HOUR for one in user.pending.values()]",
        "`rejected/timeout` at `expires_at`",
    ),
    Mistake(
        "skip twice on a double tap",
        "requests.py",
        "place in {None, shown.queue_position} and ",
        "",
        "`expect_position` that is not current is `superseded`",
    ),
    Mistake(
        "forward to devices that are offline",
        "requests.py",
        "    elif not device.is_online:\n        refusal = Code.DEVICE_OFFLINE\n",
        "",
        "`device_offline`",
    ),
    Mistake(
        "leave commands pending when the renderer changes",
        "forwarding.py",
        "            finish(turn, pending, Code.NOT_ACTIVE)",
        "            pass",
        "`rejected/not_active` when the renderer changed",
    ),
    Mistake(
        "ignore a guest's scope",
        "requests.py",
        '    return allowed is not None and "transfer" in allowed.scope',
        "    return allowed is None or True",
        "a guest needs scope `transfer` to move the music",
    ),
    Mistake(
        "ignore can_control",
        "requests.py",
        "    elif device is not sender and not sender.capabilities.can_control:\n"
        "        refusal = Code.NOT_AUTHORIZED\n",
        "",
        "`can_control: false` commands no other",
    ),
    Mistake(
        "claim without stopping the old renderer",
        "ownership.py",
        '        turn.execute(old.address, messages.stop(user.playback.epoch, "claimed"))',
        "        assert old",
        "a claim stops the old renderer",
    ),
    Mistake(
        "lose the shuffle's order",
        "requests.py",
        "        queue, ranks = order.shuffled(queue, ranks, place, turn.entropy)\n        place = 0\n",
        "        queue, ranks = order.shuffled(queue, ranks, place, turn.entropy)\n"
        "        ranks, place = None, 0\n",
        "the original order is kept for `off`",
    ),
    # Limits, names, windows
    Mistake(
        "send a window of another offset",
        "order.py",
        "    return start, queue[start:end]",
        "    return start + 1, queue[start:end]",
        "a window's indexes are absolute",
    ),
    Mistake(
        "move the music as often as asked",
        "gate.py",
        "    wait = turn.user.rates.take_transfer(turn.now)",
        "    wait = 0",
        "transfers once a second",
    ),
    Mistake(
        "give a name twice",
        "names.py",
        "    if key(wanted) not in keys:\n",
        "    if wanted not in keys:\n",
        "names are unique, ignoring case",
    ),
    Mistake(
        "find a place for everyone",
        "registration.py",
        "    return sum(one.node == sender.node for one in user.listed) < places",
        "    return sum(one.node == sender.node for one in user.listed) < places + 9",
        "10 devices a user",
    ),
    Mistake(
        "keep a deleted device active",
        "ownership.py",
        "            device_id=None,\n            is_playing=False,\n",
        "            is_playing=False,\n",
        "`device_id` null once it is deleted",
    ),
)
