"""What befalls a world, drawn from a seed: bursts of activity, joined by jumps of the clock."""

from collections.abc import Iterator
from random import Random
from typing import Any

from simulator.actions import CALM, Action
from simulator.links import Weather
from simulator.temper import Clock, Temper
from simulator.world import MEMBERS
from soul_protocol import limits

JUMPS = (
    3_000, 20_000, 45_000, 90_000, 180_000, 11 * limits.MINUTE, 11 * limits.MINUTE, limits.HOUR, limits.HOUR,
    3 * limits.HOUR, 20 * limits.HOUR, 25 * limits.HOUR, 31 * limits.DAY,
)  # fmt: skip
SAVINGS = ("", "", "SavePlayback", "SaveTransfer", "SaveReceipt", "SavePending", "SaveDevice", "SaveContext")
WILLS: tuple[tuple[int, ...], ...] = ((), (1,), (200,), (5_000,), (45_000,), (1, 300), (200, 20_000))
OF = {
    user: tuple(number for number, one in enumerate(MEMBERS) if one.user == user) for user in ("ann", "bob")
}
RENDERERS = tuple(
    number for number, one in enumerate(MEMBERS) if one.name in {"kitchen", "study", "dap", "tv", "room1"}
)


class Plan:
    """The actions of a seed, burst by burst, without an end."""

    def __init__(self, seed: int) -> None:
        self._dice = Random(seed)
        self._at = 0
        self._burst: list[Action] = []

    def bursts(self) -> Iterator[list[Action]]:
        while True:
            self._burst = []
            self._gather()
            self._stir()
            if self._dice.random() < 0.5:
                self._part()
            yield sorted(self._burst, key=lambda one: one.at)
            self._at += self._dice.choice(JUMPS)

    def _add(self, who: int | None, what: str, after: int = 0, **how: Any) -> None:
        self._burst.append(Action(self._at + after, who, what, how))

    # The parts of a burst

    def _gather(self) -> None:
        """Who is there, in which weather, and what is going to fail."""
        dice = self._dice
        if dice.random() < 0.4:
            self._add(None, "slow", commit_ms=dice.choice((0, 5, 60, 400)), late_ms=dice.choice((0, 3, 80)))
        fair = dice.random() < 0.25
        for number, member in enumerate(MEMBERS):
            crowd = member.name.startswith("room")
            if crowd and dice.random() < 0.85:
                continue
            if dice.random() < 0.3:
                self._add(number, "clock", clock=Clock.drawn(dice))
            if not fair:
                self._add(number, "weather", up=Weather.drawn(dice), down=Weather.drawn(dice))
                self._add(number, "temper", temper=Temper.drawn(dice))
            if member.name == "guest":
                self._invite(number)
            if dice.random() < 0.85:
                self._add(number, "connect", dice.randint(0, 3_000), will_after=dice.choice((1, 400, 9_000)))
        self._at += 3_000

    def _stir(self) -> None:
        dice = self._dice
        end = self._at + dice.choice((30_000, 90_000, 150_000))
        whose = [dice.choice(tuple(OF))] if dice.random() < 0.3 else list(OF)
        while self._at < end:
            self._at += dice.choice((0, 1, 40, 300, 1_000, 2_500))
            self._happens(dice.choice(OF[dice.choice(whose)]))

    def _part(self) -> None:
        """Everyone goes, or everything goes well again."""
        if self._dice.random() < 0.4:
            self._add(None, "calm")
            self._at += CALM
            return
        for number in range(len(MEMBERS)):
            self._go(number)
        self._at += 5_000

    # What happens

    def _happens(self, who: int) -> None:
        dice = self._dice
        luck = dice.random()
        if luck < 0.06:
            self._go(who)
            self._connect(who, dice.choice((50, 1_000, 4_000, 15_000, 100_000)))
        elif luck < 0.09:
            self._connect(who, 0)
        elif luck < 0.105:
            self._misfortune(who)
        elif luck < 0.14:
            self._rare(who)
        elif luck < 0.60:
            self._add(who, "command", command=_command(dice), **self._target(who))
        elif luck < 0.74:
            position = dice.choice((None, None, 5_000))
            play = dice.choice(("keep", "play", "pause"))
            self._add(who, "transfer", to=self._someone(who), play=play, position_ms=position)
        elif luck < 0.80:
            self._add(dice.choice(self._renderers(who)), "claim", queue=_queue(dice))
        elif luck < 0.90:
            self._add(dice.choice(self._renderers(who)), "here", does=_own(dice))
        elif luck < 0.93:
            self._add(who, "volume here", volume=dice.choice((0.1, 0.5, 0.9)))
        elif luck < 0.95:
            self._add(who, "query", state=dice.random() < 0.5)
        elif luck < 0.97:
            self._add(who, "temper", temper=Temper.drawn(dice))
        else:
            self._add(who, "weather", up=Weather.drawn(dice), down=Weather.drawn(dice))

    def _misfortune(self, who: int) -> None:
        dice = self._dice
        luck = dice.random()
        down = dice.choice((1, 500, 4_000, 20_000))
        if luck < 0.3:
            self._add(None, "kill", down_ms=down)
        elif luck < 0.8:
            saving, told = dice.choice(SAVINGS), dice.choice((0, 1, 1, 2, 3, 5))
            self._add(None, "kill", down_ms=down, saving=saving, told=told)
        elif luck < 0.9:
            self._add(None, "sleep", ms=dice.choice((500, 4_000, 40_000)))
        else:
            self._add(who, "flood", count=dice.choice((20, 150)), seed=dice.getrandbits(32))

    def _rare(self, who: int) -> None:
        dice = self._dice
        luck = dice.random()
        if luck < 0.35:
            self._add(who, "delete", gone=self._someone(who))
        elif luck < 0.55:
            self._add(who, "rename", other=self._someone(who), name=dice.choice(("A", "a", "Kitchen")))
        elif luck < 0.7:
            self._add(who, "token ends")
            self._connect(who, 2_000)
        elif luck < 0.8:
            self._invite(dice.choice([one for one in OF[MEMBERS[who].user] if MEMBERS[one].name == "guest"]))
        elif luck < 0.85:
            user = MEMBERS[who].user
            self._add(None, "remove user", user=user)
            for number in OF[user]:
                self._connect(number, dice.randint(4_000, 9_000))
        else:
            channel = dice.choice(("command", "state", "register", "queue"))
            self._add(who, "refused", channel=channel, code="invalid_command", named=dice.random() < 0.7)

    def _connect(self, who: int, after: int) -> None:
        self._add(who, "connect", after, will_after=self._dice.choice((1, 400, 9_000)))

    def _go(self, who: int) -> None:
        dice = self._dice
        how, stops = dice.choice(("leave", "kill", "cut", "cut")), dice.random() < 0.5
        self._add(who, "go", how=how, wills=dice.choice(WILLS), stops=stops)

    def _invite(self, guest: int) -> None:
        dice = self._dice
        scope = tuple(one for one in ("control", "queue", "transfer") if dice.random() < 0.7)
        self._add(guest, "invite", scope=scope, lasts=dice.choice((20_000, limits.HOUR, 2 * limits.HOUR)))

    def _target(self, who: int) -> dict[str, Any]:
        more: dict[str, Any] = {}
        if self._dice.random() < 0.3:
            more["to"] = self._someone(who)
        if self._dice.random() < 0.1:
            more["lasts"] = self._dice.choice((-1, 1, 800, 60_000))
        return more

    def _someone(self, who: int) -> int:
        """A device of this user, and now and then of another."""
        if self._dice.random() < 0.02:
            return self._dice.randrange(len(MEMBERS))
        return self._dice.choice(OF[MEMBERS[who].user][:8])

    def _renderers(self, who: int) -> list[int]:
        return [one for one in RENDERERS if MEMBERS[one].user == MEMBERS[who].user]


def _queue(dice: Random) -> tuple[int, int]:
    return dice.randrange(20), dice.choice((1, 2, 5, 15, 15, 200))


def _own(dice: Random) -> dict[str, Any]:
    kind = dice.choice(("seek", "skip", "pause", "play", "edit", "set_repeat"))
    match kind:
        case "seek":
            return {"type": kind, "position_ms": dice.randint(0, 190_000)}
        case "edit":
            return {"type": kind, "tracks": (dice.randrange(20), dice.randint(0, 6))}
        case "set_repeat":
            return {"type": kind, "mode": dice.choice(("off", "one", "all"))}
        case _:
            return {"type": kind}


def _command(dice: Random) -> dict[str, Any]:
    kind = dice.choice(
        ("play", "play", "pause", "stop", "next", "next", "previous", "seek", "set_queue", "set_queue",
         "set_volume", "set_shuffle", "set_repeat")
    )  # fmt: skip
    match kind:
        case "seek":
            return {"type": kind, "position_ms": dice.randint(0, 250_000)}
        case "next" if dice.random() < 0.5:
            return {"type": kind, "expect_position": dice.randrange(4)}
        case "set_queue":
            return _set_queue(dice)
        case "set_volume":
            return {"type": kind, "volume": dice.choice((0.2, 0.4, 0.8))}
        case "set_shuffle":
            return {"type": kind, "enabled": dice.random() < 0.5}
        case "set_repeat":
            return {"type": kind, "mode": dice.choice(("off", "one", "all"))}
        case _:
            return {"type": kind}


def _set_queue(dice: Random) -> dict[str, Any]:
    first, count = _queue(dice)
    if dice.random() < 0.01:
        count = limits.QUEUE_TRACKS
    elif dice.random() < 0.05:
        count = 0
    more: dict[str, Any] = {"keep_position": True} if dice.random() < 0.3 else {}
    if dice.random() < 0.1:
        more["expect_rev"] = dice.randrange(8)
    return {
        "type": "set_queue",
        "tracks": (first, count),
        "start_index": dice.randrange(max(1, count)),
        **more,
    }
