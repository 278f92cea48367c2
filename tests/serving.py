"""A real server, and real programs around it, as processes on free ports."""

import itertools
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from waiting import until

PROGRAM = (sys.executable, "-m", "soul_connect")


_PORTS: Final = range(12_000, 32_000)
"""Below the ports that the kernel gives to outgoing connections, so that none of those takes one first."""

_WORKERS: Final = 8
_next_port: Iterator[int] | None = None


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now, and that no other worker of the test run is given."""
    global _next_port  # noqa: PLW0603 (one walk through the range for the whole process)
    if _next_port is None:
        worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
        share = _PORTS[worker::_WORKERS]
        start = random.randrange(len(share))  # another run may go on beside this one
        _next_port = itertools.cycle([*share[start:], *share[:start]])
    ports: list[int] = []
    for port in itertools.islice(_next_port, len(_PORTS)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        ports.append(port)
        if len(ports) == count:
            return ports
    raise OSError("no free port")


def listens(port: int) -> bool:
    """Whether somebody accepts connections there."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


class Process:
    """A program whose output is kept line by line, with the time (monotonic, s) of each."""

    def __init__(self, arguments: Sequence[str], *, env: dict[str, str] | None = None) -> None:
        self.arguments = list(arguments)
        self.lines: list[str] = []
        self.errors: list[str] = []
        self.times: list[float] = []
        self._popen = subprocess.Popen(
            self.arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
            text=True,
            start_new_session=True,
        )
        assert self._popen.stdout is not None
        assert self._popen.stderr is not None
        self._readers = [
            threading.Thread(target=self._read, args=(self._popen.stdout, self.lines, True)),
            threading.Thread(target=self._read, args=(self._popen.stderr, self.errors, False)),
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: Iterator[str], lines: list[str], timed: bool) -> None:
        for line in stream:
            if timed:
                self.times.append(time.monotonic())
            lines.append(line.rstrip("\n"))

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def returncode(self) -> int | None:
        return self._popen.poll()

    def signal(self, number: int) -> None:
        self._popen.send_signal(number)

    def wait(self, seconds: float = 10.0) -> int:
        code = self._popen.wait(seconds)
        self._close()
        return code

    def line(self, start: str, *, seconds: float = 15.0, after: int = 0) -> str:
        """The first line of stdout that begins with `start`."""

        def find() -> str | None:
            for line in self.lines[after:]:
                if line.startswith(start):
                    return line
            assert self.returncode is None, f"{self.arguments} ended with {self.returncode}: {self.output}"
            return None

        found = until(find, seconds=seconds, what=lambda: f"{start!r} from {self.arguments}: {self.output}")
        assert found is not None
        return found

    @property
    def output(self) -> str:
        return "\n".join([*self.lines[-40:], *self.errors[-40:]])

    def kill(self) -> None:
        """kill -9, of its whole group (an mpv belongs to it)."""
        if self._popen.poll() is None:
            os.killpg(self._popen.pid, signal.SIGKILL)
            self._popen.wait(10)
        self._close()

    def _close(self) -> None:
        for reader in self._readers:
            reader.join(5)
        for stream in (self._popen.stdout, self._popen.stderr):
            if stream is not None and not any(reader.is_alive() for reader in self._readers):
                stream.close()


class Server:
    """`soul-connect serve` with its own data directory and ports; can be killed and started again."""

    def __init__(self, folder: Path, *, command: str = "serve") -> None:
        self.data_dir = folder / "data"
        self.mqtt_port, self.tls_port, self.http_port = free_ports(3)
        self.folder = folder
        self.command = command
        self._process: Process | None = None
        self.env = {
            "SOUL_CONNECT_DATA_DIR": str(self.data_dir),
            "SOUL_CONNECT_URL": self.url,
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_STATE_HOME": str(folder / "state"),
        }

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.mqtt_port}"

    @property
    def tls_url(self) -> str:
        return f"mqtts://localhost:{self.tls_port}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.http_port}/mqtt"

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def authority(self) -> Path:
        return self.data_dir / "ca.pem"

    @property
    def process(self) -> Process:
        assert self._process is not None
        return self._process

    def start(self, *more: str) -> str:
        """Start it; returns its `ready` line."""
        self._process = Process(
            [
                *PROGRAM,
                self.command,
                *("--data-dir", str(self.data_dir)),
                *("--mqtt-port", str(self.mqtt_port)),
                *("--tls-port", str(self.tls_port)),
                *("--http-port", str(self.http_port)),
                *more,
            ],
            env=self.env,
        )
        return self._process.line("ready ", seconds=30)

    def stop(self) -> int:
        """SIGTERM; returns its exit code."""
        self.process.signal(signal.SIGTERM)
        return self.process.wait(10)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    def run(
        self, *arguments: str, token: str | None = None, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run one command of the real program to its end."""
        env = {**os.environ, **self.env}
        if token is not None:
            env["SOUL_CONNECT_TOKEN"] = token
        return subprocess.run(
            [*PROGRAM, *arguments],
            env=env,
            input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def json(self, *arguments: str, token: str) -> Any:
        """A command's `--json` answer."""
        done = self.run(*arguments, "--json", token=token)
        assert done.returncode == 0, f"{arguments}: {done.returncode} {done.stdout} {done.stderr}"
        return json.loads(done.stdout)

    def add_user(self, name: str) -> None:
        done = self.run("user", "add", name)
        assert done.returncode == 0, done.stderr

    def token(self, name: str, *options: str) -> str:
        done = self.run("token", name, *options)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def spawn(self, *arguments: str, token: str | None = None) -> Process:
        """Start a command of the real program and leave it running."""
        env = dict(self.env)
        if token is not None:
            env["SOUL_CONNECT_TOKEN"] = token
        return Process([*PROGRAM, *arguments], env=env)


@contextmanager
def serving(folder: Path, *more: str) -> Iterator[Server]:
    """A running server; killed at the end, whatever happened."""
    server = Server(folder)
    try:
        server.start(*more)
        yield server
    finally:
        server.kill()
