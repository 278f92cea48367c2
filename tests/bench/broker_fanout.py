"""Fan-out as the product has it, without a coordinator's work: from a renderer to all of its user's devices.

Each user's renderer reports once a second; a service answers each report with the user's position,
which all of the user's devices receive. Renderers, service and devices are sockets of this process.
"""

import os
import select
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from bench.broker_engines import Engine, waited
from bench.broker_sockets import Script, connect, crowd, service
from broker import wire

_SETTLE: Final = 3.0
"""Seconds before what is measured."""
_STAMP: Final = 20
"""Digits of the time in a payload: ns of the monotonic clock, at its end."""
_FILLER: Final = b" " * 80


@dataclass
class FanOut:
    """What was measured: seconds from a report to each device, messages a second, shares of a core.

    `waited` is the share of the time that the broker, or the load, was kept from running by others.
    """

    latencies: list[float] = field(default_factory=list)
    rate: float = 0.0
    cpu: float = 0.0
    waited: float = 0.0


def fan_out(engine: Engine, each: int, seconds: float) -> FanOut:
    """Every user's `each` devices, the first of which is the renderer, for so many seconds."""
    scripts: list[Script] = [
        [(connect(who), 4), (wire.subscribe((f"soul/v1/{who.user}/all/+", 0)), 5)] for who in engine.devices
    ]
    with service(engine, "coordinator") as coordinator, crowd(engine.tcp, scripts) as clients:
        coordinator.sendall(wire.subscribe(("soul/v1/+/device/+/up/+", 0)))
        coordinator.recv(5)
        coordinator.setblocking(False)
        topics = [f"soul/v1/{who.user}/device/{who.device}/up/state" for who in engine.devices[::each]]
        return _Beat(engine, coordinator, clients, list(zip(clients[::each], topics, strict=True))).run(
            seconds
        )


class _Beat:
    def __init__(
        self,
        engine: Engine,
        coordinator: socket.socket,
        clients: list[socket.socket],
        renderers: list[tuple[socket.socket, str]],
    ) -> None:
        self._engine = engine
        self._coordinator = coordinator
        self._clients = {client.fileno(): client for client in clients}
        self._renderers = renderers
        self._pending = b""
        self._found = FanOut()

    def run(self, seconds: float) -> FanOut:
        begun = time.monotonic()
        measured_from, end = begun + _SETTLE, begun + _SETTLE + seconds
        with select.epoll() as epoll:
            for number in (*self._clients, self._coordinator.fileno()):
                epoll.register(number, select.EPOLLIN)
            turn, interval, cpu, before = 0, 1.0 / len(self._renderers), 0.0, 0.0
            while (now := time.monotonic()) < end + 0.5:
                if not cpu and now >= measured_from:
                    cpu, before = self._engine.cpu(), self._waited()
                while now < end and begun + turn * interval <= now:
                    renderer, topic = self._renderers[turn % len(self._renderers)]
                    renderer.send(wire.publish(topic, _FILLER + b"%020d" % time.monotonic_ns()))
                    turn += 1
                for number, _ in epoll.poll(max(0.0, begun + turn * interval - now) if now < end else 0.05):
                    if number == self._coordinator.fileno():
                        self._answer()
                    else:
                        self._arrived(self._clients[number].recv(65_536), measured_from)
        self._found.cpu = (self._engine.cpu() - cpu) / (seconds + 0.5)
        self._found.waited = (self._waited() - before) / (seconds + 0.5)
        self._found.rate = len(self._found.latencies) / seconds
        return self._found

    def _waited(self) -> float:
        return waited(self._engine.pid) + waited(os.getpid())

    def _answer(self) -> None:
        """The service's part: each report becomes its user's position."""
        self._pending += self._coordinator.recv(1 << 18)
        out = []
        for topic, payload in self._messages():
            out.append(wire.publish(f"soul/v1/{topic.split('/')[2]}/all/position", payload))
        self._coordinator.setblocking(True)
        self._coordinator.sendall(b"".join(out))
        self._coordinator.setblocking(False)

    def _messages(self) -> Iterator[tuple[str, bytes]]:
        data, start = self._pending, 0
        while (end := _end(data, start)) is not None:
            body = start + (3 if data[start + 1] & 0x80 else 2)
            length = int.from_bytes(data[body : body + 2], "big")
            yield data[body + 2 : body + 2 + length].decode(), data[body + 2 + length : end]
            start = end
        self._pending = data[start:]

    def _arrived(self, data: bytes, measured_from: float) -> None:
        now, start = time.monotonic_ns(), 0
        while (end := _end(data, start)) is not None:
            sent = int(data[end - _STAMP : end])
            if sent >= measured_from * 1e9:
                self._found.latencies.append((now - sent) / 1e9)
            start = end


def _end(data: bytes, start: int) -> int | None:
    """Where the PUBLISH at `start` ends, of 16 KB at most; None while it is not whole."""
    if len(data) < start + 3:
        return None
    length, body = data[start + 1], start + 2
    if length & 0x80:
        length, body = length & 0x7F | data[start + 2] << 7, start + 3
    end = body + length
    return end if end <= len(data) else None
