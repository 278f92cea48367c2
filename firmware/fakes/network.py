"""The parts of `network` that the firmware uses: one network, `NET` (`ssid:password`), up at once.

While a file `down` exists there is none.
"""

import os

STA_IF = 0


class WLAN:
    """A station."""

    PM_NONE = 0

    def __init__(self, interface):
        self._joined = False
        self.settings = {}
        self.attempts = 0

    def active(self, on):
        """Switch it on."""

    def config(self, **settings):
        """Keep settings."""
        self.settings.update(settings)

    def connect(self, ssid, password):
        """Try to join."""
        self.attempts += 1
        self._joined = os.getenv("NET") in (None, ssid + ":" + password)

    def disconnect(self):
        """Leave."""
        self._joined = False

    def isconnected(self):
        """Whether there is a network."""
        try:
            os.stat("down")
        except OSError:
            return self._joined
        return False
