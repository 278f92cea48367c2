"""Snapcast's server with one client, and a controller of it: `Client.SetVolume` over JSON-RPC."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from serving import free_ports, listens
from waiting import until

CLIENT: Final = "bench"
_CONFIGURATION: Final = """
[server]
datadir = {directory}
[http]
enabled = false
[tcp]
enabled = true
bind_to_address = 127.0.0.1
port = {control}
[stream]
bind_to_address = 127.0.0.1
port = {stream}
source = pipe://{directory}/fifo?name=bench&mode=create
[logging]
sink = null
"""


class Controller:
    """One control connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._data = b""
        self._number = 0

    def ask(self, method: str, **parameters: Any) -> bytes:
        """Send a request; returns what its answer begins with."""
        words, line = self.composed(method, **parameters)
        self.socket.sendall(line)
        return words

    def composed(self, method: str, **parameters: Any) -> tuple[bytes, bytes]:
        """What the answer begins with, and the line of a request that is to be sent."""
        self._number += 1
        request: dict[str, Any] = {"id": self._number, "jsonrpc": "2.0", "method": method}
        if parameters:
            request["params"] = parameters
        return b'{"id":%d,' % self._number, json.dumps(request).encode() + b"\r\n"

    def feed(self, data: bytes) -> None:
        """Take what was read from the socket."""
        self._data += data

    def line(self) -> tuple[float, bytes]:
        """The next line, and when it came (`perf_counter`, s)."""
        while b"\n" not in self._data:
            data = self.socket.recv(1 << 16)
            if not data:
                raise ConnectionError("snapserver closed the connection")
            self._data += data
        came = time.perf_counter()
        line, _, self._data = self._data.partition(b"\n")
        return came, line

    def hear(self, words: bytes) -> tuple[float, bytes]:
        """The next line with these words in it."""
        while True:
            came, line = self.line()
            if words in line:
                return came, line

    def close(self) -> None:
        """Hang up."""
        self.socket.close()


def installed() -> bool:
    """Whether snapserver and snapclient are there, after an attempt to install them where that is allowed."""
    programs = ("snapserver", "snapclient")
    if not all(map(shutil.which, programs)) and os.geteuid() == 0 and shutil.which("apt-get"):
        # Debian's scripts would start them as services.
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *programs]
        subprocess.run(command, env=environment, capture_output=True, check=False)
    return all(map(shutil.which, programs))


@contextlib.contextmanager
def snapcast(directory: Path) -> Iterator[int]:
    """A server with one connected client; yields its control port."""
    directory.mkdir(parents=True, exist_ok=True)
    control, stream = free_ports(2)
    file = directory / "snapserver.conf"
    text = _CONFIGURATION.format(directory=directory, control=control, stream=stream)
    file.write_text(text, encoding="utf-8")
    client = ["snapclient", "-h", "127.0.0.1", "-p", str(stream), "--hostID", CLIENT]
    with contextlib.ExitStack() as stack:
        _spawn(stack, ["snapserver", "-c", str(file)])
        until(lambda: listens(control) and listens(stream), seconds=10)
        _spawn(stack, [*client, "--player", "file:filename=/dev/null"])
        until(lambda: _has_client(control), seconds=10)
        yield control


def _spawn(stack: contextlib.ExitStack, command: list[str]) -> None:
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    stack.callback(process.wait)
    stack.callback(process.kill)


def _has_client(port: int) -> bool:
    controller = Controller(port)
    try:
        _, line = controller.hear(controller.ask("Server.GetStatus"))
        return f'"{CLIENT}"'.encode() in line
    finally:
        controller.close()
