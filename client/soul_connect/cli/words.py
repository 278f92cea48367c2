"""The contract's values in words: times, tracks, devices."""

import unicodedata
from collections.abc import Iterable
from typing import Final

from soul_connect.cli.exits import CliError, Exit
from soul_connect.titles import title
from soul_protocol.models import Device, DeviceType, PlaybackState

ICONS: Final = {
    DeviceType.DESKTOP: "💻",
    DeviceType.MOBILE: "📱",
    DeviceType.DAP: "🎧",
    DeviceType.WEB: "🌐",
}
"""All two cells wide, so that columns stay straight."""

KINDS: Final = {
    DeviceType.DESKTOP: "desktop",
    DeviceType.MOBILE: "mobile",
    DeviceType.DAP: "player",
    DeviceType.WEB: "web",
}


def clock(ms: int) -> str:
    """`1:23`, or `1:02:03`."""
    minutes, seconds = divmod(ms // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def ago(then_ms: int, now_ms: int) -> str:
    """`just now`, `5 min ago`, `3 h ago`, `2 days ago`."""
    minutes = max(0, now_ms - then_ms) // 60_000
    hours, days = minutes // 60, minutes // (24 * 60)
    if days:
        return "yesterday" if days == 1 else f"{days} days ago"
    if hours:
        return f"{hours} h ago"
    return f"{minutes} min ago" if minutes else "just now"


def find_device(wanted: str, devices: Iterable[Device]) -> Device:
    """The device with this name or id, or the only one whose name or id begins like this.

    Raises:
        CliError: none, or more than one.
    """
    known = list(devices)
    # Names are composed (NFC); what is typed or pasted need not be.
    text = unicodedata.normalize("NFC", wanted.strip()).casefold()
    exact = [each for each in known if text in {each.id, each.name.casefold()}]
    beginning = [each for each in known if each.name.casefold().startswith(text) or each.id.startswith(text)]
    found = exact or (beginning if text else [])
    if len(found) == 1:
        return found[0]
    if found:
        raise CliError(Exit.USAGE, f"{wanted!r} could be {_either(found)}; type more of it.")
    if known:
        raise CliError(Exit.REJECTED, f"There is no device {wanted!r}; yours are {_and(known)}.")
    raise CliError(Exit.REJECTED, f"There is no device {wanted!r}, nor any other.")


def name_of(device_id: str | None, devices: Iterable[Device]) -> str | None:
    """The name of a device; a forgotten one has only its id."""
    if device_id is None:
        return None
    return next((each.name for each in devices if each.id == device_id), device_id)


def sentence(state: PlaybackState, devices: Iterable[Device], position_ms: int) -> str:
    """What is going on, in one line."""
    place = name_of(state.device_id, devices)
    where = f" on {place}" if place else ""
    if state.track_id is None:
        return f"Nothing is queued{where}."
    what = f"{title(state.track_id)} at {clock(position_ms)}"
    return f"{'Playing' if state.is_playing else 'Paused:'} {what}{where}."


def _either(devices: list[Device]) -> str:
    return " or ".join(sorted(each.name for each in devices))


def _and(devices: list[Device]) -> str:
    return ", ".join(sorted(each.name for each in devices))
