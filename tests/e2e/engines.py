"""What the engines themselves say, on one monotonic clock: the judge of position and of "never two"."""

import json
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from waiting import until


@dataclass(frozen=True, slots=True)
class Moment:
    """What an engine was doing at `at` (CLOCK_MONOTONIC, s); `position` in ms, None if unknown."""

    at: float
    playing: bool
    position: float | None


class MpvObserver:
    """Watches an mpv through its own IPC socket (`--input-ipc-server`), beside whoever drives it.

    `core-idle` changes are kept as they come; `time-pos` is asked for every 10 ms.
    """

    def __init__(self, path: Path) -> None:
        self.moments: list[Moment] = []
        self._path = path
        self._stop = threading.Event()
        self._idle = True
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        until(self._path.is_socket, what=f"mpv's socket {self._path}")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(5)

    def _watch(self) -> None:
        with socket.socket(socket.AF_UNIX) as ipc:
            ipc.connect(str(self._path))
            ipc.settimeout(0.01)
            self._say(ipc, ["observe_property", 1, "core-idle"])
            buffer = b""
            while not self._stop.is_set():
                try:
                    self._say(ipc, ["get_property", "time-pos"])
                    buffer += ipc.recv(65536)
                except TimeoutError:
                    continue
                except OSError:
                    break
                *lines, buffer = buffer.split(b"\n")
                for line in lines:
                    self._take(json.loads(line))
                self._stop.wait(0.01)
        self.moments.append(Moment(time.monotonic(), playing=False, position=None))

    def _say(self, ipc: socket.socket, command: list[Any]) -> None:
        ipc.sendall(json.dumps({"command": command, "request_id": 7}).encode() + b"\n")

    def _take(self, message: dict[str, Any]) -> None:
        now = time.monotonic()
        if message.get("event") == "property-change" and message.get("name") == "core-idle":
            self._idle = message["data"] is not False
            self.moments.append(Moment(now, playing=not self._idle, position=None))
        elif message.get("request_id") == 7 and isinstance(message.get("data"), float):
            position = message["data"] * 1_000
            self.moments.append(Moment(now, playing=not self._idle, position=position))

    @property
    def last(self) -> Moment:
        """The latest moment with a known position."""
        return next(one for one in reversed(self.moments) if one.position is not None)

    @property
    def playing(self) -> bool:
        return bool(self.moments) and self.moments[-1].playing


class SimulatedLog:
    """The JSON lines of a simulated engine."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def moments(self) -> list[Moment]:
        if not self._path.exists():
            return []
        lines = [json.loads(line) for line in self._path.read_text("utf-8").splitlines()]
        return [Moment(one["at"], one["playing"], one["position_ms"]) for one in lines]

    @property
    def last(self) -> Moment:
        return self.moments[-1]

    @property
    def playing(self) -> bool:
        moments = self.moments
        return bool(moments) and moments[-1].playing


def spans(moments: list[Moment]) -> list[tuple[float, float]]:
    """When an engine was playing, as (from, to); the last one may end now."""
    found: list[tuple[float, float]] = []
    since: float | None = None
    for one in moments:
        if one.playing and since is None:
            since = one.at
        elif not one.playing and since is not None:
            found.append((since, one.at))
            since = None
    if since is not None:
        found.append((since, time.monotonic()))
    return found


def overlap(one: list[Moment], other: list[Moment]) -> float:
    """For how many ms both engines were playing at once."""
    return 1_000 * sum(
        max(0.0, min(a_end, b_end) - max(a_start, b_start))
        for a_start, a_end in spans(one)
        for b_start, b_end in spans(other)
    )
