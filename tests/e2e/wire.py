"""A device that speaks the contract over raw MQTT with paho: nothing of our client library."""

import json
import queue
import secrets
import threading
import time
import uuid
from pathlib import Path
from typing import Any, Self

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from waiting import LostTime

Message = dict[str, Any]


class WireDevice:
    """One device of `user`: its topics, its `conn`, and all it hears."""

    def __init__(
        self,
        port: int,
        user: str,
        token: str,
        *,
        name: str = "Wire",
        node: str = "device",
        device: str | None = None,
        can_render: bool = True,
        websocket: bool = False,
        ca: Path | None = None,
    ) -> None:
        self.user, self.name, self.can_render = user, name, can_render
        self.id = device or str(uuid.uuid4())
        self.conn = secrets.token_hex(8)
        self.base = f"soul/v1/{user}/{node}/{self.id}"
        self.heard: queue.Queue[tuple[str, Message]] = queue.Queue()
        self.refused: int | None = None
        self.closed_at = 0.0
        """When the connection ended last (monotonic, s)."""
        self._port, self._seq = port, 0
        self._subscribed, self._closed = threading.Event(), threading.Event()
        self.client = client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self.id,
            transport="websockets" if websocket else "tcp",
        )
        if websocket:
            client.ws_set_options(path="/mqtt")
        if ca is not None:
            client.tls_set(ca_certs=str(ca))
        client.username_pw_set(user, token)
        will = json.dumps({"type": "connection_lost", "conn": self.conn})
        client.will_set(f"{self.base}/up/will", will, qos=1)
        client.on_connect = self._on_connect
        client.on_subscribe = lambda *_: self._subscribed.set()
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message

    def _on_connect(self, client: mqtt.Client, _data: Any, _flags: Any, code: Any, _props: Any) -> None:
        if code.is_failure:
            self.refused = code.value
            self._subscribed.set()
            return
        topics = (f"{self.base}/down/+", f"soul/v1/{self.user}/all/+", "soul/v1/coordinator")
        client.subscribe([(topic, 1) for topic in topics])

    def _on_disconnect(self, *_: Any) -> None:
        self.closed_at = time.monotonic()
        self._subscribed.clear()
        self._closed.set()

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        if message.payload:
            self.heard.put((message.topic, json.loads(message.payload)))

    def connect(self, *, host: str = "127.0.0.1") -> Self:
        self.client.connect(host, self._port, 30)
        self.client.loop_start()
        assert self._subscribed.wait(10), "neither accepted nor refused"
        return self

    def come_back(self) -> None:
        """After the server was away: wait for paho to connect again, and forget that it was."""
        assert self._subscribed.wait(10)
        self._closed.clear()
        self.hear("coordinator_status", online=True, seconds=15)

    def __enter__(self) -> Self:
        return self.connect()

    def __exit__(self, *_: object) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def closed(self, seconds: float = 5.0) -> bool:
        """Whether the broker closes the connection in time, less what the machine does not give."""
        with LostTime() as lost:
            end = time.monotonic() + seconds
            if not self._closed.wait(seconds):
                self._closed.wait(lost.seconds)
            return self._closed.is_set() and self.closed_at < end + lost.seconds

    def up(self, channel: str, message: Message, *, qos: int = 1) -> None:
        self.client.publish(f"{self.base}/up/{channel}", json.dumps(message), qos).wait_for_publish(5)

    def hear(self, kind: str, *, seconds: float = 6.0, **fields: Any) -> Message:
        """The next message of this type with these fields; what comes before it is dropped."""
        deadline = time.monotonic() + seconds
        seen = []
        while (left := deadline - time.monotonic()) > 0:
            try:
                _, message = self.heard.get(timeout=left)
            except queue.Empty:
                break
            if message["type"] == kind and fields.items() <= message.items():
                return message
            seen.append(message["type"])
        raise AssertionError(f"{self.name} did not hear {kind} {fields}; heard {seen}")

    def introduce(self, **more: Any) -> None:
        """Send `register`."""
        able = {
            "can_render": self.can_render,
            "can_control": True,
            "can_host_jam": False,
            "supported_formats": ["wav"],
            "max_sample_rate": 48_000,
        }
        device = {"name": self.name, "device_type": "desktop", "capabilities": able, "volume": 0.5}
        self.up("register", {"type": "register", "conn": self.conn, "device": device, "protocol": 1, **more})

    def register(self, **more: Any) -> Message:
        self.introduce(**more)
        return self.hear("registered", conn=self.conn)

    def command(self, command: Message, **more: Any) -> str:
        request = str(uuid.uuid4())
        channel = "queue" if command["type"] == "set_queue" else "command"
        message = {"type": "playback_command", "id": request, "command": command, **more}
        self.up(channel, message)
        return request

    def report(self, epoch: int, *, applied: tuple[str, ...] = (), **state: Any) -> None:
        self._seq += 1
        base = {
            "track_id": "t0",
            "position_ms": 0,
            "is_playing": True,
            "queue_position": 0,
            "volume": 0.5,
            "shuffle": False,
            "repeat_mode": "off",
            "duration_ms": 180_000,
        }
        update = {"type": "state_update", "conn": self.conn, "seq": self._seq, "epoch": epoch}
        self.up("state", {**update, "state": base | state, "applied": list(applied)})

    def carry_out(self, request: str, **state: Any) -> Message:
        """Wait for a forwarded command and report it as applied."""
        execute = self.hear("execute_command", id=request)
        self.report(execute["epoch"], applied=(request,), **state)
        return execute
