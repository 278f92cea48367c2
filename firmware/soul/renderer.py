"""A renderer's conduct: when it may play, and what it says of it.

    idle --prepare--> prepared --start--> active
    idle --execute (play, set_queue) in a new epoch--> active
    idle --someone presses play here--> claiming --granted--> active
    active --stop, or a higher epoch of somebody else--> idle

It is active in one epoch. Whoever learns of a higher epoch that is not its own stops at once, so that
no two devices ever play. It is authoritative for what it plays: every change is reported at once with
QoS 1, the position each second with QoS 0. Nothing here waits: what a load is needed for (a report, an
answer to a transfer) is said when the engine tells that it is done.

Moments without a word are ms of `soul.clock.Uptime`; server moments are the coordinator's.
"""

from soul.contract import COMMANDS, INVALID_COMMAND, NOT_ACTIVE, TICK_EVERY, TIMEOUT
from soul.deck import Deck
from soul.engine import ENDED
from soul.execution import execute
from soul.handover import Handover, position_at
from soul.ledger import Ledger
from soul.table import Table
from soul.tracks import packed
from soul.wire import is_sound

HOLD = 1500
"""How long (ms) a report waits for a track that is being loaded."""

BROUGHT_ALONG = 4096
"""The longest queue (bytes) that a claim has in it: it is in memory three times until it is sent."""


class Renderer:
    """One device that plays."""

    def __init__(self, station, engine, volume, last_known):
        """`last_known` is a LastKnownState from before a restart, or None.

        `station`: `device`, `now()`, `server_time(moment)`, `say_state(report, qos)` (false: nobody could
        be told), `say_outcome(message)`, `claim(state)` (its end comes back through `claimed`).
        """
        self.epoch = None
        """The epoch in which this device is the active one; None: it is not."""
        self.table = Table(engine, volume)
        self.state = None
        """The canonical state as last told; this device is not told of most changes."""
        self._station = station
        self._last_known = last_known
        self._ledger = Ledger()
        self.highest = 0
        self._seq = 0
        self._claiming = False
        self._unclaimed = False  # pressed while nobody could be told
        self._stands = False  # done here while nobody could be told: no music starts by itself after it
        self._tick_at = None
        self._held_until = None  # a report waits for a load
        self._handover = Handover(self, station)

    # From the coordinator

    def connected(self):
        """A new `conn`: `seq` counts from 1."""
        self._seq = 0

    def arrived(self, registered, repeated=False):
        """Registered, for the first time or again; `repeated`: the answer to a repetition."""
        self._handover.drop()
        self._last_known, self._stands = None, False
        state = self.state = registered["current_state"]
        # Not the maximum: a coordinator restored from a backup counts from there.
        self.highest = state["epoch"]
        if state["device_id"] == self._station.device:
            self.epoch = state["epoch"]
            # What a repetition says was loaded at its first answer, and it may play since.
            self._go_on(state, registered["should_resume"] and not repeated)
            self.report()
        elif self.epoch is not None:
            self.go_idle()
        else:
            self.claim_again()
        if self.table.deck.tracks and self.table.deck.tracks is not state["queue"]:
            state["queue"] = ()  # there is memory for one queue: for what is on the table
        packed(state, "queue")

    def _go_on(self, state, load):
        """Registered again as the active one."""
        table = self.table
        if load or table.track is None:
            # Silent, at the position: whether to go on is for people or the coordinator to say.
            self._ledger.forget()
            self._handover.forget()
            table.make_room()
            table.put_on(Deck.of(state), self.position_now(state))
        elif state["queue_rev"] == table.deck.rev:
            # The window that the coordinator counts on from now.
            bare = table.make_room()
            window = {"queue_offset": 0, "queue_length": len(packed(state, "queue"))}
            window.update(state)
            table.rearrange(bare.with_window(window))

    def saw(self, epoch, device):
        """Someone plays in an epoch; said to all."""
        self.highest = max(self.highest, epoch)
        if self.epoch is not None and epoch > self.epoch:
            if device == self._station.device:
                self.epoch = epoch
            else:
                self.go_idle()

    def order(self, message):
        """Something to do; what is malformed is refused where it can be."""
        {
            "execute_command": self._execute,
            "prepare_playback": self._handover.prepare,
            "start_playback": self._handover.start,
            "stop_playback": self._stop,
        }[message["type"]](message)
        self.highest = max(self.highest, message["epoch"])

    def claimed(self, epoch, refused):
        """A claim ended: with its epoch, refused, or (neither) without anybody answering."""
        pending, self._claiming = self._claiming, False
        if refused:
            if self.epoch is None:
                self.go_idle()
        elif epoch is None:
            self._unclaimed = self._unclaimed or pending
        elif epoch < self.highest and self.epoch is None:
            self.go_idle()
        elif epoch >= self.highest:
            self.highest = self.epoch = epoch
            self.report()

    def claim_again(self):
        """Claim what is played here, if nobody could be told when it was pressed."""
        if self._unclaimed and self.epoch is None and self.table.playing:
            self._claim()

    # From this device itself

    def heard(self, kind, serial, value):
        """The engine tells something."""
        if not self.table.heard(kind, serial, value):
            return
        if self.table.failed is not None:
            self._handover.load_failed()
        elif not self.table.loading:
            self._handover.loaded()
        self.report()
        if kind == ENDED and self.table.deck.following() is None:
            self._done_here()

    def play_here(self, state=None):
        """Someone presses play on this device: go on with what there is, else with a canonical state.

        False: there is nothing to play.
        """
        self._handover.finish()
        known = state is not None and len(state["queue"]) > 0
        if self.epoch is None and known and (self.table.track is None or not self.table.playing):
            self.state = state
            self.table.make_room()
            self.table.put_on(Deck.of(state), self.position_now(state), True)
        elif not self.table.play() and self.table.track is None:
            return False
        if self.epoch is None and not self._claiming:
            self._claim()
        self.report()
        return self.table.track is not None

    def pause_here(self):
        """Someone presses pause on this device."""
        self._handover.finish()
        self.table.pause()
        self.report()
        self._done_here()

    def step_here(self, index):
        """Someone presses next or previous on this device."""
        self._handover.finish()
        self.table.go_to(index, self.table.playing)
        self.report()
        self._done_here()

    def seek_here(self, position_ms):
        """Someone seeks on this device."""
        self._handover.finish()
        self.table.seek(position_ms)
        self.report()
        self._done_here()

    def volume_here(self, volume):
        """Someone turns the volume on this device."""
        self.table.set_volume(volume)
        self.report()

    # In time

    def deadline(self):
        """When to call `wake`; None: not before something else happens."""
        moments = [self._tick_at, self._held_until]
        moments += self._handover.deadlines()
        moments = [one for one in moments if one is not None]
        return min(moments) if moments else None

    def wake(self):
        """Time has passed."""
        now = self._station.now()
        self._handover.wake(now)
        if self._held_until is not None and self._held_until <= now:
            self._send(tick=False)
        if self._tick_at is not None and self._tick_at <= now:
            self.report(tick=True)

    def resumes(self):
        """Whether music may start by itself at the next arrival."""
        return self.table.playing or not self._stands

    def last_known(self):
        """What to bring along when registering; None for nothing."""
        if self.epoch is None:
            return self._last_known
        state = self._reported(self._station.now() if self.table.playing else None)
        state["epoch"] = self.epoch
        return state

    def report(self, tick=False):
        """Say what is played, or while idle how loud it would be; once a track is loaded, if one is."""
        if self.table.loading:
            if self._held_until is None:
                self._held_until = self._station.now() + HOLD
            self._tick_at = None
            return
        self._send(tick)

    # Inside: saying

    def _send(self, tick):
        table = self.table
        self._held_until = self._tick_at = None
        if table.playing and self.epoch is not None:
            self._tick_at = self._station.now() + TICK_EVERY
        report = {"type": "state_update", "conn": "", "seq": self._seq + 1}
        if self.epoch is None:
            if tick or self._claiming:
                return
            report["volume"] = table.volume
        else:
            report["epoch"] = self.epoch
            report["state"] = self._reported(self._station.now())
        change = self._ledger.bring(report) or not tick
        if self._station.say_state(report, 1 if change else 0):
            self._seq += 1
            self._ledger.told()

    def _reported(self, at):
        """A ReportedState; `at` is the moment for which the position holds, None leaves it away."""
        table, deck = self.table, self.table.deck
        state = {
            "position_ms": max(0, table.position_ms()),
            "is_playing": table.playing,
            "queue_position": deck.index,
            "volume": table.volume,
            "shuffle": deck.shuffle,
            "repeat_mode": deck.repeat,
        }
        track = table.track or deck.track()
        if track is not None:
            state["track_id"] = track
        server = None if at is None else self._station.server_time(at)
        if server is not None:
            state["position_at"] = server
        if table.duration_ms is not None:
            state["duration_ms"] = table.duration_ms
        if table.error is not None:
            state["error"] = table.error
        return state

    def _done_here(self):
        if self.epoch is not None and not self._station.is_heard():
            self._stands = True

    # Inside: commands

    def _execute(self, order):
        id = order["id"]
        if id in self._ledger:
            self._ledger.again(id)
        else:
            self._ledger.note(id, self._obey(order))
        self.report()

    def _obey(self, order):
        """Carry a command out; returns the code of a refusal, or None."""
        command = order["command"]
        kind = command.get("type")
        fields = COMMANDS.get(kind) if isinstance(kind, str) else None
        if fields is None or not is_sound(command, fields):
            return INVALID_COMMAND
        if kind == "set_volume":
            self.table.set_volume(command["volume"])
            return None
        now = self._station.server_time(self._station.now())
        if now is not None and now > order["expires_at"]:
            return TIMEOUT
        epoch, state = order["epoch"], self.state
        if epoch < self.highest:
            return NOT_ACTIVE
        if self.epoch != epoch:
            # A command in an epoch that was not ours says that it is ours now.
            if state is not None and state["epoch"] == epoch and state["device_id"] not in (
                None, self._station.device,
            ):  # fmt: skip
                return NOT_ACTIVE
            self.epoch = epoch
            self._handover.forget_prepared()
            if self.table.track is None and not self.table.deck.length and state is not None:
                self.table.deck = Deck.of(state)
        self._handover.finish()
        if state is not None and kind in ("set_queue", "set_shuffle", "set_window"):
            state["queue"] = ()  # it is another one from now on
        resume_at = 0
        if state is not None and state["track_id"] == self.table.deck.track():
            resume_at = state["position_ms"]
        return execute(command, self.table, resume_at)

    # Inside: the rest

    def _stop(self, order):
        if order["reason"] == "aborted":
            self._handover.aborted(order.get("transfer_id"))
        elif self.epoch is not None:
            if order["epoch"] >= self.epoch:
                self.go_idle()
        elif self._claiming and order["epoch"] > self.highest:
            self.go_idle()

    def become(self, epoch, state):
        """The active one, by a transfer."""
        self._claiming = self._unclaimed = False
        self.epoch, self.state = epoch, state

    def go_idle(self):
        """Silent, and no longer the active one."""
        self.epoch = self._tick_at = None
        self._handover.forget()
        self._claiming = self._unclaimed = False
        self._held_until = None
        self.table.clear()

    def _claim(self):
        self._claiming, self._unclaimed = True, False
        self._handover.forget_prepared()
        state = self._reported(self._station.now())
        tracks = self.table.deck.tracks
        if len(tracks) == self.table.deck.length and len(tracks.text) <= BROUGHT_ALONG:
            state["queue"] = [tracks[place] for place in range(len(tracks))]
        self._station.claim(state)

    def server_now(self, state):
        """Now on the coordinator's clock; before the first contact, when `state` was true."""
        now = self._station.server_time(self._station.now())
        return state["position_at"] if now is None else now

    def position_now(self, state):
        """Where the music of a canonical state is now."""
        return position_at(state, self.server_now(state))
