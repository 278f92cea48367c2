"""What is drawn fits 80 columns, whatever the names are."""

import io
from dataclasses import dataclass

import pytest
from rich.cells import cell_len
from rich.console import Console, RenderableType

from soul_connect.cli import show
from soul_protocol.commands import RepeatMode
from soul_protocol.models import Capabilities, Device, DeviceType, PlaybackState, TrackError

NOW = 1_800_000_000_000
NAMES = ("Kitchen", "x" * 64, "音楽の部屋" * 12, "a[bold]b", "🎧 head", "é")
RENDERER = Capabilities(
    can_render=True, can_control=True, can_host_jam=False, supported_formats=(), max_sample_rate=0
)


def devices() -> list[Device]:
    return [
        Device(
            id=f"{number:08x}-0000-4000-8000-000000000000",
            name=name,
            device_type=list(DeviceType)[number % 4],
            capabilities=RENDERER,
            volume=None if number == 1 else 1.0,
            is_online=number < 3,
            is_guest=number == 1,
            last_seen=NOW - number * 86_400_000 * 5,
            created_at=0,
        )
        for number, name in enumerate(NAMES)
    ]


def state(place: int = 0, **changes: object) -> PlaybackState:
    found = PlaybackState(
        device_id=devices()[place].id,
        track_id="/music/" + "A very long title " * 8 + ".flac",
        position_ms=83_000,
        position_at=NOW,
        is_playing=True,
        queue=tuple(f"/music/{n}.flac" for n in range(12)),
        queue_position=2,
        volume=0.6,
        shuffle=False,
        repeat_mode=RepeatMode.ALL,
        duration_ms=498_000,
        updated_at=NOW,
        epoch=1,
        sequence=1,
        queue_rev=1,
        paused_reason=None,
        error=None,
        applied=(),
    )
    return found.model_copy(update=changes)


@dataclass
class Drawn:
    text: str

    @property
    def widest(self) -> int:
        return max(cell_len(line) for line in self.text.splitlines())


def draw(view: RenderableType, width: int = 80) -> Drawn:
    out = io.StringIO()
    Console(
        file=out, width=width, force_terminal=True, color_system=None, highlight=False, emoji=False
    ).print(view)
    return Drawn(out.getvalue())


@pytest.mark.parametrize("width", [80, 60, 120])
@pytest.mark.parametrize("icons", [True, False])
def test_devices_one_line_each(width: int, icons: bool) -> None:
    drawn = draw(show.devices_view(devices(), state(1), NOW, width=width, icons=icons), width)
    assert drawn.widest <= width
    assert len(drawn.text.splitlines()) == len(NAMES)
    assert "Kitchen" in drawn.text
    assert drawn.text.splitlines()[0].startswith("▶" if icons else ">")
    if width >= 80:
        assert "last seen 15 days ago" in drawn.text
        assert "a[bold]b" in drawn.text


@pytest.mark.parametrize("width", [40, 50, 59, 60])
@pytest.mark.parametrize("icons", [True, False])
def test_devices_keep_their_names_where_it_is_narrow(width: int, icons: bool) -> None:
    drawn = draw(show.devices_view(devices(), state(1), NOW, width=width, icons=icons), width)
    assert drawn.widest <= width
    assert len(drawn.text.splitlines()) == len(NAMES)
    for name in ("Kitchen", "x" * 7, "音楽", "a[bold]", "🎧 head"):
        assert name in drawn.text
    assert "25 days ago" in drawn.text and "100 %" in drawn.text
    assert ("mobile, guest" in drawn.text) == (width >= 60)


def test_names_have_what_presence_does_not_need() -> None:
    online = [each.model_copy(update={"is_online": True, "name": "n" * 16}) for each in devices()]
    assert "n" * 16 in draw(show.devices_view(online, None, NOW, width=40), 40).text


@pytest.mark.parametrize("place", range(len(NAMES)))
def test_status_in_three_lines(place: int) -> None:
    drawn = draw(show.status_view(state(place), devices(), 83_000, width=80))
    assert drawn.widest <= 80
    assert len(drawn.text.splitlines()) == 3
    assert "1:23" in drawn.text and "8:18" in drawn.text and "3 of 12" in drawn.text


@pytest.mark.parametrize(
    ("width", "repeat", "wanted"),
    [
        (80, RepeatMode.OFF, "volume 60  ·  shuffle off  ·  repeat off  ·  3 of 12"),
        (60, RepeatMode.OFF, "volume 60  ·  repeat off  ·  3 of 12"),
        (60, RepeatMode.ALL, "volume 60  ·  repeat all  ·  3 of 12"),
        (40, RepeatMode.OFF, "volume 60  ·  3 of 12"),
        (24, RepeatMode.ALL, "3 of 12"),
    ],
)
def test_what_is_off_is_left_out_first(width: int, repeat: RepeatMode, wanted: str) -> None:
    drawn = draw(show.status_view(state(1, repeat_mode=repeat), devices(), 83_000, width=width), width)
    assert drawn.widest <= width
    assert drawn.text.splitlines()[2].endswith(f"…  ·  {wanted}")


def test_the_bar_fills() -> None:
    bars = [
        draw(show.status_view(state(), devices(), ms, width=80)).text.count("━")
        for ms in (0, 249_000, 498_000)
    ]
    assert bars[0] == 0
    assert abs(bars[1] * 2 - bars[2]) <= 1
    assert "─" not in draw(show.status_view(state(), devices(), 600_000, width=80)).text


def test_what_is_wrong_is_said() -> None:
    broken = state(
        3,
        is_playing=False,
        paused_reason="device_offline",
        error=TrackError(code="bad_format", track_id="/music/bad.flac"),
    )
    text = draw(show.status_view(broken, devices(), 0, width=80)).text
    assert "went offline" in text and "bad_format" in text
    lines = show.status_lines(broken, devices(), 0)
    assert "error: bad_format /music/bad.flac" in lines
    assert "paused because: device_offline" in lines
    back = draw(
        show.status_view(state(0, is_playing=False, paused_reason="device_offline"), devices(), 0, width=80)
    )
    assert "went offline" not in back.text


def test_nothing_to_show() -> None:
    assert "No devices" in draw(show.devices_view([], None, NOW, width=80)).text
    assert "Nothing" in draw(show.status_view(None, [], 0, width=80)).text
    assert "Nothing" in draw(show.status_view(state(track_id=None, queue=()), devices(), 0, width=80)).text
    assert show.queue_view(state(queue_position=11), rows=5) is None


def test_lines_for_scripts() -> None:
    rows = [line.split("\t") for line in show.devices_lines(devices(), state(2), NOW)]
    assert {len(row) for row in rows} == {6}
    assert rows[0][0] == NAMES[2] and rows[0][4] == "active"
