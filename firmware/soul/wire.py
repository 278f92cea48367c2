"""Bytes to messages, as strict as the contract: what is malformed is None, never an exception.

Integers stay integers all the way: floats have 24 bits on an ESP32, and a moment needs 41.
"""

import json
import sys

from soul.contract import SAFE_INTEGER
from soul.tracks import Listed, end_of, find, is_track, place_of

_CPYTHON = sys.implementation.name == "cpython"
_CLOSING = 0x7D  # }
_HOLDERS = ("command", "state", "current_state")
"""What has a list of tracks in it."""


def decode(payload):
    """A JSON object (bytes, not empty) with a `type`; None for anything else.

    In a long one the list of tracks is `Listed`, and valid as long as the payload is.
    """
    try:
        if payload[-1] != _CLOSING:  # MicroPython takes half an object for one
            return None
        found = find(payload)
        if found is None:
            message = json.loads(bytes(payload) if _CPYTHON else payload)
        else:
            message = _around(payload, *found)
    except (ValueError, MemoryError, RuntimeError):  # RuntimeError: nested too deeply
        return None
    if isinstance(message, dict) and isinstance(message.get("type"), str):
        return message
    return None


def _around(payload, name, start, tracks):
    """The message around its list of tracks, and that in it; what else there is of the user's is left out."""
    cuts = [(start, tracks.end, b"{}")]
    other = place_of(payload, "devices")
    if other >= 0:
        cuts.append((other, end_of(payload, other), b"[]"))
    cuts.sort()
    if cuts[-1][0] < cuts[0][1] and len(cuts) > 1:
        raise ValueError("one list in the other")
    cuts.append((len(payload), len(payload), b""))
    # Copied piece by piece to one place of the right size.
    rest = bytearray(len(payload) - sum([end - begin - len(instead) for begin, end, instead in cuts]))
    at = done = 0
    for begin, end, instead in cuts:
        for piece in (payload[at:begin], instead):
            rest[done : done + len(piece)] = piece
            done += len(piece)
        at = end
    message = json.loads(rest)  # pyright: ignore[reportArgumentType]
    for holder in [message.get(one) for one in _HOLDERS] if isinstance(message, dict) else ():
        if isinstance(holder, dict) and holder.get(name) == {}:
            holder[name] = tracks
    return message


def encode(message):
    """A message as JSON."""
    return json.dumps(message)


def _is_list(value):
    return type(value) is list


def _is_tracks(value):
    if isinstance(value, Listed):
        return value.sound
    return type(value) is list and all(is_track(one) for one in value)


_KINDS = {
    # `type(...) is`: a bool is an int to CPython and none to MicroPython.
    "i": lambda value: type(value) is int and 0 <= value <= SAFE_INTEGER,
    "f": lambda value: type(value) in (int, float) and 0 <= value <= 1,
    "b": lambda value: type(value) is bool,
    "s": lambda value: type(value) is str,
    "t": is_track,
    "T": _is_tracks,
    "o": lambda value: type(value) is dict,
    "l": _is_list,
}


def is_sound(message, fields):
    """Whether a message has the `fields` of `soul.contract`, each with what belongs there."""
    for field in fields.split():
        name, kind = field.split(":")
        if name not in message:
            if kind[-1] != "?":
                return False
            continue
        value = message[name]
        if kind[0] == "N" and value is None:
            continue
        if not _KINDS[kind.replace("N", "")[0]](value):
            return False
    return True
