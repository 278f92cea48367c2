"""The last moments of a world, for a person to read."""

from collections.abc import Iterable

from simulator.world import START, Line
from soul_coordinator.core.effects import CloseConnection, Execute, Publish, Reply
from soul_coordinator.core.events import DeadlineReached


def told(lines: Iterable[Line]) -> str:
    return "\n".join(_line(line) for line in lines)


def _line(line: Line) -> str:
    now, event, effects = line
    at = now - START
    clock = f"{at // 3_600_000:5}:{at // 60_000 % 60:02}:{at // 1_000 % 60:02}.{at % 1_000:03}"
    if event is None:
        what = "the coordinator starts"
    elif isinstance(event, DeadlineReached):
        what = "time passes"
    else:
        what = str(event).replace("-0000-4000-8000-", "~")
    return "\n".join([f"{clock} {what}", *(f"{'':16}{_effect(one)}" for one in effects)])


def _effect(effect: object) -> str:
    match effect:
        case Reply(to, message) | Execute(to, message):
            short = {key: value for key, value in message.items() if key not in {"devices", "limits"}}
            return f"-> {to.device[:8]} {short}"
        case Publish(user, channel, message):
            return f"-> all of {user}/{channel} {'' if channel == 'devices' else message}"
        case CloseConnection():
            return f"-> {effect}"
        case _:
            return f"saved {effect}"
