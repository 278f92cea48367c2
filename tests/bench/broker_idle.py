"""What an idle connection costs, and a crowd that connects at once."""

import select
import ssl
import time
from dataclasses import dataclass
from typing import Final

from bench.broker_engines import Engine, waited
from bench.broker_sockets import arrival, crowd, tls_client
from broker import wire

_WARM: Final = 100
"""What a process needs once is not what a connection costs: so many come before."""
_SETTLE: Final = 1.0
_FORGOTTEN_WITHIN: Final = 20.0


def memory(engine: Engine, kind: str) -> float:
    """KB for each idle connection with one subscription."""
    warm, measured = engine.devices[:_WARM], engine.devices[_WARM:]
    if kind == "tls":
        context = ssl.create_default_context(cafile=str(engine.authority))
        held = [tls_client(engine, context, who) for who in warm]
        time.sleep(_SETTLE)
        before = engine.rss()
        held += [tls_client(engine, context, who) for who in measured]
        time.sleep(_SETTLE)
        grown = engine.rss() - before
        for connection in held:
            connection.close()
        return grown / len(measured)
    port = {"tcp": engine.tcp, "ws": engine.ws}[kind]
    with crowd(port, (arrival(who, kind) for who in warm)):
        time.sleep(_SETTLE)
        before = engine.rss()
        with crowd(port, (arrival(who, kind) for who in measured)):
            time.sleep(_SETTLE)
            return (engine.rss() - before) / len(measured)


@dataclass(frozen=True)
class Storm:
    """Clients a second, CPU us of the broker for each, and what of the time, in %, was not the broker's to
    decide: it was ready to run and had no core, or the load generator was busy."""

    rate: float
    cpu: float
    waited: float
    load: float


def storm(engine: Engine) -> Storm:
    """All clients connect and subscribe, 100 at a time; and are gone from the broker again at the end."""
    scripts, files = [arrival(who) for who in engine.devices], engine.sockets()
    before, cpu, own, begun = waited(engine.pid), engine.cpu(), time.process_time(), time.perf_counter()
    with crowd(engine.tcp, scripts) as clients:
        taken, count = time.perf_counter() - begun, len(clients)
        found = Storm(
            count / taken,
            (engine.cpu() - cpu) / count * 1e6,
            (waited(engine.pid) - before) / taken * 100,
            (time.process_time() - own) / taken * 100,
        )
    end = time.monotonic() + _FORGOTTEN_WITHIN
    while engine.sockets() > files and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(0.1)
    return found


def pings(engine: Engine) -> tuple[int, float]:
    """How many idle connections answer a ping that all of them send at once, and after how many seconds."""
    with crowd(engine.tcp, (arrival(who) for who in engine.devices)) as clients:
        by_number = {client.fileno(): client for client in clients}
        with select.epoll() as epoll:
            for number in by_number:
                epoll.register(number, select.EPOLLIN)
            begun = time.perf_counter()
            for client in clients:
                client.send(wire.PING)
            answered = 0
            while answered < len(clients) and (ready := epoll.poll(10)):
                answered += sum(by_number[number].recv(100) == wire.PONG for number, _ in ready)
            return answered, time.perf_counter() - begun
