"""docs/tutorial.md, block by block, as a reader would type it."""

import re
import shutil
from pathlib import Path

from e2e.test_readme import ROOT, Shell
from players_mpv.audio import make_wav
from serving import Process
from waiting import until

PAGE = ROOT / "docs" / "tutorial.md"
RENDERER = ROOT / "client" / "examples" / "renderer.py"


def blocks() -> list[tuple[str, str]]:
    return re.findall(r"```(sh|python)\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


def test_it_fits_on_one_page_and_shows_the_example_as_it_is() -> None:
    assert len(PAGE.read_text("utf-8").splitlines()) < 200
    assert RENDERER.read_text("utf-8") in [text for kind, text in blocks() if kind == "python"]


def test_every_block_works(tmp_path: Path) -> None:
    (tmp_path / "mpv").mkdir()
    (tmp_path / "mpv" / "mpv.conf").write_text("ao=null\n")
    make_wav(tmp_path / "music.wav", seconds=30)
    shell = Shell(tmp_path)
    shell.env["MPV_HOME"] = str(tmp_path / "mpv")
    shell.cwd = tmp_path
    try:
        said = ""
        for kind, text in blocks():
            if kind == "python":
                name = _file_of(text)
                (tmp_path / name).write_text(text)
                if name == "keep.py":
                    shell.type("python keep.py")
                continue
            for line in text.splitlines():
                if line == "export SOUL_CONNECT_URL=mqtt://127.0.0.1:1883":
                    continue  # the shell of this test has the address of its own server
                if line == "python den.py":
                    shell.running.append(
                        Process(["sh", "-c", f"cd {tmp_path} && exec {line}"], env=shell.env)
                    )
                    continue
                if line == "soul-connect devices":
                    until(lambda: "Den" in shell.type("soul-connect devices"), seconds=30)
                line = line.replace("music.wav", str(tmp_path / "music.wav"))  # noqa: PLW2901
                said = shell.type(line)
                if line == "python look.py":
                    assert "No music: no device is active" in said
        assert "music.wav" in said
        assert shutil.which("mpv")
    finally:
        for program in shell.running:
            program.kill()


def _file_of(text: str) -> str:
    if "DeviceFile(" in text:
        return "keep.py"
    return "den.py" if "class " in text else "look.py"
