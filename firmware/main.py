"""What the device runs after `boot.py`: the player, for ever."""

import time

import machine
from soul.app import main

if main():
    # It ends where it must not go on (no settings, an id that is in use elsewhere), or by an error that
    # nobody foresaw. A while later it is tried again, from the start.
    time.sleep(30)
    machine.reset()
