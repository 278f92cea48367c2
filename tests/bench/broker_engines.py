"""The brokers under measurement: ours, Debian's mosquitto and stock amqtt, each a process on one core.

Ours verifies tokens and applies the ACL, as `soul-connect serve` does; the other two admit everybody.
A crowd that connects also meets mosquitto with a password file, and what is no broker: a protocol on uvloop
that says yes to everything, less than which no server in Python can do.
"""

import contextlib
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from serving import free_ports
from soul_broker.certificates import own_certificates

TESTS: Final = Path(__file__).parents[1]
NAMES: Final = ("soul", "mosquitto", "amqtt")
PASSWORDS: Final = "mosquitto, passwords"
FLOOR: Final = "floor"
_CORES: Final = sorted(os.sched_getaffinity(0))


class Credentials(NamedTuple):
    """How one device connects; a password that nobody looks at where there is no token."""

    user: str
    device: str
    password: str


@dataclass(frozen=True)
class Engine:
    """A started broker."""

    name: str
    pid: int
    tcp: int
    tls: int
    ws: int
    authority: Path
    service: Credentials
    devices: tuple[Credentials, ...]

    def rss(self) -> int:
        """Resident memory in KB."""
        for line in Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise RuntimeError("no VmRSS")

    def cpu(self) -> float:
        """CPU seconds used so far, by all threads that there are."""
        return sum(_scheduled(task, 0) for task in Path(f"/proc/{self.pid}/task").iterdir())

    def sockets(self) -> int:
        """How many files it has open."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))


def waited(pid: int) -> float:
    """Seconds that a process was ready to run and had no core: what others took from it."""
    return _scheduled(Path(f"/proc/{pid}"), 1)


def _scheduled(task: Path, column: int) -> float:
    """Seconds on a core (0), or waiting for one (1)."""
    return int((task / "schedstat").read_text(encoding="ascii").split()[column]) / 1e9


def load_on_another_core() -> None:
    """This process makes the load: it leaves the first core to the brokers, where there are two."""
    if len(_CORES) > 1:
        os.sched_setaffinity(0, _CORES[1:])


@contextlib.contextmanager
def started(name: str, folder: Path, *, users: int, each: int = 1) -> Iterator[Engine]:
    """A broker for so many users with `each` devices; stopped at the end."""
    own_certificates(folder)
    ports = free_ports(3)
    service, devices = _credentials(users, each)
    if name == "mosquitto":
        program = _mosquitto(folder, ports, "allow_anonymous true")
    elif name == PASSWORDS:
        program = _mosquitto(folder, ports, _password_file(folder, (service, *devices)))
    else:
        arguments = (str(folder), str(users), str(each), *map(str, ports))
        program = [sys.executable, "-m", "bench.broker_servers", name, *arguments]
    process = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=TESTS)
    try:
        os.sched_setaffinity(process.pid, _CORES[:1])
        if name in {"mosquitto", PASSWORDS}:
            for port in ports:
                _await_port(port)
        else:
            assert process.stdout is not None
            assert process.stdout.readline(), f"{name} did not start"
        if name == "soul":
            service, *devices = _minted(folder / "tokens")
        yield Engine(
            name, process.pid, ports[0], ports[1], ports[2], folder / "ca.pem", service, tuple(devices)
        )
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _mosquitto(folder: Path, ports: list[int], authentication: str) -> list[str]:
    for name in ("ca.pem", "server.pem", "server-key.pem"):
        (folder / name).chmod(0o644)
    folder.chmod(0o755)
    configuration = f"""
user root
per_listener_settings false
{authentication}
persistence false
max_queued_messages 1000000
listener {ports[0]} 127.0.0.1
listener {ports[1]} 127.0.0.1
certfile {folder}/server.pem
keyfile {folder}/server-key.pem
listener {ports[2]} 127.0.0.1
protocol websockets
"""
    (folder / "mosquitto.conf").write_text(configuration, encoding="utf-8")
    return ["/usr/sbin/mosquitto", "-c", str(folder / "mosquitto.conf")]


def _await_port(port: int) -> None:
    import socket  # noqa: PLC0415 (for this only)

    for _ in range(100):
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port)).close()
            return
        time.sleep(0.05)
    raise RuntimeError("mosquitto did not start")


def _password_file(folder: Path, whose: Iterable[Credentials]) -> str:
    """As an operator makes it: PBKDF2 with mosquitto's own number of rounds."""
    file = folder / "passwords"
    file.write_text("".join(f"{user}:{password}\n" for user, _, password in whose), encoding="utf-8")
    subprocess.run(["/usr/bin/mosquitto_passwd", "-U", str(file)], check=True)
    return f"allow_anonymous false\npassword_file {file}"


def _credentials(users: int, each: int) -> tuple[Credentials, list[Credentials]]:
    names = [f"bench-{number}" for number in range(users) for _ in range(each)]
    return Credentials("coordinator", "service", "x"), [
        Credentials(name, str(uuid.uuid4()), "x") for name in names
    ]


def _minted(tokens: Path) -> list[Credentials]:
    return [Credentials(*line.split()) for line in tokens.read_text(encoding="utf-8").splitlines()]
