"""Run worlds by hand: `python -m simulator --seed 1 --events 1000000`, with tests/ on the path."""

import argparse
import sys

from simulator.invariants import BrokenError
from simulator.people import live
from simulator.story import told
from simulator.world import START, World

WORLD_EVENTS = 50_000
"""Events in one world: then comes the next seed's, so that nothing grows old for ever."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--events", type=int, default=100_000)
    asked = parser.parse_args()
    handled = hours = kills = jumps = 0
    seed = asked.seed
    while handled < asked.events:
        world = World(seed)
        try:
            live(world, min(WORLD_EVENTS, asked.events - handled))
        except Exception as error:
            sys.stdout.write(told(world.story) + "\n")
            sys.stdout.write(f"seed {seed}, event {world.handled}: {error!r}\n")
            if not isinstance(error, BrokenError):
                raise
            return 1
        handled += world.handled
        hours += (world.time.now - START) // 3_600_000
        kills, jumps, seed = kills + world.starts - 1, jumps + world.jumps, seed + 1
    sys.stdout.write(
        f"{handled:,} events, {hours:,} virtual hours, {kills:,} kills of the coordinator, {jumps:,} jumps\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
