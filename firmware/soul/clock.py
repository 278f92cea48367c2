"""Three clocks: since power-on, the coordinator's, and the calendar (for certificates).

Whole numbers only: a float has 24 bits on an ESP32, and a moment of the coordinator's needs 41.
"""

import asyncio
import socket
import time


class Uptime:
    """Milliseconds since it was made, for ever: `ticks_ms` wraps after days.

    To be asked at least once in 6 days (half of the wrap of `ticks_ms`).
    """

    def __init__(self, ticks_ms=None, ticks_diff=None):
        self._ticks = ticks_ms or time.ticks_ms
        self._diff = ticks_diff or time.ticks_diff
        self._last = self._ticks()
        self._sum = 0

    def now(self):
        """ms, never going back."""
        ticks = self._ticks()
        self._sum += max(0, self._diff(ticks, self._last))
        self._last = ticks
        return self._sum


class ServerClock:
    """The coordinator's clock, learnt from ping and pong: the sample with the least round trip counts.

    An old sample loses 0.1 ms a second, which is as bad as a quartz may be.
    """

    def __init__(self):
        self._offset = None
        self._trip = 0
        self._at = 0

    def sample(self, sent, received, t1, t2):
        """Asked and answered at `sent` and `received` here, `t1` and `t2` there (ms)."""
        trip = (received - sent) - (t2 - t1)
        if received < sent or t2 < t1 or trip < 0:
            return
        offset = (t1 - sent + t2 - received) // 2
        aged = self._trip + (received - self._at) // 5000
        # A clock that was set contradicts the old sample: half a round trip bounds each one's error.
        moved = self._offset is not None and abs(offset - self._offset) > (trip + aged) // 2 + 20
        if self._offset is None or trip <= aged or moved:
            self._offset, self._trip, self._at = offset, trip, received

    def at(self, now):
        """The coordinator's time at a local moment; None before the first sample."""
        return None if self._offset is None else now + self._offset


# The calendar: NTP (RFC 5905, section 7.3), since there is no battery and certificates have dates.

NTP_TO_UNIX = 2_208_988_800
UNIX_TO_2000 = 946_684_800
SANE_SINCE = 1_760_000_000
"""Seconds since 1970: an answer before this firmware was written is none."""


def unix_time():
    """Seconds since 1970 on any port: their `time.time` starts in 1970 or in 2000."""
    return int(time.time()) + (UNIX_TO_2000 if time.gmtime(0)[0] == 2000 else 0)


def is_set():
    """Whether the calendar can be right."""
    return unix_time() >= SANE_SINCE


def read_ntp(packet):
    """Seconds since 1970 in an NTP answer; None if it is none or its server has no time."""
    if len(packet) < 48 or packet[0] & 7 != 4 or not 0 < packet[1] < 16:
        return None
    seconds = 0
    for byte in packet[40:44]:
        seconds = seconds << 8 | byte
    if seconds < 1 << 31:
        seconds += 1 << 32  # the era that begins in 2036
    unix = seconds - NTP_TO_UNIX
    return unix if unix >= SANE_SINCE else None


async def ask_ntp(host, port=123, wait_ms=2000):
    """Seconds since 1970 by a time server.

    Raises:
        OSError: it did not answer, or not with a time.
    """
    address = socket.getaddrinfo(host, port)[0][-1]
    asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        asking.setblocking(False)
        asking.sendto(b"\x1b" + bytes(47), address)
        for _ in range(wait_ms // 20):
            try:
                unix = read_ntp(asking.recv(48))
            except OSError:
                unix = None  # nothing yet
            if unix is not None:
                return unix
            await asyncio.sleep(0.02)
    finally:
        asking.close()
    raise OSError("no time from " + host)


def set_calendar(unix):
    """Set the machine's calendar to seconds since 1970."""
    import machine

    year, month, day, hour, minute, second, weekday, _ = time.gmtime(
        unix - (UNIX_TO_2000 if time.gmtime(0)[0] == 2000 else 0)
    )[:8]
    machine.RTC().datetime((year, month, day, weekday, hour, minute, second, 0))
