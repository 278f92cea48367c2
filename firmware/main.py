"""What the device runs after `boot.py`: the player, for ever."""

import gc

# While it starts: what stays lies side by side, and what is free is not in pieces.
gc.threshold(gc.mem_free() // 32)

import time  # noqa: E402

import machine  # noqa: E402
from soul.app import main  # noqa: E402

if main():
    # It ends without settings, or by an error that nobody foresaw. A while later it is tried again, from
    # the start.
    time.sleep(30)
    machine.reset()
