"""What is read from real files of each format."""

import base64
from pathlib import Path

import pytest
from mutagen.aiff import AIFF
from mutagen.flac import FLAC, Picture
from mutagen.id3 import APIC, ID3
from mutagen.mp4 import MP4, MP4Cover
from mutagen.oggvorbis import OggVorbis
from mutagen.wave import WAVE

from coordinator.music.sounds import PNG, encoded, wav
from soul_coordinator.music.tags import NoMusicError, Tags, picture_type, read

TOLD = {
    "title": "Café, early",
    "artist": "The Testers",
    "album": "Some Tests",
    "album_artist": "Various",
    "date": "2024-05-01",
    "disc": "2",
    "track": "3/12",
}
FORMATS = ("flac", "mp3", "ogg", "opus", "m4a", "wav", "aiff")


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_says_what_it_is(tmp_path: Path, suffix: str) -> None:
    # Names of the fields differ: ffmpeg writes Vorbis comments as they are given.
    told = dict(TOLD)
    if suffix in {"flac", "ogg", "opus"}:
        told = told | {"albumartist": "Various", "discnumber": "2", "tracknumber": "3/12"}
    file = tmp_path / f"sound.{suffix}"
    if suffix in {"wav", "aiff"}:
        # ffmpeg tags these with chunks of their own; ID3 is what players read.
        encoded(tmp_path / "tagged.mp3", **told)
        encoded(file)
        _copy_id3(tmp_path / "tagged.mp3", file)
    else:
        encoded(file, **told)
    tags, picture = read(file)
    assert tags.duration_ms is not None
    assert 950 <= tags.duration_ms <= 1_100
    assert tags == Tags("Café, early", "The Testers", "Some Tests", "Various", 2024, 2, 3, tags.duration_ms)
    assert picture is None


def test_the_front_cover_is_found_among_pictures(tmp_path: Path) -> None:
    front, back = PNG, b"\xff\xd8\xff a photograph"
    flac = FLAC(encoded(tmp_path / "a.flac"))
    pictures = []
    for kind, data in ((4, back), (3, front)):
        picture = Picture()
        picture.type, picture.data, picture.mime = kind, data, "image/png"
        flac.add_picture(picture)
        pictures.append(base64.b64encode(picture.write()).decode())
    flac.save()
    assert read(tmp_path / "a.flac")[1] == front
    vorbis = OggVorbis(encoded(tmp_path / "a.ogg"))
    vorbis["metadata_block_picture"] = ["no base64", *pictures]
    vorbis.save()
    assert read(tmp_path / "a.ogg")[1] == front
    mp4 = MP4(encoded(tmp_path / "a.m4a"))
    mp4["covr"] = [MP4Cover(front)]
    mp4.save()
    assert read(tmp_path / "a.m4a")[1] == front
    id3 = ID3(encoded(tmp_path / "a.mp3"))
    for kind, data in ((4, back), (3, front)):
        id3.add(APIC(type=kind, desc=str(kind), mime="image/png", data=data))
    id3.save()
    assert read(tmp_path / "a.mp3")[1] == front


def test_a_picture_that_browsers_do_not_show_is_none(tmp_path: Path) -> None:
    id3 = ID3(encoded(tmp_path / "a.mp3"))
    id3.add(APIC(type=3, mime="image/svg+xml", data=b"<svg onload='alert(1)'/>"))
    id3.save()
    assert read(tmp_path / "a.mp3")[1] is None
    assert picture_type(b"<svg/>") is None


@pytest.mark.parametrize(
    "data", [b"", b"no music", b"RIFF\x10\x00\x00\x00WAVEfmt ", b"fLaC" + b"\xff" * 99, b"ID3" * 99]
)
@pytest.mark.parametrize("suffix", ["mp3", "flac", "wav", "ogg", "m4a"])
def test_what_is_no_music(tmp_path: Path, suffix: str, data: bytes) -> None:
    file = tmp_path / f"a.{suffix}"
    file.write_bytes(data)
    with pytest.raises(NoMusicError):
        read(file)


def test_no_file_at_all(tmp_path: Path) -> None:
    with pytest.raises(NoMusicError):
        read(tmp_path / "missing.mp3")
    with pytest.raises(NoMusicError):
        read(tmp_path)


def test_texts_are_tamed(tmp_path: Path) -> None:
    file = wav(tmp_path / "a.wav", title="a\nb\tc" + "x" * 1_000, album=" ", track="12345678")
    tags, _ = read(file)
    assert tags.title is not None
    assert len(tags.title) == 300
    assert tags.title.isprintable()
    assert (tags.album, tags.track_number) == (None, None)


def _copy_id3(source: Path, target: Path) -> None:
    tagged = AIFF(target) if target.suffix == ".aiff" else WAVE(target)
    tagged.add_tags()  # type: ignore[no-untyped-call]
    assert tagged.tags is not None
    for frame in ID3(source).values():
        tagged.tags.add(frame)
    tagged.save()
