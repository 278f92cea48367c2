"""The demo's album on the disk: five WAV files with tags, and a cover."""

import shutil
import wave
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from mutagen.id3 import TALB, TDRC, TIT2, TPE1, TRCK
from mutagen.wave import WAVE

from soul_connect.demo.pieces import PIECES, Piece
from soul_connect.demo.sound import RATE, mix

ALBUM: Final = "Five Rooms"
ARTIST: Final = "Loopback Ensemble"
FOLDER: Final = "five-rooms"
TRACKS: Final = tuple(f"{FOLDER}/{piece.name}.wav" for piece in PIECES)
"""The ids of the tracks, below the folder that `make` was given."""

_YEAR: Final = "2026"


def make(music: Path, *, ended: Callable[[], bool] = lambda: False) -> bool:
    """Put the album into `music`, unless it is there; some seconds of a core. False: it `ended` before.

    Raises:
        OSError: it cannot be written.
    """
    album, made = music / FOLDER, music / f".{FOLDER}"
    if album.is_dir():
        return True
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True, mode=0o700)
    for number, piece in enumerate(PIECES, 1):
        if ended():
            return False
        _write(made / f"{piece.name}.wav", piece, number)
    cover = files("soul_connect.demo").joinpath("cover.svg").read_bytes()
    (made / "cover.svg").write_bytes(cover)
    # As a whole, or not at all.
    made.replace(album)
    return True


def durations() -> dict[str, int]:
    """How long each track is, in ms."""
    lengths = (piece.frames * 1000 // RATE for piece in PIECES)
    return dict(zip(TRACKS, lengths, strict=True))


def _write(file: Path, piece: Piece, number: int) -> None:
    with wave.open(str(file), "wb") as sound:
        sound.setnchannels(2)
        sound.setsampwidth(2)
        sound.setframerate(RATE)
        sound.writeframes(mix(piece.notes(), piece.frames, gain=piece.gain))
    tagged: Any = WAVE(file)
    tagged.add_tags()
    told = ((TIT2, piece.title), (TPE1, ARTIST), (TALB, ALBUM), (TDRC, _YEAR), (TRCK, str(number)))
    for frame, text in told:
        tagged.tags.add(frame(encoding=3, text=text))
    tagged.save()
