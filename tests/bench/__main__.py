"""`make bench`: every table of docs/performance.md, one after the other. Writes to stdout only.

python -m bench [NAME [OPTION...]]      in `tests`; without a name, all of them

`outage` and `hidden` wait for minutes and load nothing: they run only by name.
"""

import subprocess
import sys
from typing import Final

BENCHES: Final = ("latency", "scale", "hop", "broker", "durability", "client")
"""Each a process of its own: one leaves nothing to the next, neither memory nor its core."""
BY_NAME: Final = ("outage", "hidden")
"""What the page does while nothing happens for long: its numbers stand in docs/web.md."""


def main() -> None:
    """All benches, or the one that is named, with its own options."""
    name, *options = sys.argv[1:] or [""]
    if name and name not in BENCHES + BY_NAME:
        sys.exit(f"There is no bench {name}: choose one of {', '.join(BENCHES + BY_NAME)}, or none for all.")
    for bench in (name,) if name else BENCHES:
        module = "bench.durability" if bench == "durability" else f"bench.{bench}_bench"
        subprocess.run([sys.executable, "-m", module, *options], check=True)
        sys.stdout.write("\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
