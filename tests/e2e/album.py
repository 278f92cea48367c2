"""A generated album: real FLAC, MP3 and WAV files."""

import subprocess
from pathlib import Path

SECONDS = 60


def make_album(folder: Path) -> list[Path]:
    """Three tracks of a minute, one in each format."""
    folder.mkdir(parents=True, exist_ok=True)
    tracks = []
    for number, suffix in enumerate(("flac", "mp3", "wav"), 1):
        path = folder / f"{number:02} tone.{suffix}"
        source = f"sine=frequency={220 * number}:duration={SECONDS}"
        command = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", source, str(path)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
        tracks.append(path)
    return tracks
