"""How a story ended, and where two endings may differ.

Equal without a restart and with one are: the canonical state and the shuffled order under it,
the devices, what each renderer holds, and the one final answer of every request. Sequence,
ids of the coordinator's making, and times are aside.
"""

from dataclasses import dataclass
from typing import Any

from coordinator.restart.client import TICK, Client
from coordinator.restart.stage import APART, DOWN, Stage
from soul_coordinator.core import events
from soul_coordinator.core.position import position_now
from soul_coordinator.core.records import UserRecord
from soul_coordinator.core.user import ANY_COMMAND

Facts = dict[str, Any]

AWAY = DOWN + 10 * APART + TICK
"""ms for which nothing that a renderer says may be heard: the kill, the arrivals, and one tick.

As far may a position lie: "the last reported one" was reported and lost, or a renderer that
was not told yet that it is one begins where the saved state says.
"""

UNHEARD = ("unheard", None)
_GOING_ON = frozenset({"is_playing", "paused_reason", "music"})


@dataclass(frozen=True, slots=True)
class Ending:
    """How it stands in a moment of rest, for each user."""

    facts: dict[str, Facts]
    positions: dict[str, int]


def ending(stage: Stage) -> Ending:
    """What is there now that everything has come to rest."""
    facts: dict[str, Facts] = {}
    positions: dict[str, int] = {}
    for record in stage.shelf.load():
        clients = [one for one in stage.clients if one.place.user == record.id]
        facts[record.id] = _state(record) | {
            "devices": _devices(record),
            "left over": [str(one) for one in (*record.pending, record.transfer) if one is not None],
            "music": {one.name: _music(one) for one in clients},
            "answers": {request: _final(one, request) for one in clients for request in one.answers},
            "unanswered": [request for one in clients for request in one.open],
        }
        positions[record.id] = position_now(record.playback, stage.time.now)
    return Ending(facts, positions)


def differences(stage: Stage, expected: Ending, got: Ending) -> list[str]:
    """What is otherwise after the restart on this stage, but for what the contract allows.

    - Of requests said at one moment (`races`) another may come first when all are repeated.
    - Who deletes itself is closed out and refused; its answer may not have gone out before.
    - A goodbye that nobody heard is a loss: the music may go on when the device returns.
    """
    unheard_goodbye = any(isinstance(one, events.SaidGoodbye) for one in stage.lost)
    found = []
    for user, facts in expected.facts.items():
        for name, fact in facts.items():
            if name in _GOING_ON and unheard_goodbye:
                continue
            was, now = fact, got.facts[user][name]
            if name == "applied":
                was, now = _aside(was, stage.races), _aside(now, stage.races)
            if name == "answers":
                now = {one: was.get(one) if answer == UNHEARD else answer for one, answer in now.items()}
                was, now = _without(was, stage.races), _without(now, stage.races)
            if was != now:
                found.append(
                    f"{user}'s {name} is {_but_for(now, was)}, without a restart {_but_for(was, now)}"
                )
        off = abs(got.positions[user] - expected.positions[user])
        if off > AWAY and not unheard_goodbye:
            found.append(f"{user}'s position is {off} ms off")
    return found


def _but_for(fact: object, other: object) -> object:
    """A fact; of a table only what is otherwise in the other one."""
    if not isinstance(fact, dict) or not isinstance(other, dict):
        return fact
    return {key: value for key, value in fact.items() if key not in other or other[key] != value}


def _aside(ids: tuple[str, ...], races: set[str]) -> tuple[str, ...]:
    return tuple(one for one in ids if one not in races)


def _without(answers: Facts, races: set[str]) -> Facts:
    return {one: answer for one, answer in answers.items() if one not in races}


def _state(record: UserRecord) -> Facts:
    playback = record.playback
    names = (
        "device_id", "track_id", "is_playing", "queue", "order", "queue_position", "queue_rev", "epoch",
        "volume", "shuffle", "repeat_mode", "duration_ms", "paused_reason", "error", "applied",
    )  # fmt: skip
    return {name: getattr(playback, name) for name in names} | {
        "classes": sorted(set(record.issued) - {ANY_COMMAND})
    }


def _devices(record: UserRecord) -> Facts:
    return {
        one.id: (one.name, one.node, one.device_type, one.capabilities, one.volume, one.is_online)
        for one in record.devices
    }


def _music(client: Client) -> Facts:
    music = client.music
    if music.epoch is None:
        return {"volume": client.volume, "sounds": music.playing}
    return {
        "volume": client.volume,
        "sounds": music.playing,
        "epoch": music.epoch,
        "track": music.track(),
        "place": music.place,
        "modes": (music.shuffle, music.repeat),
    }


def _final(client: Client, request: str) -> tuple[str, str | None]:
    """The one final result that a request got, however often it was told."""
    finals = {one for one in client.answers[request] if one[0] != "accepted"}
    assert len(finals) == 1, f"{client.name}'s {request} was answered {client.answers[request]}"
    return finals.pop()
