"""A folder of music as the server sees it: in order, bounded, never out of it."""

import os
import shutil
from pathlib import Path

import pytest

from coordinator.music.sounds import PNG, wav
from soul_coordinator.music import walk
from soul_coordinator.music.folder import MusicFolder
from waiting import until

KEY = b"k" * 32


@pytest.fixture
def music(tmp_path: Path) -> Path:
    folder = tmp_path / "music"
    wav(folder / "b" / "02.wav", title="Two", album="Later", track="2")
    wav(folder / "b" / "01.wav", title="Ten", album="Later", track="10")
    wav(folder / "a" / "x.wav", title="One", album="Album", track="1/9")
    wav(folder / "loose, 100% #1?.wav")
    (folder / "b" / "cover.png").write_bytes(PNG)
    (folder / "a" / "notes.txt").write_text("no music")
    (folder / "a" / "broken.mp3").write_bytes(b"no music")
    (tmp_path / "secret").mkdir()
    wav(tmp_path / "secret" / "secret.wav", title="Secret")
    return folder


def looked(folder: Path) -> MusicFolder:
    found = MusicFolder(folder, KEY)
    found.look()
    return found


def ids(folder: MusicFolder, search: str = "") -> list[str]:
    return [track.id for track in folder.page(0, 500, search).tracks]


def test_tracks_come_in_the_order_of_albums(music: Path) -> None:
    assert ids(looked(music)) == ["a/x.wav", "b/02.wav", "b/01.wav", "loose, 100% #1?.wav"]


def test_a_file_without_tags_is_called_by_its_name(music: Path) -> None:
    track = looked(music).track("loose, 100% #1?.wav")
    assert track is not None
    told = {"title": "loose, 100% #1?", "duration_ms": 1000, "media_type": "audio/wav"}
    assert track.describe() == told


def test_without_tags_the_folder_is_the_album(music: Path) -> None:
    wav(music / "Artist" / "Old Tapes" / "side a.wav")
    folder = looked(music)
    track = folder.track("Artist/Old Tapes/side a.wav")
    assert track is not None
    assert track.describe()["album"] == "Old Tapes"
    assert ids(folder, "tapes side") == [track.id]


def test_a_search_finds_all_of_its_words(music: Path) -> None:
    folder = looked(music)
    assert ids(folder, "LATER t") == ["b/02.wav", "b/01.wav"]
    assert ids(folder, "testers two") == ["b/02.wav"]
    assert ids(folder, "secret") == []


def test_pages(music: Path) -> None:
    folder = looked(music)
    first = folder.page(0, 3)
    assert (len(first.tracks), first.total, first.next_offset) == (3, 4, 3)
    last = folder.page(3, 3)
    assert (len(last.tracks), last.next_offset) == (1, None)
    assert folder.page(4, 3).next_offset is None


def test_the_picture_beside_is_the_cover_and_can_be_had_by_its_name_only(music: Path) -> None:
    folder = looked(music)
    track = folder.track("b/01.wav")
    assert track is not None
    assert track.cover is not None
    found = folder.cover(track.cover)
    assert found is not None
    assert (found.data, found.media_type) == (PNG, "image/png")
    assert folder.cover("../b/cover.png") is None
    assert folder.cover("cover.png") is None
    other = MusicFolder(music, b"another key".ljust(32))
    other.look()
    elsewhere = other.track("b/01.wav")
    assert elsewhere is not None
    assert elsewhere.cover != track.cover
    # Another picture is another name; the old name does not show it.
    (music / "b" / "cover.png").write_bytes(PNG + b"\0")
    assert folder.cover(track.cover) is None
    folder.look()
    changed = folder.track("b/01.wav")
    assert changed is not None
    assert changed.cover not in {None, track.cover}


def test_a_drawing_is_a_cover_too(music: Path) -> None:
    drawing = "<svg xmlns='http://www.w3.org/2000/svg'/>"
    (music / "a" / "Front.SVG").write_text(drawing)
    folder = looked(music)
    track = folder.track("a/x.wav")
    assert track is not None
    found = folder.cover(track.cover or "")
    assert found is not None
    assert (found.data.decode(), found.media_type) == (drawing, "image/svg+xml")


def test_links_count_as_where_they_lead(music: Path) -> None:
    secret = music.parent / "secret"
    (music / "inside.wav").symlink_to(music / "a" / "x.wav")
    (music / "outside.wav").symlink_to(secret / "secret.wav")
    (music / "round").symlink_to(music)
    (music / "away").symlink_to(secret)
    (music / "loop.wav").symlink_to(music / "loop.wav")
    (music / "nowhere.wav").symlink_to(music / "missing.wav")
    folder = looked(music)
    assert len(ids(folder)) == 5
    assert folder.track("inside.wav") is not None
    # What has become a link since is looked at again when it is asked for.
    track = folder.track("a/x.wav")
    assert track is not None
    (music / "a" / "x.wav").unlink()
    (music / "a" / "x.wav").symlink_to(secret / "secret.wav")
    assert folder.file(track) is None


def test_what_is_hidden_or_cannot_be_named_is_not_listed(music: Path) -> None:
    wav(music / ".hidden.wav")
    wav(music / ".Trash" / "a.wav")
    wav(music / ("long " * 40) / ("x" * 100 + ".wav"))
    wav(music / "new\nline.wav")
    (music / os.fsdecode(b"latin\xe9.wav")).symlink_to(music / "a" / "x.wav")
    os.mkfifo(music / "pipe.wav")
    assert len(ids(looked(music))) == 4


def test_a_huge_folder_is_cut_short(music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "MOST_TRACKS", 3)
    assert len(ids(looked(music))) == 2
    monkeypatch.setattr(walk, "MOST_TRACKS", 100)
    monkeypatch.setattr(walk, "_MOST_ENTRIES", 3)
    assert len(ids(looked(music))) <= 3
    monkeypatch.setattr(walk, "_DEPTH", 0)
    monkeypatch.setattr(walk, "_MOST_ENTRIES", 100)
    assert ids(looked(music)) == ["loose, 100% #1?.wav"]


def test_another_look_reads_only_what_changed(music: Path) -> None:
    folder = looked(music)
    before = {each: folder.track(each) for each in ids(folder)}
    wav(music / "a" / "y.wav", title="New", album="Album", track="2")
    wav(music / "b" / "01.wav", seconds=2, title="Other", album="Later", track="1")
    (music / "b" / "02.wav").unlink()
    folder.look()
    assert ids(folder) == ["a/x.wav", "a/y.wav", "b/01.wav", "loose, 100% #1?.wav"]
    assert folder.track("a/x.wav") is before["a/x.wav"]
    changed = folder.track("b/01.wav")
    assert changed is not None
    assert (changed.tags.title, changed.tags.duration_ms) == ("Other", 2_000)


def test_a_folder_that_goes_away_stays_listed_and_is_silent(music: Path) -> None:
    folder = looked(music)
    shutil.move(music, music.parent / "unplugged")
    folder.look()
    track = folder.track("a/x.wav")
    assert track is not None
    assert folder.file(track) is None


def test_the_thread_looks_when_asked_and_not_too_often(music: Path) -> None:
    now = 0.0
    folder = MusicFolder(music, KEY, clock=lambda: now)
    assert folder.scanning
    folder.start()
    try:
        until(lambda: not folder.scanning and len(ids(folder)) == 4, what="the first look")
        wav(music / "new.wav", title="New")
        folder.look_again()
        assert not folder._wanted.is_set()
        now = 60.0
        folder.look_again()
        until(lambda: len(ids(folder)) == 5, what="the second look")
    finally:
        folder.close()
    assert folder._thread is not None
    assert not folder._thread.is_alive()
