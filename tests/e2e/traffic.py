"""The traffic of one user, as Debian's mosquitto_sub shows it to an observer."""

import json
from collections.abc import Callable
from typing import Any, Self

from serving import Process, Server
from waiting import until


class Traffic:
    """Everything under `soul/v1/USER/#`, with the time (monotonic, s) at which it came."""

    def __init__(self, server: Server, user: str, token: str) -> None:
        self._process = Process(
            [
                "mosquitto_sub",
                *("-h", "127.0.0.1", "-p", str(server.mqtt_port), "-u", user, "-P", token),
                *("-t", f"soul/v1/{user}/#", "-t", "soul/v1/coordinator", "-q", "1", "-v"),
            ]
        )

    def __enter__(self) -> Self:
        self.first(lambda topic, _: topic == "soul/v1/coordinator", what="the observer's subscription")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()

    @property
    def count(self) -> int:
        return len(self._process.times)

    def messages(self, after: int = 0) -> list[tuple[float, str, dict[str, Any]]]:
        found = []
        times, lines = list(self._process.times), list(self._process.lines)
        for at, line in list(zip(times, lines, strict=False))[after:]:
            topic, _, payload = line.partition(" ")
            if payload.startswith("{"):
                found.append((at, topic, json.loads(payload)))
        return found

    def first(
        self,
        wanted: Callable[[str, dict[str, Any]], bool],
        *,
        after: int = 0,
        seconds: float = 15.0,
        what: str = "",
    ) -> tuple[float, dict[str, Any]]:
        """The first message that is wanted: when it came, and what it says."""

        def find() -> tuple[float, dict[str, Any]] | None:
            for at, topic, message in self.messages(after):
                if wanted(topic, message):
                    return at, message
            return None

        found = until(find, seconds=seconds, what=lambda: f"{what}; seen: {self._process.output}")
        assert found is not None
        return found

    def offline(self, device: str, *, after: int = 0, seconds: float = 15.0) -> float:
        """When everyone was told that a device is offline."""
        at, _ = self.first(
            lambda _, message: message["type"] == "device_offline" and message["device_id"] == device,
            after=after,
            seconds=seconds,
            what=f"{device} goes offline",
        )
        return at
