"""Bytes to messages, as strict as the contract: what is malformed is None, never an exception.

Integers stay integers all the way: floats have 24 bits on an ESP32, and a moment needs 41.
"""

import json
import sys

from soul.contract import SAFE_INTEGER, TRACK_ID_CHARACTERS

_CPYTHON = sys.implementation.name == "cpython"
_CLOSING = 0x7D  # }


def decode(payload):
    """A JSON object (bytes, not empty) with a `type`; None for anything else."""
    try:
        if payload[-1] != _CLOSING:  # MicroPython takes half an object for one
            return None
        message = json.loads(bytes(payload) if _CPYTHON else payload)
    except (ValueError, MemoryError, RuntimeError):  # RuntimeError: nested too deeply
        return None
    if isinstance(message, dict) and isinstance(message.get("type"), str):
        return message
    return None


def encode(message):
    """A message as JSON."""
    return json.dumps(message)


def _is_track(value):
    return type(value) is str and 0 < len(value) <= TRACK_ID_CHARACTERS


def _is_list(value):
    return type(value) is list


def _is_tracks(value):
    return type(value) is list and all(_is_track(one) for one in value)


_KINDS = {
    # `type(...) is`: a bool is an int to CPython and none to MicroPython.
    "i": lambda value: type(value) is int and 0 <= value <= SAFE_INTEGER,
    "f": lambda value: type(value) in (int, float) and 0 <= value <= 1,
    "b": lambda value: type(value) is bool,
    "s": lambda value: type(value) is str,
    "t": _is_track,
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
