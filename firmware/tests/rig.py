"""A player in a virtual hour: its clock, its simulated engine, and what it said."""

import json

from soul.dap import Dap
from soul.engine_sim import SimulatedEngine

USER = "alice"
DEVICE = "0a1b2c3d-0000-4000-8000-00000000000a"
OTHER = "0a1b2c3d-0000-4000-8000-00000000000b"
COORDINATOR = "c1"
SERVER_AT_0 = 1_800_000_000_000
BASE = "soul/v1/alice/device/" + DEVICE


class Clock:
    """Milliseconds that pass when told to."""

    def __init__(self):
        self.ms = 0

    def now(self):
        return self.ms


def state_of(device=None, tracks=(), index=0, **more):
    """A PlaybackState."""
    state = {
        "device_id": device,
        "track_id": tracks[index] if tracks else None,
        "position_ms": 0,
        "position_at": SERVER_AT_0,
        "is_playing": False,
        "queue": list(tracks),
        "queue_position": index,
        "volume": 0.5,
        "shuffle": False,
        "repeat_mode": "off",
        "duration_ms": None,
        "updated_at": SERVER_AT_0,
        "epoch": 0,
        "sequence": 0,
        "queue_rev": 1,
        "paused_reason": None,
        "error": None,
        "applied": [],
    }
    state.update(more)
    return state


class Rig:
    """One player; time passes in `run`."""

    def __init__(self, saved=None):
        self.clock = Clock()
        self.engine = SimulatedEngine(self.clock)
        config = {"user": USER, "device": DEVICE, "name": "Pocket", "max_payload_bytes": 24576}
        self.dap = Dap(config, self.engine, self.clock, saved)
        self.said = []
        self.conn = ""
        self.ids = 0

    def server(self):
        """The coordinator's clock."""
        return SERVER_AT_0 + self.clock.ms

    def run(self, ms, step=10):
        """Let time pass."""
        end = self.clock.ms + ms
        while self.clock.ms < end:
            self.clock.ms += step
            self.engine.poll()
            due = self.dap.deadline()
            if due is not None and due <= self.clock.ms:
                self.dap.wake()
            self.drain()

    def drain(self):
        for topic, payload, qos in self.dap.take():
            assert topic.startswith(BASE + "/up/")
            self.said.append((topic[len(BASE) + 4 :], json.loads(payload), qos))

    def heard(self, channel=None, kind=None, qos=None):
        """What was said (channel, type), oldest first."""
        self.drain()
        return [
            message
            for where, message, quality in self.said
            if channel in (None, where) and kind in (None, message["type"]) and qos in (None, quality)
        ]

    def last_state(self):
        return self.heard("state")[-1]

    def tell(self, place, message):
        self.dap.received(place, json.dumps(message).encode())
        self.drain()

    def reply(self, kind, **fields):
        fields["type"] = kind
        self.tell(BASE + "/down/reply", fields)

    def order(self, kind, **fields):
        fields["type"] = kind
        self.tell(BASE + "/down/execute", fields)

    def command(self, kind, epoch=1, id=None, expires_in=5000, **fields):
        """An execute_command; returns its id."""
        self.ids += 1
        id = id or "00000000-0000-4000-8000-%012x" % self.ids
        fields["type"] = kind
        self.order(
            "execute_command",
            id=id,
            command=fields,
            from_device=OTHER,
            epoch=epoch,
            expires_at=self.server() + expires_in,
        )
        return id

    def connect(self):
        self.dap.attempt()
        will = self.dap.will()
        self.conn = json.loads(will[1])["conn"]
        self.dap.up()
        self.drain()

    def register(self, state=None, should_resume=False, coordinator=COORDINATOR):
        self.reply(
            "registered",
            conn=self.conn,
            device_id=DEVICE,
            device={"id": DEVICE, "name": "Pocket"},
            devices=[],
            current_state=state or state_of(),
            should_resume=should_resume,
            server_time=self.server(),
            coordinator=coordinator,
            limits={},
        )

    def arrive(self, state=None, should_resume=False):
        self.connect()
        self.register(state, should_resume)

    def playing(self, tracks=("a", "b", "c"), epoch=1):
        """Arrived, made the active one with a queue, and playing."""
        self.arrive()
        self.command("set_queue", epoch, tracks=list(tracks), start_index=0, queue_rev=1)
        self.command("play", epoch)
        self.run(50)
        assert self.dap.renderer.table.playing
