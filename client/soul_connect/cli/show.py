"""How devices and playback look: calm on a terminal, one fact a line elsewhere."""

from collections.abc import Iterable, Sequence

from rich.cells import cell_len, set_cell_size
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from soul_connect.cli.plain import plain
from soul_connect.cli.words import ICONS, KINDS, ago, clock, name_of
from soul_connect.titles import title
from soul_protocol.models import Device, PlaybackState

MAX_WIDTH = 80
_NARROW = 60
"""Below it there is no room for what a device is beside its name."""

_NAME_CELLS = 8
"""What a name keeps, however narrow it gets."""

_REASONS = {
    "device_offline": "Paused because the device went offline.",
    "device_deleted": "Paused because the device was forgotten.",
    "playback_failed": "Paused because the device could not play.",
}


def terminal() -> Console:
    """The terminal, or whatever stdout is."""
    return Console(highlight=False, emoji=False)


def icons_fit(console: Console) -> bool:
    """Whether the pictures and bars can be written at all."""
    return console.encoding.lower().replace("-", "") == "utf8"


def devices_view(
    devices: Sequence[Device], state: PlaybackState | None, now_ms: int, *, width: int, icons: bool = True
) -> RenderableType:
    """All devices, the active one first and marked."""
    if not devices:
        return Text("No devices yet. `soul-connect player` makes this computer one.", style="dim")
    active = state.device_id if state is not None else None
    narrow = width < _NARROW
    presences = {device.id: _presence(device, now_ms, short=narrow) for device in devices}
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    # The name gives way; everything else is short and always whole.
    table.add_column(no_wrap=True, min_width=4 if icons else 1)
    table.add_column(min_width=_NAME_CELLS, max_width=28)
    if not narrow:
        table.add_column(no_wrap=True, min_width=max(len(_kind(device)) for device in devices))
    table.add_column(no_wrap=True, min_width=5, justify="right")
    table.add_column(no_wrap=True, min_width=max(len(each) for each in presences.values()))
    for device in _ordered(devices, active):
        is_active = device.id == active
        mark = Text("▶" if icons else ">", style="green") if is_active else Text(" ")
        if icons:
            mark.append(f" {ICONS[device.device_type]}")
        style = "bold green" if is_active else ("" if device.is_online else "dim")
        table.add_row(
            mark,
            Text(plain(device.name), style=style, no_wrap=True, overflow="ellipsis"),
            *([] if narrow else [Text(_kind(device), style="dim")]),
            Text(_percent(device), style="" if device.is_online else "dim"),
            presences[device.id],
        )
    return table


def devices_lines(devices: Sequence[Device], state: PlaybackState | None, now_ms: int) -> list[str]:
    """One device a line: name, kind, volume, presence, `active` or nothing, id; between them tabs."""
    active = state.device_id if state is not None else None
    return [
        "\t".join(
            (
                device.name,
                _kind(device),
                _percent(device) or "-",
                _presence(device, now_ms).plain,
                "active" if device.id == active else "-",
                device.id,
            )
        )
        for device in _ordered(devices, active)
    ]


def status_view(
    state: PlaybackState | None,
    devices: Iterable[Device],
    position_ms: int,
    *,
    width: int,
    icons: bool = True,
) -> RenderableType:
    """What plays, where it is, and how: three lines."""
    if state is None or state.track_id is None:
        place = name_of(state.device_id, devices) if state is not None else None
        what = f"Nothing is queued on {plain(place)}." if place else "Nothing is playing."
        return Text(f"{what}\nTo begin: soul-connect queue FILE --on DEVICE", style="dim")
    lines: list[RenderableType] = [_headline(state, icons), _progress(state, position_ms, width, icons)]
    lines.append(_footline(state, name_of(state.device_id, devices), width, icons))
    if state.error is not None:
        text = f"Could not play {title(state.error.track_id)} ({state.error.code})."
        lines.append(Text(plain(text), style="red"))
    why = _why_paused(state, devices)
    if why is not None:
        lines.append(Text(plain(why), style="yellow"))
    return Group(*lines)


def _why_paused(state: PlaybackState, devices: Iterable[Device]) -> str | None:
    """Why the music stopped by itself, as long as that matters: a device that is back waits for `play`."""
    reason = state.paused_reason
    if state.is_playing or reason is None:
        return None
    back = any(each.is_online for each in devices if each.id == state.device_id)
    return None if reason == "device_offline" and back else _REASONS.get(reason, f"Paused: {reason}.")


def status_lines(state: PlaybackState | None, devices: Iterable[Device], position_ms: int) -> list[str]:
    """The same, one fact a line."""
    if state is None:
        return ["state: unknown"]
    whole = f" / {clock(state.duration_ms)}" if state.duration_ms is not None else ""
    lines = [
        f"state: {'playing' if state.is_playing else 'paused' if state.track_id else 'nothing queued'}",
        f"device: {name_of(state.device_id, devices) or '-'}",
        f"track: {state.track_id or '-'}",
        f"position: {clock(position_ms)}{whole}",
        f"volume: {round(state.volume * 100)}",
        f"shuffle: {'on' if state.shuffle else 'off'}",
        f"repeat: {state.repeat_mode}",
        f"queue: {_queue_place(state)}",
    ]
    if state.error is not None:
        lines.append(f"error: {state.error.code} {state.error.track_id}")
    if state.paused_reason is not None:
        lines.append(f"paused because: {state.paused_reason}")
    return lines


def queue_view(state: PlaybackState | None, *, rows: int) -> RenderableType | None:
    """What comes next; None when nothing does."""
    if state is None or not state.queue:
        return None
    first = state.queue_position - (state.queue_offset or 0) + 1
    coming = state.queue[first : first + rows]
    if not coming:
        return None
    lines = [Text(plain(title(track)), style="dim", no_wrap=True, overflow="ellipsis") for track in coming]
    return Group(Text("Next", style="bold"), *lines)


def finding_view(text: str, advice: str | None, *, ok: bool) -> RenderableType:
    """A line of `doctor`: what was found, and below it what to do."""
    mark, style = ("ok", "green") if ok else ("bad", "bold red")
    view = Table.grid(padding=(0, 1, 0, 0))
    view.add_column(width=3)
    view.add_column(overflow="fold")
    view.add_row(Text(mark, style=style), Text(plain(text)))
    if advice is not None:
        view.add_row("", Text(advice, style="yellow"))
    return view


def finding_lines(text: str, advice: str | None, *, ok: bool) -> list[str]:
    """The same where nothing is drawn: a line each, never broken."""
    return [f"{'ok' if ok else 'bad':<4}{text}", *([f"    {advice}"] if advice is not None else [])]


def _headline(state: PlaybackState, icons: bool) -> Text:
    sign = ("▶" if state.is_playing else "⏸") if icons else ("playing:" if state.is_playing else "paused:")
    style = "bold green" if state.is_playing else "bold yellow"
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f"{sign} ", style=style)
    text.append(plain(title(state.track_id or "")), style="bold")
    return text


def _progress(state: PlaybackState, position_ms: int, width: int, icons: bool) -> Text:
    left = clock(position_ms)
    if state.duration_ms is None:
        return Text(f"  {left}")
    right = clock(state.duration_ms)
    cells = max(4, min(width, MAX_WIDTH) - len(left) - len(right) - 4)
    done = round(cells * position_ms / state.duration_ms) if state.duration_ms else cells
    done = min(cells, max(0, done))
    full, rest = ("━", "─") if icons else ("=", "-")
    text = Text(no_wrap=True, overflow="crop")
    text.append(f"  {left} ")
    text.append(full * done, style="green" if state.is_playing else "yellow")
    text.append(rest * (cells - done), style="dim")
    text.append(f" {right}")
    return text


def _footline(state: PlaybackState, place: str | None, width: int, icons: bool) -> Text:
    name = plain(place or "no device")
    volume, *modes = (
        f"volume {round(state.volume * 100)}",
        f"shuffle {'on' if state.shuffle else 'off'}",
        f"repeat {state.repeat_mode}",
    )
    facts = [volume, *modes, _queue_place(state)]
    between = "  ·  " if icons else "  -  "

    def room() -> int:
        return min(width, MAX_WIDTH) - 2 - sum(len(between) + len(fact) for fact in facts)

    # Where it is narrow, what is off says the least; the place in the queue always stays.
    for fact in (*sorted(modes, key=lambda mode: not mode.endswith(" off")), volume):
        if room() < min(cell_len(name), _NAME_CELLS):
            facts.remove(fact)
    cells = max(_NAME_CELLS, room())
    text = Text("  ", no_wrap=True, overflow="ellipsis")
    text.append(name if cell_len(name) <= cells else f"{set_cell_size(name, cells - 1)}…", style="cyan")
    text.append("".join(between + fact for fact in facts), style="dim")
    return text


def _queue_place(state: PlaybackState) -> str:
    length = state.queue_length if state.queue_length is not None else len(state.queue)
    return f"{state.queue_position + 1} of {length}" if length else "empty"


def _ordered(devices: Sequence[Device], active: str | None) -> list[Device]:
    return sorted(
        devices,
        key=lambda each: (
            each.id != active,
            not each.is_online,
            -each.last_seen * (not each.is_online),
            each.name.casefold(),
        ),
    )


def _kind(device: Device) -> str:
    return f"{KINDS[device.device_type]}{', guest' if device.is_guest else ''}"


def _percent(device: Device) -> str:
    return f"{round(device.volume * 100)} %" if device.volume is not None else ""


def _presence(device: Device, now_ms: int, *, short: bool = False) -> Text:
    if device.is_online:
        return Text("online", style="green")
    return Text(f"{'' if short else 'last seen '}{ago(device.last_seen, now_ms)}", style="dim")
