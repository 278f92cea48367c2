"""A thousand users with ten devices each on the embedded server, every renderer reporting at 1 Hz.

    python -m bench.scale_bench [--users 10,100,1000] [--devices 10] [--seconds 30] [--commands 0.2]

The server is `soul-connect serve` with real accounts, tokens and SQLite, on one core; the load is
one process of its own (`bench.scale_load`), on another where there is one. Nothing is asserted.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench import figures
from bench.accounts import accounts
from serving import Server

TESTS: Final = Path(__file__).parents[1]


@dataclass(frozen=True)
class Result:
    """What one number of users came to. Times in seconds, memory in KB."""

    users: int
    devices: int
    load: dict[str, Any]
    cpu: float
    """Of one core, 1 is all."""
    memory: int
    """Beyond that of the server without users."""

    def row(self) -> list[str]:
        """Its column of the table, from top to bottom."""
        load = self.load
        return [
            f"{self.users:,}",
            f"{self.users * self.devices / load['arrived_s']:,.0f}",
            figures.milliseconds([load["executed"]]),
            figures.milliseconds([load["position"]]),
            figures.milliseconds([load["state"]]),
            f"{100 * self.cpu:.1f}",
            f"{1e6 * self.cpu / self.users:,.0f}",
            f"{self.memory / self.users:,.0f}",
            f"{100 * load['own_cpu']:.0f}",
            f"{load['missed'] + load['lost'] + len(load['refused'])}",
        ]


HEAD: Final = (
    "users",
    "registrations a second",
    "command → renderer executes, ms p50 / p99",
    "report → every device has the position, ms p50 / p99",
    "report of a change → every device has the state, ms p50 / p99",
    "server, % of a core",
    "server, CPU µs a second for each user",
    "server, KB for each user",
    "load generator, % of a core",
    "late, lost or refused",
)


class Gauge:
    """A process from outside."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def cpu(self) -> float:
        """Seconds used so far."""
        fields = Path(f"/proc/{self._pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> int:
        """Resident, in KB."""
        for line in Path(f"/proc/{self._pid}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise RuntimeError("no VmRSS")


def cores() -> tuple[set[int], set[int]]:
    """Where the server runs, and where the load."""
    free = sorted(os.sched_getaffinity(0))
    return ({free[0]}, {free[1]}) if len(free) > 1 else (set(free), set(free))


@contextlib.contextmanager
def loading(server: Server, tokens: Path, devices: int, seconds: float, commands: float) -> Iterator[Any]:
    """The load generator, running."""
    numbers = (server.mqtt_port, tokens, devices, seconds, commands)
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.scale_load", *map(str, numbers)],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        os.sched_setaffinity(process.pid, cores()[1])
        yield process
    finally:
        process.kill()
        process.communicate()


def measure(folder: Path, users: int, devices: int, seconds: float, commands: float) -> Result:
    """One number of users, on a new server."""
    folder.mkdir(parents=True)
    server = Server(folder)
    sys.stderr.write(f"scale: making {users} accounts\n")
    lines = [" ".join(one) for one in accounts(server.data_dir, users)]
    (folder / "tokens").write_text("\n".join(lines), encoding="utf-8")
    try:
        server.start()
        os.sched_setaffinity(server.process.pid, cores()[0])
        gauge = Gauge(server.process.pid)
        before = gauge.memory()
        with loading(server, folder / "tokens", devices, seconds, commands) as process:
            if process.stdout.readline() != "steady\n":
                raise RuntimeError(f"the load did not begin; {server.process.output}")
            sys.stderr.write(f"scale: {users * devices} devices registered; {seconds:g} s of load\n")
            # A moment for what the storm left behind.
            time.sleep(2)
            cpu, begun = gauge.cpu(), time.monotonic()
            process.stdin.write("go\n")
            process.stdin.flush()
            line = process.stdout.readline()
            used = (gauge.cpu() - cpu) / (time.monotonic() - begun)
            if not line:
                raise RuntimeError(f"the load ended early; {server.process.output}")
            return Result(users, devices, json.loads(line), used, gauge.memory() - before)
    finally:
        server.kill()


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--users", default="10,100,1000")
    parser.add_argument("--devices", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--commands", type=float, default=0.2, help="of each user in a second")
    options = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for users in map(int, options.users.split(",")):
            place = Path(folder) / str(users)
            results.append(measure(place, users, options.devices, options.seconds, options.commands))
    columns = [result.row() for result in results]
    head, *rows = zip(HEAD, *columns, strict=True)
    sys.stdout.write(f"{figures.table(head, rows)}\n")


if __name__ == "__main__":
    main()
