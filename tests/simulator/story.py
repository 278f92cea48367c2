"""A world's story, for a person to read: when, who, what, and what came of it, in the words of the wire."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from simulator.actions import Action
from simulator.links import START
from simulator.temper import Clock, Temper
from simulator.world import MEMBERS, Line
from soul_coordinator.core import events
from soul_coordinator.core.effects import CloseConnection, Execute, Publish, Reply

_NAMES = {f"{number:08x}": f"{one.user}'s {one.name}" for number, one in enumerate(MEMBERS, 1)}
_DEVICE = re.compile(r"(0000[0-9a-f]{4})-0000-4000-8000-([0-9a-f]{12})")
_OTHER = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
_TIME = re.compile(r"\b1[67]\d{11}\b")
_WIRE: Mapping[type, str] = {
    events.Registered: "register",
    events.ConnectionLost: "connection_lost (its will)",
    events.SaidGoodbye: "disconnect",
    events.Pinged: "ping",
    events.DevicesQueried: "request_devices",
    events.StateQueried: "request_state",
    events.CommandRequested: "playback_command",
    events.TransferRequested: "transfer_playback",
    events.PlaybackClaimed: "claim_playback",
    events.RenameRequested: "rename_device",
    events.DeletionRequested: "delete_device",
    events.StateReported: "state_update",
    events.TransferAnswered: "playback_",
    events.MessageRefused: "a message that is refused",
}
_DULL = {"ping", "position", "devices_update", "pong"}
_LEFT_OUT = {"sender", "entropy", "description", "type", "devices", "limits", "server_time", "device",
             "ephemeral", "updated_at", "position_at", "order", "coordinator", "capabilities", "duration_ms",
             "volume", "t0", "expires_at", "from_device", "device_id", "seq", "at"}  # fmt: skip
_AS_EVER: Mapping[str, Any] = {"shuffle": False, "repeat_mode": "off", "queue_offset": 0, "queue_position": 0}
_MANY = 4


def told(lines: Iterable[Line]) -> str:
    """The story. Pings, ticks and lists of devices are left out, and so is time that nothing came of."""
    teller = _Teller()
    return "\n".join(part for line in lines for part in teller.lines(line))


class _Teller:
    """Tells of a state what is new in it, and gives ids names."""

    def __init__(self) -> None:
        self._states: dict[str, Mapping[str, Any]] = {}
        self._names: dict[str, str] = {}

    def lines(self, line: Line) -> Iterator[str]:
        effects = [text for one in line.effects if (text := self._effect(one))]
        what = _what(line.what, bool(effects))
        if what is not None:
            yield self._readable(f"{_clock(line.now):>13}  {what}")
            for text in effects:
                yield self._readable(f"{'':13}  -> {text}")

    def _effect(self, effect: object) -> str | None:
        match effect:
            case Reply(to, message) | Execute(to, message):
                return None if message["type"] in _DULL else f"{to.device}: {_message(message)}"
            case Publish(user, "state", {"state": state}):
                before, self._states[user] = self._states.get(user, {}), state
                new = {key: one for key, one in state.items() if before.get(key) != one}
                device = f" of {new['device_id']}" if "device_id" in new else ""
                return f"all of {user}: playback_state{device} {_short(new)}"
            case Publish(user, channel, None):
                return f"all of {user}: {channel} is cleared"
            case Publish(user, _, message) if message is not None:
                return None if message["type"] in _DULL else f"all of {user}: {_message(message)}"
            case CloseConnection(user, device, reason):
                return f"the broker closes {device or user} ({reason})"
            case _:
                # Every step saves; what was saved is seen in what the next start knows.
                return None

    def _readable(self, text: str) -> str:
        """Names for ids, times since the start for times."""

        def device(match: re.Match[str]) -> str:
            name, number = _NAMES.get(match[1], match[1]), int(match[2], 16)
            return f"{name} #{number}" if number else name

        def other(match: re.Match[str]) -> str:
            return self._names.setdefault(match[0], f"own-{len(self._names) + 1}")

        text = _OTHER.sub(other, _DEVICE.sub(device, text))
        return _TIME.sub(lambda match: _clock(int(match[0])), text)


def _clock(now: int) -> str:
    at = now - START
    return f"{at // 3_600_000}:{at // 60_000 % 60:02}:{at // 1_000 % 60:02}.{at % 1_000:03}"


def _what(what: Any, effective: bool) -> str | None:
    if isinstance(what, str):
        return f"({what})"
    if isinstance(what, Action):
        who = "" if what.who is None else f"{MEMBERS[what.who].user}'s {MEMBERS[what.who].name}: "
        return None if what.what == "fate" else f"* {who}{what.what} {_short(what.how)}"
    if isinstance(what, events.DeadlineReached):
        return "(time has passed)" if effective else None
    sender, word = getattr(what, "sender", None), _WIRE.get(type(what))
    if word is None or sender is None:
        return f"({type(what).__name__} {_short(what)})"
    if word in _DULL or (word == "state_update" and not effective and not what.applied):
        return None
    word += what.answer if isinstance(what, events.TransferAnswered) else ""
    return f"{sender.device} says {word} {_short(what)}"


def _message(message: Mapping[str, Any]) -> str:
    kind, about = message["type"], message.get("device_id") or message.get("device", {}).get("id", "")
    if kind == "registered":
        state = message["current_state"]
        known = {"epoch": state["epoch"], "sequence": state["sequence"], "queue_rev": state["queue_rev"]}
        return f"registered {_short({'should_resume': message['should_resume']} | known)}"
    said = {key: one for key, one in message.items() if key != "type"}
    return f"{kind} {about} {_short(said)}".replace("  ", " ")


def _short(value: Any) -> str:
    """JSON of a message or a dataclass, without what goes without saying."""
    usual: Mapping[str, Any] = _AS_EVER
    if is_dataclass(value):
        if isinstance(value, Temper | Clock):
            usual = {one.name: one.default for one in fields(value)}
        value = {one.name: getattr(value, one.name) for one in fields(value)}
    kind = value.get("type", "") if "id" not in value and "state" not in value else ""
    parts = [
        f"{key} {_value(one)}"
        for key, one in value.items()
        if key not in _LEFT_OUT and one not in (None, (), []) and usual.get(key) != one
    ]
    return " ".join(part for part in (kind, f"{{{', '.join(parts)}}}" if parts else "") if part)


def _value(value: Any) -> str:
    if isinstance(value, Mapping) or is_dataclass(value):
        return _short(value) or "as usual"
    if isinstance(value, list | tuple) and len(value) > _MANY:
        return f"[{value[0]}, ... {value[-1]}: {len(value)}]"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    return value if isinstance(value, str) else json.dumps(value, default=str)
