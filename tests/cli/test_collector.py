"""The server's garbage collector: what the start made is not looked at again."""

import gc
import subprocess
import sys

PROGRAM = """
import gc
import soul_connect.cli.server_parts
from soul_connect.cli import collector
collector.settle_collector()
print(gc.get_freeze_count(), len(gc.get_objects()), gc.get_threshold() == collector.COLLECT)
"""


def test_it_leaves_alone_what_stays() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    frozen, watched, as_set = done.stdout.split()
    assert int(frozen) > 50_000
    assert int(watched) < 1_000
    assert as_set == "True"
    assert gc.get_freeze_count() == 0, "that was for the server's process only"
