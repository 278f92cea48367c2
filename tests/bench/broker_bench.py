"""The embedded broker beside mosquitto and stock amqtt, in one run.

    python -m bench.broker_bench [--only memory,messages,filters,storm,idle,fanout] [--rounds N]
                                 [--engines soul,mosquitto,amqtt] [--results FILE] [--write]

Each engine is a process on a core of its own, the load comes from this one over raw sockets. Rounds
go through the engines in turn; a table shows the median of them. Nothing is asserted.

`--results FILE` adds the rounds to those that the file has, and shows them together; `--write` puts
the table into docs/performance.md and a picture beside it.
"""

import argparse
import json
import math
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import broker_fanout, broker_idle, broker_messages
from bench.broker_engines import FLOOR, NAMES, PASSWORDS, load_on_another_core, started
from bench.broker_report import Results, tables, write

_Measured = Iterator[tuple[str, float]]

CONNECTIONS: Final = 1_000
_WARM: Final = 100
MESSAGES: Final = 96_000
FILTERS: Final = (10, 100, 1_000, 10_000)
IDLE: Final = 10_000
USERS, DEVICES, SECONDS = 1_000, 10, 15.0


def memory(name: str, folder: Path) -> _Measured:
    """KB for each of 1,000 idle connections with one subscription."""
    for kind, shown in (("tcp", "TCP"), ("ws", "WebSocket"), ("tls", "TLS")):
        with started(name, _fresh(folder, kind), users=CONNECTIONS + _WARM) as engine:
            yield f"KB per idle connection, {shown}", broker_idle.memory(engine, kind)


def messages(name: str, folder: Path) -> _Measured:
    """From one publisher to one subscriber, 100 bytes each."""
    with started(name, folder, users=1) as engine:
        for qos in (0, 1):
            rate, cost = broker_messages.throughput(
                engine, qos, MESSAGES if name != "amqtt" else MESSAGES // 8
            )
            yield f"1→1 QoS {qos}, messages a second", rate
            yield f"1→1 QoS {qos}, CPU µs a message", cost


def filters(name: str, folder: Path) -> _Measured:
    """What a message costs beside filters of others."""
    count = MESSAGES if name != "amqtt" else 800
    with started(name, folder, users=1) as engine:
        costs = broker_messages.beside_filters(engine, FILTERS, count)
        for held, cost in costs.items():
            yield f"CPU µs a message beside {held:,} filters of others", cost
        yield f"of {FILTERS[-1]:,} to {FILTERS[0]}, times", costs[FILTERS[-1]] / costs[FILTERS[0]]


def storm(name: str, folder: Path) -> _Measured:
    """1,000 clients connect and subscribe, 100 at a time: to a broker just started, and twice again."""
    with started(name, folder, users=CONNECTIONS) as engine:
        for when in ("first", "again", "again"):
            found = broker_idle.storm(engine)
            yield f"{when}: clients a second", found.rate
            yield f"{when}: CPU µs a client", found.cpu
            yield f"{when}: kept from running, %", found.waited
            yield f"{when}: load generator, %", found.load


def idle(name: str, folder: Path) -> _Measured:
    """10,000 idle connections, and a ping from all of them at once."""
    if name == "amqtt":
        return
    with started(name, folder, users=IDLE) as engine:
        before = engine.rss()
        answered, taken = broker_idle.pings(engine)
        yield f"of {IDLE:,} idle connections, pings answered", answered
        yield f"{IDLE:,} pings at once, answered after ms", taken * 1e3
        yield f"MB for {IDLE:,} idle connections", (engine.rss() - before) / 1_024


def fanout(name: str, folder: Path) -> _Measured:
    """1,000 users with ten devices each, one renderer of each reporting at 1 Hz."""
    if name == "amqtt":
        return
    with started(name, folder, users=USERS, each=DEVICES) as engine:
        found = broker_fanout.fan_out(engine, DEVICES, SECONDS)
        ordered = sorted(found.latencies)
        yield "fan-out, messages a second to devices", found.rate
        for share in (50, 99):
            at = min(len(ordered) - 1, len(ordered) * share // 100)
            yield f"fan-out, ms from renderer to device, p{share}", ordered[at] * 1e3 if ordered else math.nan
        yield "fan-out, share of a core, %", found.cpu * 100
        yield "fan-out, kept from running by other programs, % of the time", found.waited * 100


SECTIONS: Final[dict[str, Callable[[str, Path], _Measured]]] = {
    "memory": memory,
    "messages": messages,
    "filters": filters,
    "storm": storm,
    "idle": idle,
    "fanout": fanout,
}


ROUNDS: Final = {"memory": 2, "messages": 5, "filters": 3, "storm": 5, "idle": 3, "fanout": 3}
"""So that all take 8 minutes."""
MORE: Final = {"storm": (PASSWORDS, FLOOR)}
"""What else a section meets where it meets all brokers."""


def _fresh(folder: Path, name: str) -> Path:
    made = folder / name
    made.mkdir()
    return made


def measure(sections: list[str], engines: list[str], rounds: int | None, results: Results) -> None:
    """Add rounds to `results`, as many as suit each section where it is not said."""
    for section in sections:
        rows = results.setdefault(section, {})
        for _ in range(rounds or ROUNDS[section]):
            for name in (*engines, *(MORE.get(section, ()) if len(engines) == len(NAMES) else ())):
                with tempfile.TemporaryDirectory() as folder:
                    for row, value in SECTIONS[section](name, Path(folder)):
                        rows.setdefault(row, {}).setdefault(name, []).append(value)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", default=",".join(SECTIONS))
    parser.add_argument("--engines", default=",".join(NAMES))
    parser.add_argument("--rounds", type=int, help="instead of the number that suits each part")
    parser.add_argument("--results", type=Path)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    load_on_another_core()
    results: Results = {}
    if options.results is not None and options.results.exists():
        results = json.loads(options.results.read_text(encoding="utf-8"))
    only = [each for each in options.only.split(",") if each]
    measure(only, options.engines.split(","), options.rounds, results)
    if options.results is not None:
        options.results.write_text(json.dumps(results, indent=1), encoding="utf-8")
    results = {name: results[name] for name in SECTIONS if name in results}
    print(tables(results))  # noqa: T201 (it is what it is for)
    if options.write:
        write(results)


if __name__ == "__main__":
    main()
