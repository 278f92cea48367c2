"""Taking music over: prepared in silence, started at a moment on the coordinator's clock."""

from soul.contract import INVALID_COMMAND, PREPARED_DROPPED_AFTER, STATE
from soul.deck import Deck
from soul.wire import is_sound

START_AFTER = 120
"""How long (ms) after the commit a handed-over track sounds: by then the old renderer is silent."""


def position_at(state, server_now):
    """Where the music of a canonical state is at a moment of the coordinator's clock."""
    position = state["position_ms"]
    if state["is_playing"]:
        position += max(0, server_now - state["position_at"])
    duration = state["duration_ms"]
    return position if duration is None else min(position, duration)


class Handover:
    """The transfers of one renderer."""

    def __init__(self, renderer, station):
        self._renderer = renderer
        self._station = station
        self._prepared = None  # (transfer id, when it is dropped)
        self._starting = None  # (transfer id, state, server moment at which it sounds)
        self._started = None

    def prepare(self, order):
        """Load, and stay silent."""
        renderer, epoch, transfer = self._renderer, order["epoch"], order["transfer_id"]
        if epoch < renderer.highest:
            return
        if not is_sound(order["state"], STATE):
            self._say("playback_failed", transfer, INVALID_COMMAND)
            return
        if renderer.epoch is not None and epoch > renderer.epoch:
            renderer.go_idle()
        table = renderer.table
        if renderer.epoch is not None or (self._prepared is not None and self._prepared[0] == transfer):
            if not table.loading:
                self._say("playback_ready", transfer)
            return
        state = renderer.state = order["state"]
        self._prepared = (transfer, self._station.now() + PREPARED_DROPPED_AFTER)
        table.make_room()
        if not table.put_on(Deck.of(state), renderer.position_now(state), False, skip=False):
            self._say("playback_ready", transfer)

    def start(self, order):
        """Play, from the position that the state has by now."""
        renderer, epoch = self._renderer, order["epoch"]
        transfer, state = order["transfer_id"], order["state"]
        if epoch < renderer.highest:
            return
        if not is_sound(state, STATE):
            self._say("playback_failed", transfer, INVALID_COMMAND)
            return
        if renderer.epoch == epoch and transfer == self._started:
            self._say("playback_started", transfer)
            return
        if self._starting is not None and self._starting[0] == transfer:
            return
        prepared, self._prepared = self._prepared, None
        renderer.become(epoch, state)
        table = renderer.table
        table.make_room()
        deck = Deck.of(state)
        sounds_at = state["position_at"] + (START_AFTER if state["is_playing"] else 0)
        at = max(sounds_at, renderer.server_now(state))
        self._starting = (transfer, state, at)
        if prepared is not None and table.track is not None and table.track == deck.track():
            table.rearrange(deck)
            table.seek(position_at(state, at))
        else:
            table.put_on(deck, position_at(state, at), False, skip=False)
        if not table.loading and (not state["is_playing"] or table.track is None):
            self._sound()

    def aborted(self, transfer):
        """What was prepared is not wanted."""
        if self._prepared is not None and transfer in (None, self._prepared[0]):
            self.drop()

    def loaded(self):
        """The engine is ready."""
        if self._prepared is not None and self._renderer.epoch is None:
            self._say("playback_ready", self._prepared[0])
        elif self._starting is not None:
            state, at = self._starting[1], self._starting[2]
            if not state["is_playing"] or self._renderer.server_now(state) >= at:
                self._sound()

    def load_failed(self):
        """The engine cannot play it."""
        table = self._renderer.table
        code, table.failed = table.failed, None
        waiting = self._prepared or self._starting
        self._prepared = self._starting = None
        if waiting is not None:
            self._say("playback_failed", waiting[0], code)

    def finish(self):
        """A command after the commit comes after the start."""
        if self._starting is not None:
            self._sound()

    def forget_prepared(self):
        """Something else is on the table now."""
        self._prepared = None

    def forget(self):
        """Nothing of transfers counts any more."""
        self._prepared = self._starting = self._started = None

    def drop(self):
        """Unload what was prepared."""
        if self._prepared is not None:
            self._prepared = None
            if self._renderer.epoch is None:
                self._renderer.table.clear()

    def deadlines(self):
        """Moments for `wake`."""
        moments = [] if self._prepared is None else [self._prepared[1]]
        if self._starting is not None and not self._renderer.table.loading:
            moments.append(self._local(self._starting[2]))
        return moments

    def wake(self, now):
        """Time has passed."""
        if self._prepared is not None and self._prepared[1] <= now:
            self.drop()
        starting = self._starting
        if starting is not None and not self._renderer.table.loading and self._local(starting[2]) <= now:
            self._sound()

    def _sound(self):
        """What was handed over is loaded, and its moment has come."""
        renderer = self._renderer
        transfer, state, at = self._starting or ("", {}, 0)
        self._starting, self._started = None, transfer
        table = renderer.table
        if state["is_playing"] and table.deck.length:
            now = renderer.server_now(state)
            if now - at > START_AFTER and not table.loading and table.track is not None:
                # Loading took its time: the music is further by now.
                table.seek(position_at(state, now))
            table.play()
        self._say("playback_started", transfer)
        renderer.report()

    def _say(self, kind, transfer, reason=None):
        message = {"type": kind, "transfer_id": transfer}
        if reason is not None:
            message["reason"] = reason
        self._station.say_outcome(message)

    def _local(self, server_moment):
        """A moment of the coordinator's clock on the local one; before the first contact, now."""
        now = self._station.now()
        server = self._station.server_time(now)
        return now if server is None else now + server_moment - server
