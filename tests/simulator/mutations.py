"""Mistakes put into a copy of the core, to see that the simulator notices them.

    python -m simulator.mutations                 every one of them, as a Markdown table (tests/ on the path)
    python -m simulator.mutations --only epoch    some

Each is played with ten fresh seeds; three are required to catch it. They are the first ten from
1000 on with which the core as it is breaks no rule; any other is named, for it is to be looked at.
"""

import argparse
import ast
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from simulator.mistake import Mistake
from simulator.mistakes import MISTAKES

TESTS = Path(__file__).parents[1]
CORE = TESTS.parent / "coordinator" / "soul_coordinator"
SEEDS = 10
FIRST_SEED = 1_000
REQUIRED = 3
EVENTS = 8_000
"""Events of a world with a mistake in it."""

LONGEST = 60
"""Seconds of the processor for one world, on average: one without an end has caught something."""

MEMORY = 1 << 30
"""Bytes for one process: so has one that grows without bound."""

_WORLDS = """
import json, resource, sys, traceback
from simulator.shrink import first_failure
seconds, size, events, *seeds = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
resource.setrlimit(resource.RLIMIT_AS, (size, size))
for seed in seeds:
    try:
        _, failed = first_failure(seed, events)
        where = None if failed is None else failed.where
    except Exception as error:
        # What a rule takes for granted is a rule, too.
        frame = traceback.extract_tb(error.__traceback__)[-1]
        where = frame.filename, frame.lineno
    print(json.dumps(where), flush=True)
"""


class ChangedError(Exception):
    """A patch does not match the source exactly once."""


@dataclass(frozen=True, slots=True)
class Caught:
    """How many worlds a mistake broke, and which rule most often (its file and function)."""

    worlds: int
    rule: str


def patched(mistake: Mistake) -> str:
    """The file with the mistake in it.

    Raises:
        ChangedError: the source is not what the patch was made for.
    """
    text = (CORE / "core" / mistake.file).read_text("utf-8")
    count = text.count(mistake.before)
    if count != 1:
        raise ChangedError(f"{mistake.name}: {mistake.file} has it {count} times")
    return text.replace(mistake.before, mistake.after)


@contextmanager
def copied(mistake: Mistake | None) -> Iterator[Path]:
    """A folder with the coordinator's package, and the mistake in it."""
    with tempfile.TemporaryDirectory() as name:
        package = Path(name) / CORE.name
        shutil.copytree(CORE, package, ignore=shutil.ignore_patterns("__pycache__"))
        if mistake is not None:
            (package / "core" / mistake.file).write_text(patched(mistake), "utf-8")
        yield Path(name)


def played(folder: Path, seeds: Sequence[int], events: int) -> list[str | None]:
    """The rule that breaks in a world of each seed; None: all hold."""
    path = os.pathsep.join((str(folder), str(TESTS)))
    numbers = LONGEST * len(seeds), MEMORY, events, *seeds
    run = subprocess.run(
        [sys.executable, "-c", _WORLDS, *map(str, numbers)],
        env=os.environ | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode in {-signal.SIGXCPU, -signal.SIGKILL}:
        return [*_rules(run.stdout), *["a world has an end"] * (len(seeds) - len(run.stdout.splitlines()))]
    if run.returncode:
        raise RuntimeError(run.stderr)
    return _rules(run.stdout)


def _rules(said: str) -> list[str | None]:
    places = map(json.loads, said.splitlines())
    return [None if place is None else _named(Path(place[0]), place[1]) for place in places]


_PARSING = threading.Lock()
"""CPython 3.11 counts the depth of a tree once for all threads: two at once can fail (SystemError)."""


def _named(file: Path, line: int) -> str:
    """A place in the source, by its function."""
    if TESTS not in file.parents:
        return "the core failed"
    with _PARSING:
        tree = ast.parse(file.read_text("utf-8"))
    around = [
        one.name
        for one in ast.walk(tree)
        if isinstance(one, ast.FunctionDef) and one.lineno <= line <= (one.end_lineno or line)
    ]
    return f"{file.stem}.{around[-1].lstrip('_')}"


def caught(mistake: Mistake | None, seeds: Sequence[int], events: int) -> Caught:
    """Play worlds of these seeds with a mistake (or none) on every core of the machine."""
    lanes = max(1, min(len(seeds), os.cpu_count() or 1))
    with copied(mistake) as folder, ThreadPoolExecutor(lanes) as pool:
        parts = pool.map(lambda lane: played(folder, seeds[lane::lanes], events), range(lanes))
        rules = [rule for part in parts for rule in part if rule is not None]
    return Caught(len(rules), Counter(rules).most_common(1)[0][0] if rules else "")


def table(mistakes: Sequence[Mistake], seeds: Sequence[int], events: int) -> list[str]:
    """Write the table to stdout; returns the mistakes that too few seeds caught."""
    sys.stdout.write(
        "| mistake | file | what it breaks | seeds | caught most often by |\n|---|---|---|---|---|\n"
    )
    missed = []
    for mistake in mistakes:
        found = caught(mistake, seeds, events)
        sys.stdout.write(
            f"| {mistake.name} | `{mistake.file}` | {mistake.breaks}"
            f" | {found.worlds} of {len(seeds)} | `{found.rule}` |\n"
        )
        sys.stdout.flush()
        if found.worlds < REQUIRED:
            missed.append(mistake.name)
    return missed


def sound_seeds(first: int, events: int) -> list[int]:
    """The first ten seeds, from one on, with which the core as it is breaks no rule."""
    seeds: list[int] = []
    with copied(None) as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        while len(seeds) < SEEDS:
            tried = range(first, first + SEEDS - len(seeds))
            first = tried.stop
            for seed, rules in zip(
                tried, pool.map(lambda one: played(folder, [one], events), tried), strict=True
            ):
                if rules[0] is None:
                    seeds.append(seed)
                else:
                    sys.stderr.write(f"seed {seed} breaks {rules[0]} with the core as it is\n")
    return seeds


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m simulator.mutations",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", default="", help="a part of a name")
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED)
    asked = parser.parse_args()
    mistakes = [one for one in MISTAKES if asked.only.lower() in one.name.lower()]
    seeds = sound_seeds(asked.first_seed, asked.events)
    sys.stdout.write(f"Seeds {', '.join(map(str, seeds))}, {asked.events:,} events each:\n\n")
    missed = table(mistakes, seeds, asked.events)
    sys.stdout.write("".join(f"\ntoo few: {name}" for name in missed))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
