"""A new version on trial: its starts are counted, and it stays once it was online.

Apart from `soul.ota`, which is there only while something is fetched.
"""

import os

OLD = "soul.old"
"""Where the version before the running one waits."""

ONLINE_WITHIN = 180_000
"""How long (ms) a new version may take to be online before the chip starts again, and counts."""


def exists(path):
    """Whether there is a file or folder."""
    try:
        os.stat(path)
    except OSError:
        return False
    return True


def remove(path):
    """A file, or a folder with all that is in it; nothing if it is not there."""
    try:
        names = os.listdir(path)
    except OSError:
        if exists(path):
            os.remove(path)
        return
    for name in names:
        remove(path + "/" + name)
    os.rmdir(path)


def _counter():
    import esp32

    return esp32.NVS("soul")


def read(name, otherwise=0):
    """A number that outlasts a reset: `version`, or `trial`, the starts of a version on trial."""
    try:
        return _counter().get_i32(name)
    except OSError:
        return otherwise


def write(**numbers):
    """Keep numbers."""
    kept = _counter()
    for name, number in numbers.items():
        kept.set_i32(name, number)
    kept.commit()


class Trial:
    """The first hours of a version."""

    def __init__(self, uptime):
        self._uptime = uptime
        self._on = read("trial") > 0

    def succeeded(self):
        """It is online: it stays, and the one before goes."""
        if self._on:
            self._on = False
            write(trial=0)
            remove(OLD)

    def overdue(self):
        """Whether it should have been online by now."""
        return self._on and self._uptime.now() > ONLINE_WITHIN
