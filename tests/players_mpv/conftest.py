import pytest

from players_mpv.audio import encode, make_wav


@pytest.fixture(scope="session")
def album(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Five seconds of a tone as WAV, FLAC and MP3, and short pieces for what ends."""
    folder = tmp_path_factory.mktemp("album")
    wav = make_wav(folder / "one.wav", seconds=5)
    return {
        "wav": wav,
        "flac": encode(wav, folder / "two.flac"),
        "mp3": encode(wav, folder / "three.mp3"),
        "short": make_wav(folder / "short.wav", seconds=0.6, hertz=660),
        "folder": str(folder),
    }
