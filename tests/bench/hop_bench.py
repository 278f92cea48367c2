"""One message through the broker alone, from a service to a device; beside mosquitto.

    python -m bench.hop_bench [--rounds 5] [--messages 500] [--pause-ms 5]

What a command cannot be faster than: the two hops that it and its answer take. Both brokers run
as processes of their own, the same raw sockets talk to them, rounds alternate.
"""

import argparse
import contextlib
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from bench import figures
from bench.broker_engines import Engine, started
from bench.lean import Device

ENGINES: Final = ("soul", "mosquitto")


class Pair:
    """Who says something, and who hears it."""

    def __init__(self, engine: Engine) -> None:
        service, device = engine.service, engine.devices[0]
        self._topic = f"soul/v1/{device.user}/all/event"
        self._speaker = Device(engine.tcp, service.user, service.password, name="speaker")
        self._hearer = Device(engine.tcp, device.user, device.password, name="hearer", device=device.device)
        self._hearer.subscribe(self._topic)

    def close(self) -> None:
        """Hang up."""
        self._speaker.cut()
        self._hearer.cut()

    def round(self, messages: int, pause: float) -> list[float]:
        """Seconds for each of as many messages."""
        taken = []
        for number in range(messages):
            time.sleep(pause)
            self._speaker.drain()
            text = b'{"type":"notice","number":%d}' % number + b" " * 150
            begun = time.perf_counter()
            self._speaker.publish(self._topic, text)
            came, _ = self._hearer.hear(text)
            taken.append(came - begun)
        return taken


@contextlib.contextmanager
def pairs(folder: Path, names: Sequence[str]) -> Iterator[dict[str, Pair]]:
    """A pair on each broker."""
    with contextlib.ExitStack() as stack:
        found = {}
        for name in names:
            place = folder / name
            place.mkdir()
            pair = found[name] = Pair(stack.enter_context(started(name, place, users=1)))
            stack.callback(pair.close)
        yield found


def measure(
    folder: Path, *, rounds: int, messages: int, pause: float, names: Sequence[str]
) -> dict[str, list[list[float]]]:
    """The times of each broker, its rounds taken in turns."""
    times: dict[str, list[list[float]]] = {name: [] for name in names}
    with pairs(folder, names) as running:
        for pair in running.values():
            pair.round(min(50, messages), 0)
        for number in range(rounds):
            sys.stderr.write(f"hop: round {number + 1} of {rounds}\n")
            for name, pair in running.items():
                times[name].append(pair.round(messages, pause))
    return times


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--messages", type=int, default=500)
    parser.add_argument("--pause-ms", type=float, default=5.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        times = measure(
            Path(folder),
            rounds=options.rounds,
            messages=options.messages,
            pause=options.pause_ms / 1_000,
            names=ENGINES,
        )
    rows = [(name, figures.milliseconds(rounds)) for name, rounds in times.items()]
    head = ("the broker alone, ms p50 / p99", "published → heard, QoS 1")
    sys.stdout.write(f"{figures.table(head, rows)}\n")


if __name__ == "__main__":
    main()
