from pathlib import Path

import pytest

from soul_connect.players.engine import EngineError
from soul_connect.players.tracks import TrackResolver


def refused(library: str | None, track_id: str) -> str:
    with pytest.raises(EngineError) as caught:
        TrackResolver(library).resolve(track_id)
    return caught.value.code


@pytest.fixture
def song(tmp_path: Path) -> Path:
    song = tmp_path / "album" / "a song #1.flac"
    song.parent.mkdir()
    song.touch()
    (tmp_path / "outside.flac").touch()
    return song


def test_addresses_as_they_are(song: Path) -> None:
    resolve = TrackResolver().resolve
    assert resolve("https://music.example/a?b=c") == "https://music.example/a?b=c"
    assert resolve(str(song)) == str(song)
    assert resolve(song.as_uri()) == str(song)


def test_ids_in_a_folder(song: Path) -> None:
    assert TrackResolver(str(song.parent)).resolve("a song #1.flac") == str(song)
    assert TrackResolver(str(song.parent.parent)).resolve("album/a song #1.flac") == str(song)


@pytest.mark.parametrize(
    "track_id",
    ["../outside.flac", "x/../../outside.flac", "..", ".", "missing.flac", "a\0b", "x" * 256 + ".flac"],
)
def test_ids_stay_in_the_folder(song: Path, track_id: str) -> None:
    assert refused(str(song.parent), track_id) == "not_found"


@pytest.mark.parametrize(
    ("library", "track_id", "address"),
    [
        ("https://m.example/stream?id={id}", "a/b&c=1", "https://m.example/stream?id=a%2Fb%26c%3D1"),
        ("https://m.example/{id}/audio", "../x", "https://m.example/..%2Fx/audio"),
        ("https://m.example/music/", "an album/1.flac", "https://m.example/music/an%20album/1.flac"),
    ],
)
def test_ids_in_a_web_address(library: str, track_id: str, address: str) -> None:
    assert TrackResolver(library).resolve(track_id) == address


def test_ids_stay_in_the_web_address() -> None:
    assert refused("https://m.example/music", "a/../../secret") == "not_found"


@pytest.mark.parametrize(
    "track_id",
    ["av://lavfi:sine", "memory://x", "edl://a", "fd://3", "smb://host/x", "AV://x", "file://host/etc/x"],
)
def test_other_schemes_are_not_played(track_id: str) -> None:
    assert refused(None, track_id) == "unsupported"


@pytest.mark.parametrize(
    "track_id", ["http://192.168.1.1/reboot", "file:///etc/passwd", "/etc/passwd", "av://x"]
)
def test_where_only_the_library_is_played_addresses_and_paths_are_not(song: Path, track_id: str) -> None:
    resolver = TrackResolver(str(song.parent), only_library=True)
    assert resolver.resolve("a song #1.flac") == str(song)
    with pytest.raises(EngineError, match="only that is played") as caught:
        resolver.resolve(track_id)
    assert caught.value.code == "unsupported"


def test_without_a_library() -> None:
    assert refused(None, "song-1") == "not_found"
    assert refused(None, "lavf-x://song") == "not_found"
