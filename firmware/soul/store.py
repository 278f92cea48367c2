"""What is kept over a power cut: written whole or not at all, and rarely, since flash wears out."""

import binascii
import json
import os

SAVE_EVERY = 30_000
"""How often (ms) the position is written while music plays."""


def _crc(text):
    return "%08x" % (binascii.crc32(text.encode()) & 0xFFFFFFFF)


class Store:
    """A small JSON object in a file, after a line with its CRC: MicroPython reads half an object as one."""

    def __init__(self, path):
        self._path = path
        self.writes = 0

    def load(self):
        """What was saved last; an empty dict where there is nothing, or nothing to be understood."""
        for path in (self._path, self._path + ".new"):
            try:
                with open(path) as file:
                    crc, text = file.readline().strip(), file.read()
                kept = json.loads(text) if crc == _crc(text) else None
            except (OSError, ValueError):
                continue
            if isinstance(kept, dict):
                return kept
        return {}

    def save(self, kept):
        """Write it. A power cut at any moment leaves the old or the new.

        Raises:
            OSError: it cannot be written; what was there still is.
        """
        new = self._path + ".new"
        text = json.dumps(kept)
        with open(new, "w") as file:
            file.write(_crc(text) + "\n" + text)
            file.flush()
            if hasattr(os, "fsync"):
                os.fsync(file.fileno())
        if hasattr(os, "sync"):
            os.sync()
        try:
            os.rename(new, self._path)
        except OSError:
            # FAT does not rename onto a file; `load` finds the new one if power goes here.
            os.remove(self._path)
            os.rename(new, self._path)
        self.writes += 1


class Keeper:
    """Saves at once on pause, stop and another track; else every 30 s while playing; never at 1 Hz."""

    def __init__(self, store, dap):
        self._store = store
        self._dap = dap
        self._moment = dap.moment()
        self._at = dap.now()
        self.failures = 0

    def look(self):
        """Save if it is time to."""
        dap, now = self._dap, self._dap.now()
        moment = dap.moment()
        if moment == self._moment and not (dap.renderer.table.playing and now - self._at >= SAVE_EVERY):
            return
        # The volume changes many times in a row: it waits for the finger to leave the button.
        if moment[:-1] == self._moment[:-1] and now - self._at < SAVE_EVERY // 6:
            return
        self._moment, self._at = moment, now
        try:
            self._store.save(dap.saved())
        except OSError:
            self.failures += 1  # a full or broken flash must not end the music
