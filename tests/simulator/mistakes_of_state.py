"""Mistakes about what is so: reports, receipts, the one writer, presence, loss and return."""

from typing import Final

from simulator.mistake import Mistake

OF_STATE: Final = (
    # Reports
    Mistake(
        "drop the epoch check",
        "reports.py",
        "not (current and event.epoch == user.playback.epoch)",
        "not current",
        "a report of another epoch changes nothing",
    ),
    Mistake(
        "accept a report of any device",
        "reports.py",
        "    current = user.playback.device_id == device.id\n    if report is not None and not",
        "    current = user.playback.device_id is not None\n    if report is not None and not",
        "the renderer alone says what is playing",
    ),
    Mistake(
        "accept an old conn",
        "coordinator.py",
        "    if known is not None and event.conn in known.spent:\n        return\n"
        "    device = gate.present(turn, event.sender)\n    if device is None:\n        return\n"
        "    if device.conn != event.conn:\n        gate.say_unregistered(turn, event.sender)\n"
        "        return\n",
        "    assert known is None or known\n"
        "    device = gate.present(turn, event.sender)\n    if device is None:\n        return\n",
        "reports of the current conn count, no others",
    ),
    Mistake(
        "take a report's seq twice",
        "reports.py",
        "    if event.seq <= device.seq:\n",
        "    if event.seq < 0:\n",
        "a report counts with a new seq only",
    ),
    Mistake(
        "believe a device's clock",
        "position.py",
        "    return max(now - POSITION_AT_MAX_AGE, min(report.position_at, now))",
        "    return report.position_at",
        "`position_at` lies in [now - 5 s, now]",
    ),
    Mistake(
        "let an old position move the state",
        "reports.py",
        "or at < playback.position_at or position.is_stale(report, turn.now):\n",
        "or at == 0:\n",
        "positions are ordered by `position_at`; one older than 5 s is ignored",
    ),
    Mistake(
        "reuse queue_rev",
        "reports.py",
        "order.carried_order(queue, ranks, own), rev + 1",
        "order.carried_order(queue, ranks, own), rev",
        "`queue_rev` grows with each queue change",
    ),
    Mistake(
        "complain of every foreign report",
        "reports.py",
        "    if turn.now - rates.told_inactive_at < limits.COMPLAIN_EVERY:\n",
        "    if turn.now < rates.told_inactive_at:\n",
        "`stop_playback {not_active}` once per 5 s",
    ),
    # Receipts
    Mistake(
        "forget a receipt",
        "receipts.py",
        '    _answer(turn, requester, request, "applied", sequence=playback.sequence, epoch=playback.epoch)',
        "    assert playback",
        "every request ends in a final result",
    ),
    Mistake(
        "execute duplicates",
        "receipts.py",
        "    if receipt is None or turn.now - receipt.at > limits.REMEMBERED_FOR:\n",
        "    if receipt is None or turn.now - receipt.at > 1_000:\n",
        "a repeated id is answered, and not executed twice",
    ),
    Mistake(
        "save no receipt",
        "receipts.py",
        "    if saved:\n        turn.save_receipt(receipt)\n",
        "",
        "answers survive a restart",
    ),
    Mistake(
        "keep pending commands in the store for ever",
        "receipts.py",
        "        turn.drop_pending(pending)\n",
        "        pass\n",
        "a restart equals no restart",
    ),
    Mistake(
        "answer twice",
        "reports.py",
        "        receipts.settle(turn, pending)\n        if not pending.own:\n            receipts.apply(",
        "        if not pending.own:\n            receipts.apply(",
        "exactly one final result",
    ),
    # One writer
    Mistake(
        "skip the save of the state",
        "user.py",
        "            saves.append(SavePlayback(",
        "            (SavePlayback(",
        "what is told was saved",
    ),
    Mistake(
        "save the state without its queue",
        "user.py",
        "SavePlayback(user.id, playback, with_queue=queue)",
        "SavePlayback(user.id, playback, with_queue=False)",
        "a restart equals no restart",
    ),
    Mistake(
        "tell before saving",
        "user.py",
        "        return (*saves, *head, *said, *tail, *closing)",
        "        return (*head, *said, *tail, *saves, *closing)",
        "saved before it is told",
    ),
    Mistake(
        "leave a gap in the sequence",
        "user.py",
        "step = 1 if playback.sequence == self._before.sequence else 0",
        "step = 1",
        "`sequence` is dense",
    ),
    Mistake(
        "cross users",
        "coordinator.py",
        "        user = self.users.get(name)\n"
        "        if user is None:\n            user = self.users[name] = User(name)\n",
        "        user = self.users.get(name) or next(iter(self.users.values()), None)\n"
        "        if user is None:\n            user = self.users[name] = User(name)\n",
        "no effect crosses users",
    ),
    # Presence
    Mistake(
        "let a spent conn register",
        "registration.py",
        "    if event.conn in (user.ended.get(sender.device, ()) if device is None else device.spent):\n",
        "    if event.conn in (user.ended.get(sender.device, ()) if device is None else ()):\n",
        "a `conn` that ended never becomes current again",
    ),
    Mistake(
        "let any will count",
        "presence.py",
        "    was_current = device.conn == event.conn\n    device.spend(event.conn)\n    if was_current:\n"
        "        device.conn = None\n        device.registered = False",
        "    was_current = True\n    device.spend(event.conn)\n    if was_current:\n"
        "        device.conn = None\n        device.registered = False",
        "a will counts for the current `conn` only",
    ),
    Mistake(
        "no grace",
        "presence.py",
        "            device.grace_until = turn.now + limits.LOSS_GRACE",
        "            device.grace_until = turn.now",
        "a loss is shown after 3 s",
    ),
    Mistake(
        "no grace after a restart",
        "coordinator.py",
        "restart_until = now + limits.RESTART_GRACE",
        "restart_until = now + limits.LOSS_GRACE",
        "devices are as last known for 15 s",
    ),
    Mistake(
        "never end a silent device",
        "deadlines.py",
        "        yield device.heard_at + limits.SILENCE",
        "        yield device.heard_at + limits.DAY",
        "90 s without a message is offline",
    ),
    Mistake(
        "do not send pending commands again",
        "registration.py",
        "        forwarding.send_again(turn, device)\n",
        "",
        "a pending command is sent again to a device that registers",
    ),
    # Loss and return
    Mistake(
        "pause where the music might be by now",
        "recovery.py",
        '    turn.change(is_playing=False, position_at=turn.now, paused_reason="device_offline")',
        "    here = user.playback.position_ms + turn.now - user.playback.position_at\n"
        "    turn.change(is_playing=False, position_ms=here, position_at=turn.now,"
        ' paused_reason="device_offline")',
        "paused at the last reported position",
    ),
    Mistake(
        "resume after a goodbye",
        "recovery.py",
        "        and not loss.goodbye\n",
        "",
        "after a goodbye no music starts by itself",
    ),
    Mistake(
        "tell a register that comes again to load what another plays by now",
        "messages.py",
        "receiver.resumes == playback.epoch",
        "receiver.resumes is not None",
        "only the renderer of the epoch resumes",
    ),
    Mistake(
        "resume though someone commanded",
        "recovery.py",
        "        and not loss.commands_since\n",
        "",
        "no music by itself once a command came",
    ),
    Mistake(
        "resume music by itself after any time",
        "recovery.py",
        "        and away < limits.RESUME_PLAYING_WITHIN\n",
        "",
        "no music by itself after 2 minutes",
    ),
    Mistake(
        "purge never",
        "recovery.py",
        "    return since + limits.RESUME_WITHIN",
        "    return since + 9 * limits.RESUME_WITHIN",
        "state is kept for 24 h at most",
    ),
    Mistake(
        "purge too early",
        "recovery.py",
        "    return since + limits.RESUME_WITHIN",
        "    return since + limits.RESUME_WITHIN // 12",
        "a renderer may return within 24 h",
    ),
)
