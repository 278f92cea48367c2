"""Small sound files, made on the spot."""

import math
import struct
import subprocess
import wave
from array import array
from pathlib import Path

from mutagen.id3 import TALB, TIT2, TPE1, TRCK
from mutagen.wave import WAVE

PNG = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"
    b"\x00\x00\x00\rIDATx\x9cc\xf8\xcf\xc0\xf0\x1f\x00\x05\x00\x01\xff\x89\x99=\x1d\x00\x00\x00\x00IEND\xaeB`\x82"
)


def wav(file: Path, *, seconds: float = 1.0, title: str = "", album: str = "", track: str = "") -> Path:
    """A sine in a WAV file, with ID3 tags where there are any."""
    file.parent.mkdir(parents=True, exist_ok=True)
    samples = array("h", (int(8_000 * math.sin(n / 8)) for n in range(int(8_000 * seconds))))
    with wave.open(str(file), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8_000)
        sound.writeframes(struct.pack(f"<{len(samples)}h", *samples))
    if title:
        tagged = WAVE(file)
        tagged.add_tags()
        assert tagged.tags is not None
        for frame in (TIT2(text=title), TPE1(text="The Testers"), TALB(text=album), TRCK(text=track)):
            tagged.tags.add(frame)
        tagged.save()
    return file


def encoded(file: Path, **tags: str) -> Path:
    """A second of sound in whatever format the file's name says, by ffmpeg."""
    file.parent.mkdir(parents=True, exist_ok=True)
    told = [word for name, value in tags.items() for word in ("-metadata", f"{name}={value}")]
    source = ["-f", "lavfi", "-i", "sine=frequency=440:duration=1"]
    command = ["ffmpeg", "-v", "error", "-y", *source, *told, str(file)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return file
