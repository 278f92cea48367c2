"""What an idle connection costs, and a crowd that connects at once."""

import select
import ssl
import time
from typing import Final

from bench.broker_engines import Engine
from bench.broker_sockets import arrival, crowd, tls_client
from broker import wire

_WARM: Final = 100
"""What a process needs once is not what a connection costs: so many come before."""
_SETTLE: Final = 1.0


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


def storm(engine: Engine) -> tuple[float, float]:
    """Clients a second that connect and subscribe, 100 at a time; and the broker's CPU ms for each."""
    scripts = [arrival(who) for who in engine.devices]
    cpu, begun = engine.cpu(), time.perf_counter()
    with crowd(engine.tcp, scripts) as clients:
        taken = time.perf_counter() - begun
        return len(clients) / taken, (engine.cpu() - cpu) / len(clients) * 1e3


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
