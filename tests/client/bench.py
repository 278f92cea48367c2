"""A session on the bench: bytes in, bytes out, the clock in hand."""

import json
import random
from typing import Any, TypeVar

from client.simulation import device_id, token
from soul_connect.actions import Action, Publish
from soul_connect.identity import CONTROLLER, identify
from soul_connect.session import Session
from soul_protocol.models import DeviceType

T = TypeVar("T")

ME = device_id(1)
ROOT = "soul/v1/alice"
REPLY = f"{ROOT}/device/{ME}/down/reply"
EXECUTE = f"{ROOT}/device/{ME}/down/execute"
CONN = "0123456789abcdef"
SERVER = 1_700_000_000_000
STATE: dict[str, Any] = {
    "device_id": ME,
    "track_id": "t",
    "position_ms": 1_000,
    "position_at": SERVER,
    "is_playing": True,
    "queue": ["t"],
    "queue_position": 0,
    "volume": 1.0,
    "shuffle": False,
    "repeat_mode": "off",
    "duration_ms": 60_000,
    "updated_at": SERVER,
    "epoch": 3,
    "sequence": 10,
    "queue_rev": 1,
    "paused_reason": None,
    "error": None,
    "applied": [],
}
DEVICE: dict[str, Any] = {
    "id": ME,
    "name": "Remote (2)",
    "device_type": "desktop",
    "capabilities": CONTROLLER.model_dump(mode="json"),
    "is_online": True,
    "is_guest": False,
    "last_seen": SERVER,
    "created_at": SERVER,
}
LIMITS = {
    "packet_bytes": 1,
    "queue_tracks": 1,
    "queue_bytes": 1,
    "requests_per_minute": 100,
    "other_per_minute": 60,
    "states_per_second": 10,
    "devices": 10,
}


class Bench:
    """A session and its clock."""

    def __init__(self, **claims: Any) -> None:
        identity = identify(
            token(**claims),
            device_id=ME,
            name="Remote",
            device_type=DeviceType.DESKTOP,
            capabilities=CONTROLLER,
            volume=None,
            ephemeral=False,
        )
        self.session = Session(identity, rng=random.Random(1))
        self.now = 1_000.0
        self.number = 0

    def connect(self, conn: str = CONN) -> list[Action]:
        return self.session.connected(conn, now=self.now)

    def hear(self, topic: str, *, retained: bool = False, **message: Any) -> list[Action]:
        payload = json.dumps(message).encode()
        return self.session.received(topic, payload, now=self.now, retained=retained)

    def registered(self, conn: str = CONN, coordinator: str = "one", **changes: Any) -> list[Action]:
        return self.hear(
            REPLY,
            **{
                "type": "registered",
                "conn": conn,
                "device_id": ME,
                "device": DEVICE,
                "devices": [DEVICE],
                "current_state": STATE,
                "should_resume": False,
                "server_time": SERVER + int(self.now),
                "coordinator": coordinator,
                "limits": LIMITS,
                **changes,
            },
        )

    def online(self) -> None:
        self.connect()
        self.registered()

    def ask(self, wish: Any, **options: Any) -> tuple[str, list[Action]]:
        self.number += 1
        name = device_id(1_000 + self.number)
        return name, self.session.request(name, wish, now=self.now, **options)

    def pass_ms(self, ms: float) -> list[Action]:
        """Wake as asked until so much time has passed."""
        end = self.now + ms
        actions: list[Action] = []
        while True:
            due = self.session.next_deadline()
            if due is None or due > end:
                self.now = end
                return actions
            self.now = max(self.now, due)
            actions += self.session.wake(now=self.now)

    def drop(self, *, by_peer: bool = True) -> list[Action]:
        return self.session.disconnected(now=self.now, by_peer=by_peer)


def sent(actions: list[Action], channel: str) -> list[dict[str, Any]]:
    return [
        json.loads(action.payload)
        for action in actions
        if isinstance(action, Publish) and action.topic.endswith(f"/up/{channel}")
    ]


def of(kind: type[T], actions: list[Any]) -> list[T]:
    return [action for action in actions if isinstance(action, kind)]
