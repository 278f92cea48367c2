"""One user and an idle machine: from a command to its answer, and to the other controllers.

    python -m bench.latency_bench [--rounds 5] [--commands 270] [--pauses-ms 5 0]

Beside Snapcast, which orders and stores nothing, in the same run: rounds alternate, and so do
the paces, each a table of its own. On our side
`set_volume` goes to the active renderer, a process of its own: once the simulated player of the
command line, once raw sockets that answer at once, so that the server's share shows. Controllers
are raw sockets in this process, of which the same stopwatch reads both (`bench.stopwatch`); what they
heard they take apart and acknowledge once it has stopped. Nothing is asserted.
"""

import argparse
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from bench import figures
from bench.accounts import accounts
from bench.lean import Device
from bench.snapcast import CLIENT, Controller, installed, snapcast
from bench.stopwatch import timed
from serving import PROGRAM, Process, Server, serving

RENDERERS: Final = ("simulated", "raw")
COMMANDS_EACH: Final = 90
"""A device may ask a hundred times a minute: each controller sends fewer, and another takes over."""

TESTS: Final = Path(__file__).parents[1]


@dataclass
class Times:
    """Seconds from the command, round by round: to the answer, and to another controller."""

    answered: list[list[float]] = field(default_factory=list)
    elsewhere: list[list[float]] = field(default_factory=list)


class Subject(Protocol):
    """Something that takes commands."""

    def round(self, commands: int, pause: float) -> tuple[list[float], list[float]]:
        """Send as many commands, one after the other, `pause` seconds apart."""


class Soul:
    """Our server with one renderer."""

    def __init__(self, server: Server, user: str, token: str, renderer: str) -> None:
        self._server, self._user, self._token = server, user, token
        self._count = 0
        chooser = self._device("chooser")
        request = chooser.command(
            {"type": "set_queue", "tracks": ["a", "b"], "start_index": 0}, target_device=renderer
        ).encode()
        _, answer = chooser.hear(request, b'"command_result"')
        if b'"accepted"' in answer.payload:
            _, answer = chooser.hear(request, b'"command_result"')
        if b'"applied"' not in answer.payload:
            raise RuntimeError(f"the renderer did not become active: {answer.payload!r}")
        chooser.close()

    def _device(self, name: str) -> Device:
        return Device(self._server.mqtt_port, self._user, self._token, name=name, ephemeral=True).register()

    def round(self, commands: int, pause: float) -> tuple[list[float], list[float]]:
        answered: list[float] = []
        elsewhere: list[float] = []
        other = self._device("other")
        while len(answered) < commands:
            controller = self._device("controller")
            for _ in range(min(COMMANDS_EACH, commands - len(answered))):
                time.sleep(pause)
                controller.drain()
                other.drain()
                self._count += 1
                volume = self._count % 50 / 100 + 0.2
                request, packet = controller.composed({"type": "set_volume", "volume": volume})
                id_ = request.encode()
                timing = timed(controller, other, packet, answer=id_, news=id_)
                if b'"accepted"' not in timing.answer or b'"playback_state"' not in timing.news:
                    raise RuntimeError(f"neither accepted nor applied: {timing}")
                answered.append(timing.answered)
                elsewhere.append(timing.elsewhere)
            controller.close()
        other.close()
        return answered, elsewhere


class Snapcast:
    """snapserver with one client."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._count = 0

    def round(self, commands: int, pause: float) -> tuple[list[float], list[float]]:
        answered: list[float] = []
        elsewhere: list[float] = []
        controller, other = Controller(self._port), Controller(self._port)
        other.hear(other.ask("Server.GetRPCVersion"))  # it listens from here on
        for _ in range(commands):
            time.sleep(pause)
            self._count += 1
            volume = {"muted": False, "percent": self._count % 50 + 20}
            id_, packet = controller.composed("Client.SetVolume", id=CLIENT, volume=volume)
            timing = timed(controller, other, packet, answer=id_, news=b"Client.OnVolumeChanged")
            answered.append(timing.answered)
            elsewhere.append(timing.elsewhere)
        controller.close()
        other.close()
        return answered, elsewhere


@contextlib.contextmanager
def soul(server: Server, user: str, token: str, kind: str) -> Iterator[Soul]:
    """Our server's side, with a renderer of its own."""
    if kind == "simulated":
        file = str(server.folder / "player.json")
        program = [*PROGRAM, "player", "--name", "Kitchen", "--engine", "simulated", "--json"]
        program += ["--device-file", file]
        environment = {**server.env, "SOUL_CONNECT_TOKEN": token}
    else:
        program = [sys.executable, "-m", "bench.raw_renderer", str(server.mqtt_port), user, token]
        environment = {"PYTHONPATH": str(TESTS)}
    process = Process(program, env=environment)
    try:
        yield Soul(server, user, token, json.loads(process.line("{", seconds=30))["device_id"])
    finally:
        process.kill()


@contextlib.contextmanager
def subjects(folder: Path, *, peers: bool) -> Iterator[dict[str, Subject]]:
    """Everything that is measured, running."""
    with contextlib.ExitStack() as stack:
        found: dict[str, Subject] = {}
        place = folder / "soul"
        place.mkdir()
        users = list(accounts(place / "data", len(RENDERERS)))
        server = stack.enter_context(serving(place))
        for kind, (user, token) in zip(RENDERERS, users, strict=True):
            found[f"soul, {kind} renderer"] = stack.enter_context(soul(server, user, token, kind))
        if peers and installed():
            found["snapcast"] = Snapcast(stack.enter_context(snapcast(folder / "snapcast")))
        elif peers:
            sys.stderr.write("snapserver is not installed: measured without it\n")
        yield found


def measure(
    folder: Path, *, rounds: int, commands: int, pauses: Sequence[float], peers: bool = True
) -> list[dict[str, Times]]:
    """For each pause (s) the times of everything, the rounds taken in turns."""
    times: list[dict[str, Times]] = [{} for _ in pauses]
    with subjects(folder, peers=peers) as running:
        for subject in running.values():
            subject.round(min(20, commands), pauses[0])
        for number in range(rounds):
            sys.stderr.write(f"latency: round {number + 1} of {rounds}\n")
            for pause, found in zip(pauses, times, strict=True):
                for name, subject in running.items():
                    answered, elsewhere = subject.round(commands, pause)
                    one = found.setdefault(name, Times())
                    one.answered.append(answered)
                    one.elsewhere.append(elsewhere)
    return times


def table(pause: float, times: dict[str, Times]) -> str:
    """What was measured at one pace."""
    pace = f"{1_000 * pause:g} ms after the last one ended" if pause else "right after the last one"
    rows = [
        (name, figures.milliseconds(one.answered), figures.milliseconds(one.elsewhere))
        for name, one in times.items()
    ]
    head = (f"a command {pace}, ms p50 / p99", "command → answer", "command → another controller")
    return figures.table(head, [("target", "0.9 / 2", "1.8 / 4"), *rows])


def main() -> None:
    """Measure and print a table for each pace."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--commands", type=int, default=270)
    parser.add_argument(
        "--pauses-ms", type=float, nargs="+", default=[5.0, 0.0], help="between a command's end and the next"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pauses = [pause / 1_000 for pause in options.pauses_ms]
        times = measure(Path(folder), rounds=options.rounds, commands=options.commands, pauses=pauses)
    sys.stdout.write("\n".join(f"{table(pause, one)}\n" for pause, one in zip(pauses, times, strict=True)))


if __name__ == "__main__":
    main()
