"""The part of `esp32` that the firmware uses: numbers that outlast a reset, in a file."""

import json


class NVS:
    """One namespace of the non-volatile store."""

    def __init__(self, name):
        self._path = name + ".nvs"
        try:
            with open(self._path) as file:
                self._kept = json.load(file)
        except (OSError, ValueError):
            self._kept = {}

    def get_i32(self, key):
        """A number; OSError if there is none."""
        if key not in self._kept:
            raise OSError("ESP_ERR_NVS_NOT_FOUND")
        return self._kept[key]

    def set_i32(self, key, value):
        """Keep a number; `commit` writes it."""
        self._kept[key] = value

    def commit(self):
        """Write."""
        with open(self._path, "w") as file:
            json.dump(self._kept, file)
