"""Messages a second from one publisher to one subscriber, and what filters of others cost."""

import socket
import threading
import time
from typing import Final

from bench.broker_engines import Engine
from bench.broker_sockets import receive, service
from broker import wire

PAYLOAD: Final = b"x" * 100
TOPIC: Final = "soul/v1/bench/all/state"
WINDOW: Final = 64
"""QoS 1 messages that the publisher lets wait for their PUBACK."""
_TOPICS: Final = 100


def throughput(engine: Engine, qos: int, count: int) -> tuple[float, float]:
    """Messages a second, and the broker's CPU us for each."""
    with service(engine, "subscriber") as subscriber, service(engine, "publisher") as publisher:
        subscriber.sendall(wire.subscribe((TOPIC, qos)))
        receive(subscriber, 5)
        reader = _Reader(subscriber, len(wire.publish(TOPIC, PAYLOAD, qos=qos)), qos, count)
        cpu, begun = engine.cpu(), time.perf_counter()
        reader.start()
        if qos == 0:
            chunk = wire.publish(TOPIC, PAYLOAD) * 200
            for _ in range(count // 200):
                publisher.sendall(chunk)
        else:
            half = WINDOW // 2
            ids = range(1, half + 1)
            chunk = b"".join(wire.publish(TOPIC, PAYLOAD, qos=1, packet_id=number) for number in ids)
            publisher.sendall(chunk)
            for _ in range(count // half - 1):
                publisher.sendall(chunk)
                receive(publisher, 4 * half)
            receive(publisher, 4 * half)
        taken = reader.wait() - begun
        return count / taken, (engine.cpu() - cpu) / count * 1e6


class _Reader(threading.Thread):
    """Counts what arrives, all of one size, and acknowledges it at QoS 1."""

    def __init__(self, subscriber: socket.socket, size: int, qos: int, count: int) -> None:
        super().__init__(daemon=True)
        self._subscriber = subscriber
        self._size = size
        self._qos = qos
        self._count = count
        self._done_at = float("nan")

    def run(self) -> None:
        size, pending, got = self._size, b"", 0
        at = size - len(PAYLOAD) - 2
        while got < self._count:
            piece = self._subscriber.recv(1 << 18)
            if not piece:
                return
            pending += piece
            whole = len(pending) // size
            got += whole
            if self._qos:
                ids = (pending[start : start + 2] for start in range(at, whole * size, size))
                self._subscriber.sendall(b"".join(b"\x40\x02" + number for number in ids))
            pending = pending[whole * size :]
        self._done_at = time.perf_counter()

    def wait(self) -> float:
        """When the last one came; not a number where it did not."""
        self.join(60)
        return self._done_at


def beside_filters(engine: Engine, counts: tuple[int, ...], messages: int) -> dict[int, float]:
    """CPU us of the broker for a message at QoS 0, with so many filters of others in its tables.

    The messages go to 100 topics in turn, of which each has one subscriber.
    """
    costs: dict[int, float] = {}
    with (
        service(engine, "others") as others,
        service(engine, "subscriber") as subscriber,
        service(engine, "publisher") as publisher,
    ):
        own = [f"soul/v1/bench-{number:02}/all" for number in range(_TOPICS)]
        subscriber.sendall(wire.subscribe(*((f"{topic}/+", 0) for topic in own)))
        receive(subscriber, 4 + _TOPICS)
        packets = [wire.publish(f"{topic}/position", PAYLOAD) for topic in own]
        held = 0
        for count in counts:
            while held < count:
                step = min(100, count - held)
                names = [(f"soul/v1/other-{held + number}/all/+", 0) for number in range(step)]
                others.sendall(wire.subscribe(*names))
                receive(others, 4 + step)
                held += step
            chunk = b"".join(packets)
            for part in (messages // 4, messages):
                # The first, shorter one fills what is remembered.
                reader = _Reader(subscriber, len(packets[0]), 0, part)
                cpu = engine.cpu()
                reader.start()
                for _ in range(part // _TOPICS):
                    publisher.sendall(chunk)
                reader.wait()
                costs[count] = (engine.cpu() - cpu) / part * 1e6
    return costs
