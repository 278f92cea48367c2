import pytest

from soul_connect.cli.exits import CliError, Exit
from soul_connect.cli.words import ago, clock, find_device
from soul_connect.titles import title
from soul_protocol.models import Capabilities, Device, DeviceType

RENDERER = Capabilities(
    can_render=True,
    can_control=True,
    can_host_jam=False,
    supported_formats=("flac",),
    max_sample_rate=192_000,
)


def device(name: str, number: int) -> Device:
    return Device(
        id=f"{number:08x}-0000-4000-8000-000000000000",
        name=name,
        device_type=DeviceType.DESKTOP,
        capabilities=RENDERER,
        is_online=True,
        is_guest=False,
        last_seen=0,
        created_at=0,
    )


DEVICES = (
    device("Kitchen", 0xA1),
    device("Kitchen (2)", 0xA2),
    device("Straße", 0xB3),
    device("Küche", 0xC4),
)


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("Kitchen", "Kitchen"),
        ("kitchen", "Kitchen"),
        ("kitchen (", "Kitchen (2)"),
        ("STRASSE", "Straße"),
        ("str", "Straße"),
        ("000000b3", "Straße"),
        ("ku\u0308che", "Küche"),
        ("000000A2-0000-4000-8000-000000000000", "Kitchen (2)"),
    ],
)
def test_devices_by_name_or_id(wanted: str, name: str) -> None:
    assert find_device(wanted, DEVICES).name == name


@pytest.mark.parametrize(
    ("wanted", "code"), [("kit", Exit.USAGE), ("bath", Exit.REJECTED), ("", Exit.REJECTED)]
)
def test_devices_that_are_not_clear(wanted: str, code: Exit) -> None:
    with pytest.raises(CliError) as caught:
        find_device(wanted, DEVICES)
    assert caught.value.code is code
    assert "Kitchen" in str(caught.value)


def test_times() -> None:
    assert [clock(ms) for ms in (0, 999, 61_000, 3_599_000, 3_661_000)] == [
        "0:00",
        "0:00",
        "1:01",
        "59:59",
        "1:01:01",
    ]
    hour = 3_600_000
    told = [ago(0, ms) for ms in (-5, 59_000, 61_000, 3 * hour, 30 * hour, 72 * hour)]
    assert told == ["just now", "just now", "1 min ago", "3 h ago", "yesterday", "3 days ago"]


@pytest.mark.parametrize(
    ("track_id", "text"),
    [
        ("song-1", "song-1"),
        ("/music/An Album/01 - One.flac", "01 - One"),
        ("https://m.example/a/02%20Two.mp3?key=1", "02 Two"),
        ("https://m.example/", "https://m.example/"),
        ("/music/No. 5", "No. 5"),
        ("/music/.flac", ".flac"),
    ],
)
def test_titles(track_id: str, text: str) -> None:
    assert title(track_id) == text
