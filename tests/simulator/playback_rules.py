"""The state, judged from outside: whose reports count, what a transfer carries, where a loss pauses."""

import json

from simulator.invariants import require
from simulator.moment import Moment
from soul_coordinator.core import events
from soul_coordinator.core.values import Message, Playback
from soul_protocol import limits

Key = tuple[str, str]


class PlaybackRules:
    """What the contract says of one writer, transfers, losses and windows."""

    def __init__(self) -> None:
        self.seqs: dict[tuple[str, str], int] = {}
        self.queues: dict[tuple[str, str], int] = {}
        """The latest report of each connection that brought a queue."""
        self.stopped: dict[Key, int] = {}

    def restarted(self) -> None:
        self.seqs.clear()
        self.queues.clear()
        self.stopped.clear()

    def removed(self, user: str) -> None:
        """A user is gone."""
        self.stopped = {key: at for key, at in self.stopped.items() if key[0] != user}

    def check(self, moment: Moment) -> None:
        self._report(moment)
        self._states(moment)
        self._commit(moment)
        self._claim(moment)
        self._windows(moment)

    def _report(self, moment: Moment) -> None:
        event, before, user, sender = moment.event, moment.playback, moment.user, moment.was.sender
        if not isinstance(event, events.StateReported) or before is None or user is None:
            return
        key = event.sender.device, event.conn
        there = sender is not None and sender.registered and sender.conn == event.conn
        again = event.seq <= self.seqs.get(key, 0)
        queue = event.report is not None and event.report.queue is not None
        queue = queue and event.seq > self.queues.get(key, 0)
        if there:
            self.seqs[key] = max(event.seq, self.seqs.get(key, 0))
            if queue:
                self.queues[key] = event.seq
        current = before.device_id == event.sender.device and event.epoch == before.epoch
        if sender is not None and sender.held:
            return
        late = again and not event.applied and not queue
        if not there or (event.report is not None and not current) or late:
            require(user.playback is before, lambda: f"a foreign report changed the state: {event}")
        elif again:
            # It was overtaken, and answers commands and brings its queue still; what else it says is old.
            kept = ("track_id", "is_playing", "shuffle", "repeat_mode", "volume", "epoch", "device_id")
            old = [name for name in kept if getattr(before, name) != getattr(user.playback, name)]
            require(not old, lambda: f"an old report changed {old}: {event}")
        if there and not again and event.report is not None and not current:
            self._stopped(moment, event)
        if event.report is None or not there or again or not current:
            return
        oldest = moment.now - limits.POSITION_AT_MAX_AGE
        told = user.playback.position_at
        require(told == before.position_at or oldest <= told <= moment.now, f"position_at {told} by {event}")
        at = event.report.position_at
        stale = at is not None and at < moment.now - limits.POSITION_AT_MAX_AGE
        same = event.report.is_playing and before.is_playing and event.report.track_id == before.track_id
        if stale and same and not event.applied and user.playback.sequence == before.sequence:
            require(user.playback is before, lambda: f"an old position moved the state: {event}")

    def _stopped(self, moment: Moment, event: events.StateReported) -> None:
        key = event.sender.user, event.sender.device
        stops = [message for _, message in moment.executed("stop_playback")]
        due = moment.now - self.stopped.get(key, -limits.COMPLAIN_EVERY) >= limits.COMPLAIN_EVERY
        if stops:
            require(due, lambda: f"{key} was told twice in 5 s that it is not active")
            self.stopped[key] = moment.now

    def _states(self, moment: Moment) -> None:
        for user, message in moment.published("playback_state"):
            state, before = message["state"], moment.was.playbacks.get(user)
            if before is None:
                continue
            owner, old = state["device_id"], before.device_id
            if owner is not None and owner != old:
                require(state["epoch"] == before.epoch + 1, f"{old} to {owner} at epoch {state['epoch']}")
                waiting = moment.core.users[user].pending.values()
                left = [one for one in waiting if one.target == old and one.command["type"] != "set_volume"]
                require(not left, f"{old} renders no more, and {left} waits for it")
            elif owner is not None:
                require(state["epoch"] == before.epoch, f"epoch {state['epoch']} without another renderer")
            if (
                not state["queue"]
                and before.queue
                and state["updated_at"] > before.updated_at
                and owner is None
            ):
                old_enough = moment.now - before.updated_at >= limits.RESUME_WITHIN - limits.HOUR
                require(old_enough, f"the state of {user} is gone after {moment.now - before.updated_at} ms")
            grown = state["queue_rev"] - before.queue_rev
            changed = tuple(state["queue"]) != before.queue
            require(grown > 0 or not changed, "another queue with the same queue_rev")
            _ordered(moment.core.users[user].playback)
            if state["paused_reason"] == "device_offline" and before.is_playing:
                require(not state["is_playing"], "offline and playing")
                if isinstance(moment.event, events.DeadlineReached | events.SaidGoodbye):
                    place = state["position_ms"]
                    require(place == before.position_ms, f"paused at {place}, not {before.position_ms}")

    def _commit(self, moment: Moment) -> None:
        event, before, place = moment.event, moment.playback, moment.place
        if not isinstance(event, events.TransferAnswered) or before is None or place is None:
            return
        underway = moment.was.underway.get(place.user)
        ours = underway is not None and underway.transfer == event.transfer
        starts = [message for _, message in moment.executed("start_playback")]
        ready = ours and event.answer == "ready" and underway is not None and not underway.committed
        require(bool(starts) <= bool(ready), lambda: f"{event} started something")
        if not starts or underway is None:
            return
        state: Message = starts[0]["state"]
        require(state["volume"] == (moment.was.volumes.get(place.device) or 1.0), "volume of another device")
        if not underway.own_queue:
            require(tuple(state["queue"]) == before.queue or "queue_offset" in state, "the queue was lost")
            require(state["position_ms"] == _planned(before, underway.position_ms, moment.now), "position")
            music = before.queue or before.track_id
            playing = before.is_playing if underway.play == "keep" else underway.play == "play"
            require(state["is_playing"] == bool(playing and music), "playing or not")
        user = moment.user
        assert user is not None
        if before.device_id in user.devices and before.device_id != place.device:
            stopped = [to.device for to, _ in moment.executed("stop_playback")]
            require(before.device_id in stopped, lambda: f"{before.device_id} was not told to stop")

    def _claim(self, moment: Moment) -> None:
        event, before, user = moment.event, moment.playback, moment.user
        if not isinstance(event, events.PlaybackClaimed) or before is None or user is None:
            return
        old = before.device_id
        if user.playback.epoch > before.epoch and old in user.devices:
            stopped = [(to.device, m["reason"]) for to, m in moment.executed("stop_playback")]
            require((old, "claimed") in stopped, lambda: f"{old} was not told of the claim")

    def _windows(self, moment: Moment) -> None:
        for to, message in moment.executed("execute_command"):
            command = message["command"]
            user = moment.core.users[to.user]
            cap = (
                user.devices[to.device].capabilities.max_payload_bytes if to.device in user.devices else None
            )
            tracks = command.get("queue", command.get("tracks"))
            if cap is None or tracks is None:
                continue
            require("queue_offset" in command, f"the whole queue went to {to.device}")
            require(
                len(json.dumps(message)) <= cap,
                f"{len(json.dumps(message))} bytes went to {to.device}",
            )
            offset = command["queue_offset"]
            if command["queue_rev"] == user.playback.queue_rev:
                part = user.playback.queue[offset : offset + len(tracks)]
                require(tuple(tracks) == part, f"another window than {part}")


def _ordered(playback: Playback) -> None:
    """A shuffled queue knows its original order, whatever became of it."""
    if playback.shuffle and playback.order is not None:
        require(sorted(playback.order) == list(range(len(playback.queue))), f"{playback.order} is no order")


def _planned(before: Playback, asked: int | None, now: int) -> int:
    place = before.position_ms if asked is None else asked
    if asked is None and before.is_playing:
        place += max(0, now - before.position_at)
    if before.duration_ms is not None:
        place = min(place, max(before.duration_ms, before.position_ms if asked is None else 0))
    return place
