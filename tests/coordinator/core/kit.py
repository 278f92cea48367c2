"""A core to talk to in the words of the wire.

    ann = House()                      a core, a store in memory, a clock that stands still
    kitchen = ann.device("Kitchen")    registered; `kitchen.heard` is what it was told
    request = kitchen.command("play")  said as JSON, through the adapter, into the core
    ann.pass_time(5_000)               every deadline on the way is met

Whatever the core says is checked here once for all: it is valid on its channel, belongs to
the user who spoke, states come with the next `sequence`, and saves come before tells.
"""

import json
from collections.abc import Iterable
from typing import Any

from simulator.store import MemoryStore
from soul_coordinator.adapters.inbound import event_of
from soul_coordinator.adapters.outbound import outgoing
from soul_coordinator.core.coordinator import Coordinator
from soul_coordinator.core.effects import CloseConnection, Effect, Execute, Publish, Reply
from soul_coordinator.core.events import DeadlineReached, Event, PassIssued
from soul_coordinator.core.records import GuestPass
from soul_protocol import codec
from soul_protocol.topics import AllChannel, DownChannel, UpChannel, up_topic

Json = dict[str, Any]
START = 1_700_000_000_000
QUEUE = [f"track-{n}" for n in range(8)]


class House:
    """A coordinator and its users' devices. `now` is in ms."""

    def __init__(self) -> None:
        self.now = START
        self.store = MemoryStore()
        self.sequences: dict[str, int] = {}
        self.everyone: dict[str, list[Json]] = {}
        self.closed: list[tuple[str, str | None, str]] = []
        self.cleared: list[tuple[str, str]] = []
        self.players: dict[str, Player] = {}
        self.starts = 0
        self._entropy = 0
        self.start()

    def start(self) -> None:
        """Start the coordinator, or kill it and start it again from what was saved."""
        self.starts += 1
        self.core = Coordinator(coordinator_id=f"c{self.starts}", users=self.store.load(), now=self.now)
        self._carry_out(self.core.start(now=self.now), None, starting=True)

    def tell(self, event: Event) -> tuple[Effect, ...]:
        effects = self.core.handle(event, now=self.now)
        sender = getattr(event, "sender", None)
        user = sender.user if sender is not None else getattr(event, "user", None)
        self._carry_out(effects, user)
        return effects

    def pass_time(self, ms: int) -> None:
        end = self.now + ms
        while (due := self.core.next_deadline()) is not None and due <= end:
            self.now = max(self.now, due)
            self.tell(DeadlineReached())
        self.now = end

    def invite(self, guest: "Player", *scope: str, lasts: int = 3_600_000) -> None:
        allowed = GuestPass(guest.id, frozenset(scope), self.now + lasts)
        self.store.of(guest.user).passes[guest.id] = allowed
        self.tell(PassIssued(guest.user, allowed))

    def device(self, name: str = "Kitchen", *, user: str = "ann", **more: Any) -> "Player":
        player = self.stranger(name, user=user, **more)
        player.register()
        return player

    def stranger(
        self, name: str = "Kitchen", *, user: str = "ann", node: str = "device", **able: Any
    ) -> "Player":
        number = f"{len(self.players) + 1:08x}-0000-4000-8000-000000000000"
        player = Player(self, id=number, user=user, node=node, name=name, able=able)
        self.players[player.id] = player
        return player

    def entropy(self) -> int:
        self._entropy += 0x1234567890ABCDEF1234567890ABCDEF
        return self._entropy % (1 << 128)

    def state(self, user: str = "ann") -> Json:
        return next(one["state"] for one in reversed(self.everyone[user]) if one["type"] == "playback_state")

    def devices(self, user: str = "ann") -> dict[str, Json]:
        update = next(one for one in reversed(self.everyone[user]) if one["type"] == "devices_update")
        return {one["name"]: one for one in update["devices"]}

    def events(self, kind: str, user: str = "ann") -> list[Json]:
        return [one for one in self.everyone.get(user, []) if one["type"] == kind]

    def _carry_out(self, effects: Iterable[Effect], user: str | None, *, starting: bool = False) -> None:
        told = False
        for effect in effects:
            match effect:
                case Reply(to) | Execute(to):
                    told = True
                    assert user in {None, to.user}
                    channel = DownChannel.REPLY if isinstance(effect, Reply) else DownChannel.EXECUTE
                    out = outgoing(effect, now=self.now)
                    codec.decode_down(channel, out.payload)
                    assert out.topic == f"soul/v1/{to.user}/{to.node}/{to.device}/down/{channel}"
                    assert not out.retain
                    if to.device in self.players and self.players[to.device].node == to.node:
                        self.players[to.device].heard.append(json.loads(out.payload))
                case Publish(whose, name, message):
                    told = True
                    assert user in {None, whose}
                    if message is None:
                        self.cleared.append((whose, name))
                        continue
                    out = outgoing(effect, now=self.now)
                    codec.decode_down(AllChannel(name), out.payload)
                    said = json.loads(out.payload)
                    if name == "state":
                        self._in_order(whose, said["state"]["sequence"], starting=starting)
                    self.everyone.setdefault(whose, []).append(said)
                case CloseConnection():
                    told = True
                    self.closed.append((effect.user, effect.device, effect.reason))
                case _:
                    assert starting or user is None or not told, "saved after it was told"
                    assert user in {None, effect.user}
                    self.store.of(effect.user).apply(effect)

    def _in_order(self, user: str, sequence: int, *, starting: bool) -> None:
        before = self.sequences.get(user, 0)
        assert sequence == (before if starting else before + 1)
        assert self.store.of(user).playback.sequence == sequence
        self.sequences[user] = sequence


class Player:
    """One device's side of the wire: it says what it is told to say, and keeps what it hears."""

    def __init__(self, house: House, *, id: str, user: str, node: str, name: str, able: Json) -> None:  # noqa: A002
        self.house, self.id, self.user, self.node, self.name = house, id, user, node, name
        self.able: Json = {
            "can_render": node == "device",
            "can_control": True,
            "can_host_jam": False,
            "supported_formats": ["flac"],
            "max_sample_rate": 48_000,
        } | able
        self.heard: list[Json] = []
        self.conns = self.requests = self.seq = 0
        self.queue: list[str] = []
        self.volume = 0.5

    @property
    def conn(self) -> str:
        return f"{int(self.id[:8], 16):08x}{self.conns:08x}"

    # Saying

    def raw(self, channel: str, payload: bytes) -> None:
        topic = up_topic(self.user, self.node, self.id, UpChannel(channel))
        event = event_of(topic, payload, self.house.entropy)
        if event is not None:
            self.house.tell(event)

    def say(self, channel: str, kind: str, **fields: Any) -> None:
        self.raw(channel, json.dumps({"type": kind, **fields}).encode())

    def ask(self, channel: str, kind: str, *, id: str | None = None, **fields: Any) -> str:  # noqa: A002
        request = id or self.new_id()
        self.say(channel, kind, id=request, **fields)
        return request

    def new_id(self) -> str:
        self.requests += 1
        return f"{self.id[:8]}-0000-4000-8000-{self.requests:012x}"

    def register(self, *, again: bool = False, **fields: Any) -> Json | None:
        """Register on a fresh connection, or `again` on this one; what was answered."""
        if not again:
            self.conns += 1
            self.seq = 0
        heard = len(self.heard)
        device: Json = {"name": self.name, "device_type": "desktop", "capabilities": self.able}
        device["volume"] = self.volume
        self.say("register", "register", conn=self.conn, device=device, protocol=1, **fields)
        answers = [one for one in self.heard[heard:] if one["type"] in {"registered", "error"}]
        return answers[0] if answers else None

    def lose(self, conn: str | None = None) -> None:
        self.say("will", "connection_lost", conn=conn or self.conn)

    def leave(self, conn: str | None = None) -> None:
        self.say("disconnect", "disconnect", conn=conn or self.conn, reason="quit")

    def ping(self) -> None:
        self.say("ping", "ping", t0=1)

    def command(self, kind: str, *, to: "Player | None" = None, **fields: Any) -> str:
        outer: Json = {name: fields.pop(name) for name in ("id", "issued_at", "expires_at") if name in fields}
        if to is not None:
            outer["target_device"] = to.id
        channel = "queue" if kind == "set_queue" else "command"
        return self.ask(channel, "playback_command", command={"type": kind, **fields}, **outer)

    def transfer(self, to: "Player", **more: Any) -> str:
        return self.ask("transfer", "transfer_playback", to_device=to.id, **more)

    def claim(self, queue: list[str] | None = None, position: int = 0, **fields: Any) -> str:
        outer: Json = {name: fields.pop(name) for name in ("id", "issued_at") if name in fields}
        tracks = QUEUE if queue is None else queue
        state = self.picture(is_playing=True, queue=tracks, queue_position=position, **fields)
        return self.ask("transfer", "claim_playback", state=state, **outer)

    def picture(self, **fields: Any) -> Json:
        state = self.house.core.users[self.user].playback
        queue = fields.get("queue") or list(state.queue)
        place = fields.get("queue_position", state.queue_position)
        shown: Json = {
            "track_id": queue[place] if place < len(queue) else None,
            "position_ms": 0,
            "is_playing": state.is_playing,
            "queue_position": place,
            "volume": self.volume,
            "shuffle": state.shuffle,
            "repeat_mode": state.repeat_mode,
            "duration_ms": 200_000,
        }
        return {name: value for name, value in (shown | fields).items() if value is not None}

    def report(
        self,
        *,
        applied: Iterable[str] = (),
        refused: Iterable[Json] = (),
        epoch: int | None = None,
        **fields: Any,
    ) -> None:
        """A renderer's report of the current epoch; what is not given is as the state has it."""
        self.seq += 1
        current = self.house.core.users[self.user].playback.epoch
        outer: Json = {name: fields.pop(name) for name in ("conn", "seq") if name in fields}
        message = {"conn": self.conn, "seq": self.seq, "epoch": current if epoch is None else epoch} | outer
        self.say(
            "state",
            "state_update",
            **message,
            state=self.picture(**fields),
            applied=list(applied),
            refused=list(refused),
        )

    def idle(self, volume: float, **fields: Any) -> None:
        self.seq += 1
        self.say("state", "state_update", conn=self.conn, seq=self.seq, volume=volume, **fields)

    def outcome(self, answer: str, transfer: str, **fields: Any) -> None:
        self.say("outcome", f"playback_{answer}", transfer_id=transfer, **fields)

    def playing(self, queue: list[str] | None = None, position: int = 0) -> "Player":
        """Make it the renderer, playing: by a claim."""
        self.claim(queue, position)
        return self

    # Hearing

    def results(self, request: str) -> list[Json]:
        return [one for one in self.heard if one["type"] == "command_result" and one["id"] == request]

    def statuses(self, request: str) -> list[str]:
        return [one["status"] + (f"/{one['code']}" if "code" in one else "") for one in self.results(request)]

    def last(self, kind: str) -> Json:
        return next(one for one in reversed(self.heard) if one["type"] == kind)

    def all(self, kind: str) -> list[Json]:
        return [one for one in self.heard if one["type"] == kind]

    def executed(self) -> Json:
        return self.last("execute_command")

    def errors(self) -> list[str]:
        return [one["code"] for one in self.all("error")]
