"""The simulator by hand, with tests/ on the path.

python -m simulator --seed 7                     replay it until a rule breaks; shrink that, tell the story
python -m simulator --seed 7 --events 1000000    one long run: what it saw, or which seed to replay
"""

import argparse
import sys
import time

from simulator.shrink import TRIES, first_failure, shrunk
from simulator.world import MEMBERS

REPLAYED = 2_000_000
"""Events after which a replay gives up."""


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m simulator", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--events", type=int, help="run until so many events, and shrink nothing")
    parser.add_argument("--tries", type=int, default=TRIES, help="replays in which to shrink")
    asked = parser.parse_args()
    began = time.monotonic()
    world, failed = first_failure(asked.seed, asked.events or REPLAYED)
    sys.stdout.write(
        f"seed {asked.seed}: {world.process.handled:,} events of the core in {world.hours:,} virtual hours;"
        f" {len({one.user for one in MEMBERS})} users, {len(MEMBERS)} devices;"
        f" {world.process.starts:,} starts, {world.process.kills:,} of them after a kill;"
        f" {sum(one.life for one in world.devices):,} connections; {world.jumps:,} jumps of the clock;"
        f" {time.monotonic() - began:.0f} s\n"
    )
    if failed is None:
        sys.stdout.write("every rule held\n")
        return 0
    sys.stdout.write(f"after {len(failed.actions)} actions: {failed.rule}\n")
    if asked.events is not None:
        sys.stdout.write(f"replay and shrink it: python -m simulator --seed {asked.seed}\n")
        return 1
    least = shrunk(failed, tries=asked.tries)
    sys.stdout.write(f"{least.told()}\n{len(least.actions)} of {len(failed.actions)} actions\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
