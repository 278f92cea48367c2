"""The demo's album: real, audible, and told apart."""

import wave
from array import array
from itertools import pairwise
from pathlib import Path

import pytest
from mutagen.wave import WAVE

from soul_connect.demo import album
from soul_connect.demo.pieces import PIECES
from soul_connect.demo.sound import RATE, Layer, Note, Voice, mix

SINE = Voice((Layer((1,), 1.0, 0.001, 100.0),), 1.0)


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("music")
    assert album.make(folder)
    return folder


def samples(file: Path) -> "array[int]":
    with wave.open(str(file)) as sound:
        assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (2, 2, RATE)
        return array("h", sound.readframes(sound.getnframes()))


@pytest.mark.parametrize(("number", "track"), list(enumerate(album.TRACKS)))
def test_a_track_is_loud_enough_stereo_and_ends_in_silence(music: Path, number: int, track: str) -> None:
    found = samples(music / track)
    assert 60 <= len(found) / 2 / RATE <= 90
    assert 20_000 < max(found) < 32_000
    assert -32_000 < min(found) < -20_000
    assert found[::2] != found[1::2]
    assert max(map(abs, found[-RATE // 10 :])) < 700
    # No click: nothing jumps by more than a quarter of what there is.
    left = found[::2]
    assert max(abs(after - before) for before, after in pairwise(left)) < 12_000
    # Sound in every five seconds of it.
    for start in range(0, len(found) - 10 * RATE, 10 * RATE):
        assert max(found[start : start + 10 * RATE]) > 2_000
    tags = WAVE(music / track).tags
    assert tags is not None
    told = [str(tags[key]) for key in ("TIT2", "TPE1", "TALB", "TRCK")]
    assert told == [PIECES[number].title, "Loopback Ensemble", "Five Rooms", str(number + 1)]


def test_lengths_are_known_beforehand(music: Path) -> None:
    for track, length in album.durations().items():
        assert len(samples(music / track)) // 2 * 1000 // RATE == length


def test_it_is_made_once_and_as_a_whole(music: Path, tmp_path: Path) -> None:
    before = (music / album.TRACKS[0]).stat().st_mtime_ns
    assert album.make(music)
    assert (music / album.TRACKS[0]).stat().st_mtime_ns == before
    assert sorted(each.name for each in music.iterdir()) == [album.FOLDER]
    assert not album.make(tmp_path, ended=lambda: True)
    assert not (tmp_path / album.FOLDER).exists()


def test_sums_are_those_of_the_samples() -> None:
    one = Note(0, SINE, 69, 8, 0)
    other = Note(100, SINE, 57, 16, 8)
    both = array("h", mix([one, other], RATE, gain=4))
    alone = array("h", mix([one], RATE, gain=4)), array("h", mix([other], RATE, gain=4))
    assert max(alone[0][::2]) > 1_000
    assert set(alone[0][1::2]) == {0} == set(alone[1][::2])
    assert set(alone[1][1:200:2]) == {0}
    for sample, left, right in zip(both, *alone, strict=True):
        assert abs(sample - left - right) <= 1
    # 440 times a second it rises through zero.
    wave_form = alone[0][::2]
    rises = sum(before < 0 <= after for before, after in pairwise(wave_form))
    assert abs(rises - 440) <= 2
