"""Windows: a device with a payload limit is told a part of a large queue, and the next part in time.

Whatever is said to such a device with a queue in it (`messages.windowed`) is noted as what it
has (`Device.note_window`). As the position comes near the edge of that, `set_window` follows,
and is repeated every 5 s until the device lists it in `applied`.
"""

from soul_coordinator.core import forwarding, messages
from soul_coordinator.core.device import Device, Window
from soul_coordinator.core.user import Turn
from soul_coordinator.core.values import Message
from soul_protocol import limits


def follow(turn: Turn) -> None:
    """Send the renderer its next window if it is near the edge of what it has."""
    device = turn.user.active
    if device is None or device.window is None or not device.registered:
        return
    shown = forwarding.projection(turn.user)
    window = device.window
    # Another `queue_rev` than the one last told: a forwarded queue was refused, or never answered.
    if window.queue_rev == shown.queue_rev and not _near_edge(window, shown.queue_position, len(shown.queue)):
        return
    tracks, part = messages.windowed(shown.queue, shown.queue_position, device)
    offset = part["queue_offset"]
    if Window(shown.queue_rev, offset, offset + len(tracks)) != window:
        _send(turn, device, tracks, part, rev=shown.queue_rev, request=turn.new_id())


def _near_edge(window: Window, position: int, length: int) -> bool:
    ahead = max(1, (window.end - window.offset) // 4)
    return (window.end < length and position + ahead >= window.end) or 0 < window.offset >= position


def _send(turn: Turn, device: Device, tracks: list[str], part: Message, *, rev: int, request: str) -> None:
    command = {"type": "set_window", "queue": tracks, "queue_rev": rev, **part}
    expires_at = turn.now + limits.WINDOW_REPEAT
    # Before what was said in this turn: a `next` beyond the edge must find its track there.
    turn.execute_first(
        device.address,
        messages.window(request, command, epoch=turn.user.playback.epoch, expires_at=expires_at),
    )
    device.window_id, device.window_again_at = request, expires_at


def time_passed(turn: Turn) -> None:
    """Repeat a window that was not acknowledged, as long as it still matters."""
    for device in turn.user.devices.values():
        if device.window_again_at is None or device.window_again_at > turn.now:
            continue
        request, window = device.window_id, device.window
        device.window_id = device.window_again_at = None
        shown = forwarding.projection(turn.user)
        if request is None or window is None or device is not turn.user.active or not device.registered:
            continue
        if window.queue_rev == shown.queue_rev:
            tracks = list(shown.queue[window.offset : window.end])
            part = {"queue_offset": window.offset, "queue_length": len(shown.queue)}
            _send(turn, device, tracks, part, rev=shown.queue_rev, request=request)
