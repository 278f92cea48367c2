"""A machine whose nameserver swallows every question, until it is told to answer: a program of the tests.

Where Linux lets us, it has a network and an /etc/resolv.conf of its own, and the resolver is the system's.
Elsewhere `socket.getaddrinfo` asks the same nameserver itself, as often and as patiently as glibc would.

    python hanging_names.py STORY      runs one of `STORIES`, and prints what it saw as JSON
"""

import asyncio
import contextlib
import fcntl
import io
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Final

from soul_connect.cli.app import main as command_line
from soul_connect.client import ConnectClient as AsyncClient
from soul_connect.errors import UnreachableError
from soul_connect.sync import ConnectClient
from soul_coordinator.accounts import Accounts
from waiting import until

NAME: Final = "music.test"
URL: Final = f"mqtt://{NAME}:1883"
_OWN: Final = ("unshare", "--net", "--mount", "--fork", "--kill-child")
_ASKED_TWICE_FOR: Final = 5.0
"""glibc's patience with one nameserver (s), and it asks twice: resolv.conf(5)."""


def command(story: str) -> list[str]:
    """How to run a story, in a network of its own if that is allowed."""
    for own in (_OWN, (*_OWN, "--map-root-user")):
        probe = [*own, "mount", "--bind", "/etc/hostname", "/etc/hostname"]
        if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
            return [*own, sys.executable, __file__, story, "own"]
    return [sys.executable, __file__, story]


class Nameserver:
    """Swallows questions; once it `answers`, every name is this machine, or no name at all (IPv6)."""

    def __init__(self, port: int) -> None:
        self.answers = False
        self.asked = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", port))
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    def _serve(self) -> None:
        while True:
            question, asker = self._socket.recvfrom(512)
            self.asked += 1
            if not self.answers:
                continue
            end = question.index(b"\0", 12) + 5  # the name, its type and its class (RFC 1035, 4.1.2)
            found = question[end - 4 : end - 2] == b"\0\1"  # an IPv4 address is wanted
            head = question[:2] + b"\x81\x80\0\1" + struct.pack("!H", found) + bytes(4)
            address = b"\xc0\x0c\0\1\0\1" + struct.pack("!IH", 60, 4) + bytes((127, 0, 0, 1))
            self._socket.sendto(head + question[12:end] + (address if found else b""), asker)


def _own_network() -> Nameserver:
    with socket.socket() as handle:  # netdevice(7): the loopback interface goes up
        fcntl.ioctl(handle, 0x8914, struct.pack("16sh22x", b"lo", 0x1 | 0x40))  # SIOCSIFFLAGS, UP, RUNNING
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("nameserver 127.0.0.1\n")
        file.flush()
        subprocess.run(["mount", "--bind", file.name, Path("/etc/resolv.conf").resolve()], check=True)
    return Nameserver(53)


def _asked_by_ourselves() -> Nameserver:
    server, theirs = Nameserver(0), socket.getaddrinfo

    def ask(host: Any, port: Any, **options: Any) -> Any:
        if host != NAME or options.get("flags", 0) & socket.AI_NUMERICHOST:
            return theirs(host, port, **options)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(_ASKED_TWICE_FOR)
            for _ in range(2):
                labels = b"".join(bytes((len(label),)) + label.encode() for label in NAME.split("."))
                question = os.urandom(2) + b"\1\0\0\1" + bytes(6) + labels + b"\0\0\1\0\1"
                asking.sendto(question, ("127.0.0.1", server.port))
                try:
                    asking.recv(512)
                except TimeoutError:
                    continue
                return theirs("127.0.0.1", port, **options)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    socket.getaddrinfo = ask  # type: ignore[assignment]
    return server


def _lookups() -> int:
    return sum(each.name.startswith("lookup") for each in threading.enumerate())


def _threads(names: Nameserver, token: str) -> dict[str, Any]:
    """Connect, give up, connect again, leave: all of it while the resolver hangs."""
    client = ConnectClient(url=URL, token=token, ephemeral=True)
    took = []
    for patience in (1.0, 1.5):
        began = time.monotonic()
        with contextlib.suppress(UnreachableError):
            client.connect(timeout=patience)
        took.append(time.monotonic() - began)
        until(lambda: names.asked >= 3, seconds=20)  # more than one attempt hangs
        began = time.monotonic()
        client.disconnect()
        took.append(time.monotonic() - began)
    left = [each.name for each in threading.enumerate() if each.name.startswith("soul-connect")]
    return {"took": took, "left": left, "asked": names.asked, "lookups": _lookups()}


def _loop(names: Nameserver, token: str) -> dict[str, Any]:
    """The same with asyncio, whose executor must be free, and whose end must not wait."""
    took = []

    async def main() -> None:
        client = AsyncClient(url=URL, token=token, ephemeral=True)
        began = time.monotonic()
        with contextlib.suppress(UnreachableError):
            await client.connect(timeout=1.0)
        took.append(time.monotonic() - began)
        await asyncio.to_thread(until, lambda: names.asked >= 3, seconds=20)
        began = time.monotonic()
        await client.disconnect()
        took.append(time.monotonic() - began)

    began = time.monotonic()
    asyncio.run(main())
    took.append(time.monotonic() - began)
    return {"took": took, "asked": names.asked, "lookups": _lookups()}


def _answered(names: Nameserver, token: str) -> dict[str, Any]:
    """The nameserver is back: the next attempt finds the way, whatever hangs of the earlier ones."""
    with socket.create_server(("127.0.0.1", 1883 if names.port == 53 else 0)) as door:
        url = f"mqtt://{NAME}:{door.getsockname()[1]}"
        client = ConnectClient(url=url, token=token, ephemeral=True)
        try:
            client.connect(timeout=0.5)
        except UnreachableError:
            names.answers = True
        began = time.monotonic()
        door.settimeout(30)
        door.accept()[0].close()
        took = [time.monotonic() - began]
        client.disconnect()
    return {"took": took, "asked": names.asked, "lookups": _lookups()}


def _command(names: Nameserver, token: str) -> dict[str, Any]:
    """A command, from its start to its end."""
    os.environ |= {"SOUL_CONNECT_URL": URL, "SOUL_CONNECT_TOKEN": token}
    sys.argv = ["soul-connect", "devices"]
    began = time.monotonic()
    with contextlib.redirect_stderr(io.StringIO()) as said:
        code = command_line()
    return {
        "took": [time.monotonic() - began],
        "code": code,
        "said": said.getvalue(),
        "asked": names.asked,
        "lookups": _lookups(),
    }


def _coordinator(names: Nameserver, _: str) -> dict[str, Any]:
    """A coordinator whose broker's name hangs, and SIGTERM."""

    def end() -> None:
        until(lambda: names.asked >= 1, seconds=30)
        took.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGTERM)

    took: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        sys.argv = ["soul-connect", "coordinator", "--data-dir", folder, "--broker-url", URL]
        sys.argv += ["--http-port", "0"]
        threading.Thread(target=end, daemon=True).start()
        code = command_line()
    return {"took": [time.monotonic() - took[0]], "code": code, "asked": names.asked, "lookups": _lookups()}


STORIES: Final = {
    "command": _command,
    "coordinator": _coordinator,
    "threads": _threads,
    "loop": _loop,
    "answered": _answered,
}


def main(story: str, *own: str) -> None:
    """Run it."""
    with tempfile.TemporaryDirectory() as folder:
        accounts = Accounts.of_data_dir(Path(folder))
        accounts.add("alice")
        token = accounts.issue("alice").token
    names = _own_network() if own else _asked_by_ourselves()
    print(json.dumps(STORIES[story](names, token)), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
