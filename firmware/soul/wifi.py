"""The wireless network: up when it is asked for, and the reason when it is not."""

import asyncio

ATTEMPT = 15
"""How long (s) one attempt may take."""


class Wifi:
    """A station of one network."""

    def __init__(self, ssid, password):
        import network

        self._ssid = ssid
        self._password = password
        self._station = network.WLAN(network.STA_IF)
        self._off = getattr(self._station, "PM_NONE", None)

    def connected(self):
        """Whether there is a network, with an address."""
        return self._station.isconnected()

    async def up(self, seconds=ATTEMPT, alive=None):
        """Return when there is a network; calls `alive` while it waits, if given.

        Raises:
            OSError: not in time; the next call begins anew.
        """
        station = self._station
        if station.isconnected():
            return
        station.active(True)
        if self._off is not None:
            # Power saving sleeps through beacons: 100 ms and more for each message.
            station.config(pm=self._off)
        station.connect(self._ssid, self._password)
        for _ in range(int(seconds * 10)):
            if station.isconnected():
                return
            if alive is not None:
                alive()
            await asyncio.sleep(0.1)
        station.disconnect()
        raise OSError("no network " + self._ssid)
