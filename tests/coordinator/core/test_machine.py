"""The core under any sequence of events: a state machine of honest and clumsy devices.

Checked of every event, beside what the kit checks of every effect: the simulator's rules
(`simulator.rules`); after every step, that the store holds what the core knows.
"""

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from coordinator.core.kit import QUEUE, House, Player
from simulator.rules import Rules
from soul_coordinator.core.effects import Effect
from soul_coordinator.core.events import Event
from soul_protocol import limits

PLAYERS = st.integers(0, 5)
WAITS = (0, 1, 150, 700, 1_000, 2_700, 5_000, 15_000, 90_000, limits.HOUR, limits.DAY)
COMMANDS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("play", {}),
    ("pause", {}),
    ("stop", {}),
    ("next", {}),
    ("next", {"expect_position": 1}),
    ("previous", {}),
    ("seek", {"position_ms": 7_000}),
    ("set_volume", {"volume": 0.25}),
    ("set_shuffle", {"enabled": True}),
    ("set_shuffle", {"enabled": False}),
    ("set_repeat", {"mode": "all"}),
    ("set_queue", {"tracks": QUEUE[:4], "start_index": 1}),
    ("set_queue", {"tracks": ["extra", *QUEUE], "start_index": 1, "keep_position": True}),
    ("set_queue", {"tracks": [], "start_index": 0}),
)


class Watched(House):
    """A house in which the simulator's rules look at each start and each event."""

    rules: Rules

    def start(self) -> None:
        if self.starts == 0:
            self.rules = Rules(self.store)
        self.rules.killed(self.now)
        super().start()

    def tell(self, event: Event) -> tuple[Effect, ...]:
        self.rules.coming(self.core, event, self.now)
        effects = super().tell(event)
        self.rules.decided(self.core, event, effects)
        return effects

    def pass_time(self, ms: int) -> None:
        super().pass_time(ms)
        self.rules.nobody_waits()


class Machine(RuleBasedStateMachine):
    """Two users with three devices each; all of it in one house."""

    def __init__(self) -> None:
        super().__init__()
        self.house = Watched()
        self.players: list[Player] = []
        self.done: dict[tuple[str, int], int] = {}

    @initialize()
    def move_in(self) -> None:
        for user in ("ann", "bob"):
            self.players += [
                self.house.device("Kitchen", user=user),
                self.house.device("Kitchen", user=user),
                self.house.device("Dap", user=user, max_payload_bytes=2_048),
            ]

    # What people and networks do

    @rule(who=PLAYERS, again=st.booleans(), resume=st.booleans())
    def register(self, who: int, again: bool, resume: bool) -> None:
        self.players[who].register(again=again, resume=resume)

    @rule(who=PLAYERS)
    def lose(self, who: int) -> None:
        self.players[who].lose()

    @rule(who=PLAYERS)
    def leave(self, who: int) -> None:
        self.players[who].leave()

    @rule(who=PLAYERS, to=st.none() | PLAYERS, what=st.sampled_from(COMMANDS), late=st.booleans())
    def command(self, who: int, to: int | None, what: tuple[str, dict[str, Any]], late: bool) -> None:
        kind, fields = what
        more = {"issued_at": self.house.now - 300} if late else {}
        self.players[who].command(kind, to=None if to is None else self.players[to], **fields, **more)

    @rule(who=PLAYERS, to=PLAYERS, play=st.sampled_from(("keep", "play", "pause")))
    def transfer(self, who: int, to: int, play: str) -> None:
        self.players[who].transfer(self.players[to], options={"play": play})

    @rule(who=PLAYERS)
    def claim(self, who: int) -> None:
        self.players[who].claim(["mine", "yours"], 1)

    @rule(who=PLAYERS, other=PLAYERS)
    def delete(self, who: int, other: int) -> None:
        self.players[who].ask("manage", "delete_device", device_id=self.players[other].id)

    @rule(ms=st.sampled_from(WAITS))
    def wait(self, ms: int) -> None:
        self.house.pass_time(ms)

    @rule(who=PLAYERS)
    def ping(self, who: int) -> None:
        self.players[who].ping()

    @rule()
    def kill_the_coordinator(self) -> None:
        self.house.start()

    # What renderers do

    @rule(who=PLAYERS, refuse=st.booleans())
    def carry_out(self, who: int, refuse: bool) -> None:
        """Answer the oldest command that was not answered yet."""
        player = self.players[who]
        orders = player.all("execute_command")
        at = self.done.get((player.id, 0), 0)
        if at >= len(orders):
            return
        self.done[player.id, 0] = at + 1
        order = orders[at]
        if refuse:
            player.report(refused=[{"id": order["id"], "code": "unsupported"}])
        elif order["command"]["type"] == "set_volume":
            player.volume = order["command"]["volume"]
            player.idle(player.volume, applied=[order["id"]])
        else:
            playing = {"play": True, "pause": False, "stop": False}.get(order["command"]["type"])
            fields: dict[str, Any] = {} if playing is None else {"is_playing": playing}
            player.report(applied=[order["id"]], epoch=order["epoch"], **fields)

    @rule(who=PLAYERS, position=st.sampled_from((0, 1_000, 60_000)), playing=st.booleans())
    def report(self, who: int, position: int, playing: bool) -> None:
        self.players[who].report(position_ms=position, is_playing=playing)

    @rule(who=PLAYERS, answer=st.sampled_from(("ready", "started", "failed")))
    def outcome(self, who: int, answer: str) -> None:
        player = self.players[who]
        asked = player.all("prepare_playback") + player.all("start_playback")
        if asked:
            player.outcome(answer, asked[-1]["transfer_id"])

    # What must hold: every rule of the simulator after each event (`Watched`), and the store

    @invariant()
    def the_store_knows_what_the_core_knows(self) -> None:
        self.house.rules.saved(self.house.core)

    def teardown(self) -> None:
        """In the end every request has its end."""
        if not self.players:
            return
        self.house.pass_time(10 * limits.MINUTE - 1)
        for user in self.house.core.users.values():
            assert not user.pending
            assert user.handover is None


Machine.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestMachine = Machine.TestCase
