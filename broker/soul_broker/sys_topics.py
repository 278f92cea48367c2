"""`$SYS/broker/#` under mosquitto's names, so that what watches a mosquitto watches this broker as well.

Loads are averages for a minute over the last 1, 5 and 15, decaying exponentially, as mosquitto
computes them. Its `heap` is here what the process has resident, where the system tells.
"""

import math
import os
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from soul_broker.statistics import Statistics

_PREFIX: Final = "$SYS/broker/"
_MINUTES: Final = (1, 5, 15)


def _version() -> str:
    try:
        return f"soul-connect version {version('soul-connect')}"
    except PackageNotFoundError:
        return "soul-connect"


class SysTopics:
    """What to publish, and what of it has changed since."""

    def __init__(self) -> None:
        self._version = _version()
        self._published: dict[str, str] = {}
        self._counted: dict[str, int] = {}
        self._loads: dict[str, float] = {}
        self._at: float | None = None

    def changed(self, statistics: Statistics, *, now: float, uptime: int) -> dict[str, str]:
        """Topics and payloads that are not as they were. `now` is monotonic, both are in seconds."""
        values = self._values(statistics, uptime) | self._load(statistics, now) | _memory()
        texts = {f"{_PREFIX}{name}": text for name, text in values.items()}
        fresh = {topic: text for topic, text in texts.items() if self._published.get(topic) != text}
        self._published = texts
        return fresh

    def _values(self, statistics: Statistics, uptime: int) -> dict[str, str]:
        away = max(0, statistics.sessions - statistics.clients_connected)
        numbers = {
            "clients/connected": statistics.clients_connected,
            "clients/active": statistics.clients_connected,
            "clients/disconnected": away,
            "clients/inactive": away,
            "clients/expired": statistics.sessions_expired,
            "clients/maximum": statistics.clients_maximum,
            "clients/total": statistics.sessions,
            "messages/received": statistics.messages_received,
            "messages/sent": statistics.messages_sent,
            "messages/stored": statistics.retained_count,
            "publish/messages/received": statistics.publish_received,
            "publish/messages/sent": statistics.publish_sent,
            "publish/messages/dropped": statistics.publish_dropped,
            "publish/messages/refused": statistics.publish_refused,
            "publish/bytes/received": statistics.publish_bytes_received,
            "publish/bytes/sent": statistics.publish_bytes_sent,
            "bytes/received": statistics.bytes_received,
            "bytes/sent": statistics.bytes_sent,
            "retained messages/count": statistics.retained_count,
            "store/messages/count": statistics.retained_count,
            "store/messages/bytes": statistics.retained_bytes,
            "subscriptions/count": statistics.subscriptions_count,
            "shared_subscriptions/count": 0,
        }
        texts = {name: str(number) for name, number in numbers.items()}
        return texts | {"version": self._version, "uptime": f"{uptime} seconds"}

    def _load(self, statistics: Statistics, now: float) -> dict[str, str]:
        counted = {
            "messages/received": statistics.messages_received,
            "messages/sent": statistics.messages_sent,
            "publish/dropped": statistics.publish_dropped,
            "publish/received": statistics.publish_received,
            "publish/sent": statistics.publish_sent,
            "bytes/received": statistics.bytes_received,
            "bytes/sent": statistics.bytes_sent,
            "sockets": statistics.sockets,
            "connections": statistics.clients_total + statistics.connects_refused,
        }
        elapsed = 0.0 if self._at is None else now - self._at
        for name, count in counted.items():
            rate = (count - self._counted[name]) * 60 / elapsed if elapsed > 0 else 0.0
            for minutes in _MINUTES:
                key = f"load/{name}/{minutes}min"
                former = self._loads.get(key, 0.0)
                self._loads[key] = rate + math.exp(-elapsed / (60 * minutes)) * (former - rate)
        self._at = now
        self._counted = counted
        return {key: f"{load:.2f}" for key, load in self._loads.items()}


def _memory() -> dict[str, str]:
    if not sys.platform.startswith("linux"):
        return {}
    import resource  # noqa: PLC0415 (of this platform)

    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return {}
    now = pages * os.sysconf("SC_PAGE_SIZE")
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1_024
    return {"heap/current": str(now), "heap/maximum": str(max(now, most))}
