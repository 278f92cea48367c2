"""The player as the broker sees it: messages, buttons and time in, messages out. No I/O.

Whoever runs it (`soul.app`) calls `up` and `down` with the connection, `received` with each message,
`heard` with what the engine tells, `pressed` with buttons, and `wake` at `deadline()`; after each of
these it publishes what `take()` returns. Earlier or later calls of `wake` do no harm.
"""

import binascii
import os

from soul import session as sessions
from soul.clock import ServerClock
from soul.contract import (
    ALL_EVENT,
    ALL_POSITION,
    COMMAND_LIFETIME,
    COORDINATOR,
    DEVICE_LIMIT_REACHED,
    DEVICE_TYPE,
    DOWN_EXECUTE,
    DOWN_REPLY,
    MESSAGES,
    NOT_REGISTERED,
    PREFIX,
    PREVIOUS_RESTARTS_AFTER,
    PROTOCOL_VERSION,
    RATE_LIMITED,
    STATE,
    TIMEOUT,
    UP_COMMAND,
    UP_DISCONNECT,
    UP_OUTCOME,
    UP_PING,
    UP_QUERY,
    UP_REGISTER,
    UP_STATE,
    UP_TRANSFER,
    UP_WILL,
)
from soul.renderer import Renderer
from soul.wire import decode, encode, is_sound

ASK_STATE = 1000
"""How long (ms) a press of play waits for the canonical state."""

RETRY_CLAIM = 1000
"""After how long (ms) a claim that came too soon is repeated, if the server did not say."""

VOLUME_STEPS = 20

PLAY, NEXT, PREVIOUS, LOUDER, SOFTER = "play", "next", "previous", "louder", "softer"

_ORDERS = ("execute_command", "prepare_playback", "start_playback", "stop_playback")


def random_hex(count):
    """So many random bytes, as hex digits."""
    return binascii.hexlify(os.urandom(count)).decode()


def random_uuid():
    """A UUID of version 4 (RFC 9562)."""
    digits = random_hex(16)
    variant = "89ab"[int(digits[16], 16) & 3]
    parts = (digits[:8], digits[8:12], "4" + digits[13:16], variant + digits[17:20], digits[20:])
    return "-".join(parts)


class Dap:
    """One player. `clock.now()` is ms since power-on."""

    def __init__(self, config, engine, clock, saved=None):
        """`config`: `user`, `device`, `name`, `max_payload_bytes`; `saved`: what `saved()` returned last."""
        saved = saved or {}
        self.user, self.device = config["user"], config["device"]
        self.name = config["name"]
        """As the coordinator calls this device."""
        self.notice = ""
        """The last thing that people should know."""
        self.malformed = 0
        """Messages that broke the contract, and were ignored."""
        self.clock = ServerClock()
        self.session = sessions.Session(lambda below: int(random_hex(4), 16) % below)
        self.renderer = Renderer(self, engine, saved.get("volume", 0.5), saved.get("last_known_state"))
        self._config = config
        self._uptime = clock
        self._formats, self._rate = engine.formats, engine.max_sample_rate
        self._conn = ""
        self._attempted = False
        self._claim = None  # (id, message, when it is given up)
        self._claim_again_at = None
        self._asked = None  # (id of a request_state, when it is given up)
        self._out = []
        base = PREFIX + "/" + self.user
        self._up = base + "/device/" + self.device + "/up/"
        down = base + "/device/" + self.device + "/down/"
        self._kinds = {
            down + DOWN_EXECUTE: _ORDERS,
            down + DOWN_REPLY: ("registered", "pong", "command_result", "error", "playback_state"),
            base + "/all/" + ALL_POSITION: ("position",),
            base + "/all/" + ALL_EVENT: ("notice", "device_offline"),
            COORDINATOR: ("coordinator_status",),
        }
        self.topics = [
            (down + "+", 1),
            (base + "/all/" + ALL_POSITION, 0),
            (base + "/all/" + ALL_EVENT, 1),
            (COORDINATOR, 1),
        ]
        """What to subscribe to: a device with a payload limit leaves out what carries whole queues."""
        engine.tell = self.heard

    # The connection

    def attempt(self):
        """A connection is tried; if the last one was as well, that came to nothing."""
        if self._attempted:
            self.session.failed()
        self._attempted = True

    def will(self):
        """Topic, payload and QoS of the last will; makes the `conn` of the next connection."""
        self._conn = random_hex(8)
        return self._up + UP_WILL, encode({"type": "connection_lost", "conn": self._conn}), 1

    def up(self):
        """Connected and subscribed."""
        self._attempted = False
        self.session.connected(self._conn, self.now())
        self.renderer.connected()
        self.wake()

    def down(self, by_peer):
        """The connection is gone. `by_peer`: the other side ended it."""
        self.session.disconnected(self.now(), by_peer)

    def goodbye(self):
        """The clean goodbye, to be acknowledged before DISCONNECT."""
        message = {"type": "disconnect", "conn": self.session.conn, "reason": "shutdown"}
        return self._up + UP_DISCONNECT, encode(message), 1

    def take(self):
        """What is to be published: (topic, payload, QoS) each."""
        out, self._out = self._out, []
        return out

    # Messages

    def received(self, topic, payload, retained=False):
        """A message came. What breaks the contract changes nothing."""
        if not len(payload) or (retained and topic != COORDINATOR):
            return  # nothing else that is said to a device is ever retained
        message = decode(payload)
        kind = "" if message is None else message["type"]
        if message is None or kind not in self._kinds.get(topic, ()) or not is_sound(message, MESSAGES[kind]):
            self.malformed += 1
            return
        if kind in _ORDERS:
            self.renderer.order(message)
        else:
            getattr(self, "_on_" + kind)(message)

    def _on_registered(self, message):
        now, state = self.now(), message["current_state"]
        if not is_sound(state, STATE):
            self.malformed += 1
            return
        repeated = self.session.phase == sessions.ONLINE
        if not self.session.registered(message["conn"], message["coordinator"], now):
            return
        if self.session.register_sent is not None:
            time = message["server_time"]
            self.clock.sample(self.session.register_sent, now, time, time)
        name = message["device"].get("name")
        self.name = name if isinstance(name, str) else self.name
        self.notice = ""
        self.renderer.arrived(message, repeated)
        if self._claim is not None:
            self._publish(UP_TRANSFER, self._claim[1], 1)

    def _on_pong(self, message):
        t0 = message["t0"]
        if self.session.answered(t0):
            self.clock.sample(t0, self.now(), message["t1"], message["t2"])

    def _on_command_result(self, message):
        status, code = message["status"], message.get("code")
        if code == NOT_REGISTERED:
            self._not_registered()
        elif self._claim is not None and message["id"] == self._claim[0] and status != "accepted":
            self._claim = None
            applied = status == "applied" and "epoch" in message
            refused = status in ("rejected", "superseded")
            self.renderer.claimed(message["epoch"] if applied else None, refused)

    def _on_error(self, message):
        code, id = message["code"], message.get("id")
        if code == NOT_REGISTERED:
            self._not_registered()
        elif code == DEVICE_LIMIT_REACHED:
            self.session.no_place()
            self.notice = message["message"]
        elif code == RATE_LIMITED and self._claim is not None and id == self._claim[0]:
            self._claim = None
            self.renderer.claimed(None, False)
            self._claim_again_at = self.now() + message.get("retry_after_ms", RETRY_CLAIM)
        elif self._claim is not None and id == self._claim[0]:
            self._claim = None
            self.renderer.claimed(None, True)

    def _on_playback_state(self, message):
        if self._asked is not None and message.get("id") == self._asked[0]:
            self._asked = None
            if is_sound(message["state"], STATE):
                self._play(message["state"])
            else:
                self.malformed += 1

    def _on_position(self, message):
        self.renderer.saw(message["epoch"], message["device_id"])

    def _on_device_offline(self, message):
        if message["device_id"] == self.device and message["reason"] == TIMEOUT:
            # The connection is there, and what it carried was lost: by silence alone nobody is gone.
            self._not_registered()

    def _on_notice(self, message):
        self.notice = message["message"]

    def _on_coordinator_status(self, message):
        self.session.coordinator_is(message["coordinator"], message["online"], self.now())
        self._maybe_register()

    # This device

    def heard(self, kind, serial, value=None):
        """The engine tells something."""
        self.renderer.heard(kind, serial, value)

    def pressed(self, button):
        """Someone pressed a button."""
        renderer = self.renderer
        active = renderer.epoch is not None or renderer.table.playing
        if button == PLAY:
            if renderer.table.playing:
                renderer.pause_here()
            elif renderer.epoch is None and self.session.phase == sessions.ONLINE:
                # Most changes are not told to this device: what is there to go on with?
                id = random_uuid()
                self._asked = (id, self.now() + ASK_STATE)
                self._publish(UP_QUERY, {"type": "request_state", "id": id}, 1)
            else:
                self._play(renderer.state)
        elif button in (LOUDER, SOFTER):
            step = round(renderer.table.volume * VOLUME_STEPS) + (1 if button == LOUDER else -1)
            renderer.volume_here(min(max(step, 0), VOLUME_STEPS) / VOLUME_STEPS)
        elif not active or not renderer.table.deck.length:
            self.notice = "nothing plays here; press play"
        elif button == NEXT:
            self._next()
        elif button == PREVIOUS:
            table = renderer.table
            if table.deck.index == 0 or table.position_ms() > PREVIOUS_RESTARTS_AFTER:
                renderer.seek_here(0)
            else:
                self._step(table.deck.index - 1, "previous")

    def _play(self, state):
        if not self.renderer.play_here(state):
            self.notice = "there is nothing to play"

    def _next(self):
        table = self.renderer.table
        follows = table.deck.after(table.deck.index)
        if follows is None:
            # Past the end: paused at 0 of the last track.
            table.pause()
            self.renderer.seek_here(0)
        else:
            self._step(follows, "next")

    def _step(self, index, kind):
        deck = self.renderer.table.deck
        if deck.track(index) is not None:
            self.renderer.step_here(index)
            return
        # Beyond what this device knows of the queue: the coordinator knows all of it.
        command = {"type": kind, "expect_position": deck.index}
        message = {"type": "playback_command", "id": random_uuid(), "command": command}
        self._publish(UP_COMMAND, message, 1)

    # In time

    def deadline(self):
        """When to call `wake` (ms of the clock); None: not before something else happens."""
        moments = [self.session.deadline(), self.renderer.deadline(), self._claim_again_at]
        moments += [one[-1] for one in (self._claim, self._asked) if one is not None]
        moments = [one for one in moments if one is not None]
        return min(moments) if moments else None

    def wake(self):
        """Time has passed."""
        now = self.now()
        self._maybe_register()
        t0 = self.session.wants_ping(now)
        if t0 is not None:
            self._publish(UP_PING, {"type": "ping", "t0": t0}, 0)
        if self._claim is not None and self._claim[-1] <= now:
            self._claim = None
            self.renderer.claimed(None, False)
        if self._claim_again_at is not None and self._claim_again_at <= now:
            self._claim_again_at = None
            self.renderer.claim_again()
        if self._asked is not None and self._asked[-1] <= now:
            self._asked = None
            self._play(self.renderer.state)
        self.renderer.wake()

    def saved(self):
        """What a later start needs, as JSON has it. It begins silent, wherever this run ends."""
        kept = {"volume": self.renderer.table.volume}
        last = self.renderer.last_known()
        if last is not None:
            last["is_playing"] = False
            last.pop("position_at", None)
            kept["last_known_state"] = last
        return kept

    def moment(self):
        """What must be the same for `saved()` to be worth no write: all but the position."""
        table = self.renderer.table
        return (self.renderer.epoch, table.track, table.deck.index, table.playing, table.volume)

    # For the renderer

    def now(self):
        """Ms since power-on."""
        return self._uptime.now()

    def server_time(self, moment):
        """A local moment on the coordinator's clock; None before the first contact."""
        return self.clock.at(moment)

    def is_heard(self):
        """Whether anybody can be told anything."""
        return self.session.phase == sessions.ONLINE

    def say_state(self, report, qos):
        """Publish a report; false if nobody can be told. A full report is due after arrival then."""
        if not self.is_heard():
            return False
        report["conn"] = self.session.conn
        self._publish(UP_STATE, report, qos)
        return True

    def say_outcome(self, message):
        """Answer a step of a transfer; lost while away, for the coordinator asks again."""
        if self.session.phase == sessions.ONLINE:
            self._publish(UP_OUTCOME, message, 1)

    def claim(self, state):
        """Someone pressed play here: ask for the music."""
        id, now = random_uuid(), self.now()
        message = {"type": "claim_playback", "id": id, "state": state}
        issued = self.clock.at(now)
        if issued is not None:
            message["issued_at"] = issued
        self._claim = (id, message, now + COMMAND_LIFETIME)
        if self.session.phase == sessions.ONLINE:
            self._publish(UP_TRANSFER, message, 1)

    # Inside

    def _not_registered(self):
        self.session.not_registered(self.now())
        self._maybe_register()

    def _maybe_register(self):
        if not self.session.wants_register(self.now()):
            return
        able = {
            "can_render": True,
            "can_control": True,
            "can_host_jam": False,
            "supported_formats": list(self._formats),
            "max_sample_rate": self._rate,
            "max_payload_bytes": self._config["max_payload_bytes"],
        }
        volume = self.renderer.table.volume
        device = {"name": self._config["name"], "device_type": DEVICE_TYPE, "capabilities": able}
        device["volume"] = volume
        message = {"type": "register", "conn": self.session.conn, "device": device}
        message["resume"], message["protocol"] = self.renderer.resumes(), PROTOCOL_VERSION
        last = self.renderer.last_known()
        if last is not None:
            message["last_known_state"] = last
        self._publish(UP_REGISTER, message, 1)

    def _publish(self, channel, message, qos):
        self._out.append((self._up + channel, encode(message), qos))
