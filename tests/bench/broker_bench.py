"""The embedded broker beside mosquitto: memory per idle connection, and messages a second.

    python tests/bench/broker_bench.py [--connections 1000] [--messages 96000]
                                       [--engines soul,mosquitto,amqtt]

Each engine runs as a process of its own, the load comes from this one over raw sockets. What
is printed is a table; nothing is asserted.
"""

import argparse
import contextlib
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from broker import wire

PAYLOAD: Final = b"x" * 100
TOPIC: Final = "soul/v1/bench/all/state"
_WARM: Final = 100
WINDOW: Final = 64
"""QoS 1 messages that the publisher lets wait for their PUBACK."""


@dataclass(frozen=True)
class Engine:
    """A started broker. `None` for a port it does not have."""

    name: str
    pid: int
    tcp: int
    tls: int
    ws: int
    authority: Path
    tokens: Path | None

    def rss(self) -> int:
        """Resident memory in KB."""
        for line in Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise RuntimeError("no VmRSS")

    def cpu(self) -> float:
        """CPU seconds used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()


@contextlib.contextmanager
def soul(directory: Path, devices: int) -> Iterator[Engine]:
    """Our broker, in a process of its own."""
    ports = free_ports(3)
    program = [sys.executable, __file__, "--serve", str(directory), str(devices), *map(str, ports)]
    process = subprocess.Popen(program, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield Engine("soul", process.pid, *_three(ports), directory / "ca.pem", directory / "tokens")
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def mosquitto(directory: Path, devices: int) -> Iterator[Engine]:  # noqa: ARG001 (the same shape as `soul`)
    """mosquitto with the same listeners and certificates, open to everybody."""
    from soul_broker.certificates import own_certificates  # noqa: PLC0415 (the parent needs it here only)

    own_certificates(directory)
    ports = free_ports(3)
    for name in ("ca.pem", "server.pem", "server-key.pem"):
        (directory / name).chmod(0o644)
    directory.chmod(0o755)
    configuration = f"""
user root
per_listener_settings false
allow_anonymous true
persistence false
max_queued_messages 1000000
listener {ports[0]} 127.0.0.1
listener {ports[1]} 127.0.0.1
certfile {directory}/server.pem
keyfile {directory}/server-key.pem
listener {ports[2]} 127.0.0.1
protocol websockets
"""
    (directory / "mosquitto.conf").write_text(configuration, encoding="utf-8")
    process = subprocess.Popen(
        ["/usr/sbin/mosquitto", "-c", str(directory / "mosquitto.conf")], stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(100):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", ports[2])).close()
                break
            time.sleep(0.05)
        yield Engine("mosquitto", process.pid, *_three(ports), directory / "ca.pem", None)
    finally:
        process.terminate()
        process.wait()


def _three(ports: list[int]) -> tuple[int, int, int]:
    tcp, tls, ws = ports
    return tcp, tls, ws


@contextlib.contextmanager
def amqtt(directory: Path, devices: int) -> Iterator[Engine]:
    """Stock amqtt on uvloop, in a process of its own, everybody let in."""
    from soul_broker.certificates import own_certificates  # noqa: PLC0415 (of this engine only)

    del devices
    own_certificates(directory)
    ports = free_ports(3)
    program = [sys.executable, __file__, "--amqtt", str(directory), *map(str, ports)]
    process = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield Engine("amqtt", process.pid, *_three(ports), directory / "ca.pem", None)
    finally:
        process.kill()
        process.wait()


def serve_amqtt(directory: Path, ports: list[int]) -> None:
    """The child process: stock amqtt."""
    import asyncio  # noqa: PLC0415 (of the child only)
    import logging  # noqa: PLC0415

    import uvloop  # noqa: PLC0415
    from amqtt.broker import Broker  # noqa: PLC0415

    logging.disable(logging.CRITICAL)
    tcp, tls, ws = ports
    secure = {"ssl": True, "certfile": f"{directory}/server.pem", "keyfile": f"{directory}/server-key.pem"}
    config = {
        "listeners": {
            "default": {"type": "tcp", "bind": f"127.0.0.1:{tcp}"},
            "tls": {"type": "tcp", "bind": f"127.0.0.1:{tls}", **secure},
            "ws": {"type": "ws", "bind": f"127.0.0.1:{ws}"},
        },
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }

    async def run() -> None:
        await Broker(config).start()
        print("ready", flush=True)  # noqa: T201 (what the parent waits for)
        await asyncio.Event().wait()

    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(run())


def serve(directory: Path, devices: int, ports: list[int]) -> None:
    """The child process: our broker, with tokens for as many devices."""
    import asyncio  # noqa: PLC0415 (of the child only)
    import logging  # noqa: PLC0415

    import structlog  # noqa: PLC0415
    import uvloop  # noqa: PLC0415

    from broker.house import KEY, mint, new_device  # noqa: PLC0415
    from soul_broker.certificates import own_certificates  # noqa: PLC0415
    from soul_broker.listeners import listener_config  # noqa: PLC0415
    from soul_broker.server import BrokerSettings, SoulBroker  # noqa: PLC0415
    from soul_broker.tokens import TokenVerifier  # noqa: PLC0415

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    lines = [f"bench-{number} {new_device()}" for number in range(devices)]
    lines = [f"{line} {mint(line.split()[0])}" for line in lines]
    service = f"coordinator x {mint('coordinator', 'service')}"
    (directory / "tokens").write_text("\n".join([service, *lines]), encoding="utf-8")
    tcp, tls, http = ports

    async def run() -> None:
        config = listener_config(
            "127.0.0.1",
            mqtt_port=tcp,
            tls_port=tls,
            http_port=http,
            certificates=own_certificates(directory),
        )
        verifier = TokenVerifier([KEY.public_key()])
        await SoulBroker(config, settings=BrokerSettings(data_dir=directory), verifier=verifier).start()
        print("ready", flush=True)  # noqa: T201 (what the parent waits for)
        await asyncio.Event().wait()

    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(run())


def credentials(engine: Engine, count: int) -> Iterator[tuple[str, str, str | None, str | None]]:
    """User, client id, user name and password of as many devices."""
    if engine.tokens is None:
        for number in range(count):
            device = str(uuid.uuid4())
            yield f"bench-{number}", device, f"bench-{number}", "x"
        return
    for line in engine.tokens.read_text(encoding="utf-8").splitlines()[1 : count + 1]:
        user, device, token = line.split()
        yield user, device, user, token


def service(engine: Engine, client_id: str) -> socket.socket:
    """A connected service over TCP."""
    token = "x"
    if engine.tokens is not None:
        token = engine.tokens.read_text(encoding="utf-8").splitlines()[0].split()[2]
    connection = socket.create_connection(("127.0.0.1", engine.tcp))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(wire.connect(client_id, "coordinator", token))
    if receive(connection, 4) != wire.ACCEPTED:
        raise RuntimeError(f"{engine.name} refused a service")
    return connection


def receive(connection: socket.socket, count: int) -> bytes:
    """Exactly as many bytes."""
    received = b""
    while len(received) < count:
        piece = connection.recv(count - len(received))
        if not piece:
            raise ConnectionError("closed")
        received += piece
    return received


def framed(payload: bytes) -> bytes:
    """A masked WebSocket frame with the mask 0."""
    size = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2, "big")
    return b"\x82" + size + b"\0\0\0\0" + payload


UPGRADE: Final = (
    b"GET /mqtt HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
)


def memory(engine: Engine, kind: str, count: int) -> tuple[float, float]:
    """KB for each idle connection with one subscription, and connections a second."""
    port = {"tcp": engine.tcp, "tls": engine.tls, "ws": engine.ws}[kind]
    context = ssl.create_default_context(cafile=str(engine.authority)) if kind == "tls" else None
    held: list[socket.socket] = []
    before, begun = 0, 0.0
    for number, (user, device, name, password) in enumerate(credentials(engine, count + _WARM)):
        if number == _WARM:
            # What a process needs once is not what a connection costs.
            time.sleep(0.5)
            before, begun = engine.rss(), time.perf_counter()
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is not None:
            connection = context.wrap_socket(connection, server_hostname="localhost")
        subscription = wire.subscribe((f"soul/v1/{user}/device/{device}/down/+", 1))
        connect = wire.connect(device, name, password, keep_alive=600)
        if kind == "ws":
            connection.sendall(UPGRADE)
            answer = b""
            while not answer.endswith(b"\r\n\r\n"):
                answer += connection.recv(4_096)
            connection.sendall(framed(connect))
            receive(connection, 6)
            connection.sendall(framed(subscription))
            receive(connection, 7)
        else:
            connection.sendall(connect)
            receive(connection, 4)
            connection.sendall(subscription)
            receive(connection, 5)
        held.append(connection)
    rate = count / (time.perf_counter() - begun)
    time.sleep(1.0)
    after = engine.rss()
    for connection in held:
        connection.close()
    time.sleep(0.5)
    return (after - before) / count, rate


def throughput(engine: Engine, qos: int, count: int) -> tuple[float, float]:
    """Messages a second from one publisher to one subscriber, and the broker's CPU us for each."""
    subscriber, publisher = service(engine, "subscriber"), service(engine, "publisher")
    subscriber.sendall(wire.subscribe((TOPIC, qos)))
    receive(subscriber, 5)
    size = len(wire.publish(TOPIC, PAYLOAD, qos=qos))
    done = threading.Event()

    def read_all() -> None:
        pending, got = b"", 0
        while got < count:
            piece = subscriber.recv(1 << 18)
            if not piece:
                return
            pending += piece
            whole = len(pending) // size
            got += whole
            if qos:
                ids = (
                    pending[start + size - 102 : start + size - 100] for start in range(0, whole * size, size)
                )
                subscriber.sendall(b"".join(b"\x40\x02" + number for number in ids))
            pending = pending[whole * size :]
        done.set()

    reader = threading.Thread(target=read_all, daemon=True)
    cpu, begun = engine.cpu(), time.perf_counter()
    reader.start()
    if qos == 0:
        chunk = wire.publish(TOPIC, PAYLOAD) * 200
        for _ in range(count // 200):
            publisher.sendall(chunk)
    else:
        ids = range(1, WINDOW // 2 + 1)
        chunks = b"".join(wire.publish(TOPIC, PAYLOAD, qos=1, packet_id=number) for number in ids)
        publisher.sendall(chunks)
        for _ in range(count // (WINDOW // 2) - 1):
            publisher.sendall(chunks)
            receive(publisher, 4 * (WINDOW // 2))
        receive(publisher, 4 * (WINDOW // 2))
    if not done.wait(30):
        return float("nan"), float("nan")
    taken = time.perf_counter() - begun
    used = engine.cpu() - cpu
    subscriber.close()
    publisher.close()
    return count / taken, used / count * 1e6


def main() -> None:
    """Run the engines one after the other and print the table."""
    if sys.argv[1:2] == ["--serve"]:
        serve(Path(sys.argv[2]), int(sys.argv[3]), [int(port) for port in sys.argv[4:7]])
        return
    if sys.argv[1:2] == ["--amqtt"]:
        serve_amqtt(Path(sys.argv[2]), [int(port) for port in sys.argv[3:6]])
        return
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--connections", type=int, default=1_000)
    parser.add_argument("--messages", type=int, default=96_000)
    parser.add_argument("--engines", default="soul,mosquitto,amqtt")
    options = parser.parse_args()
    rows: dict[str, dict[str, str]] = {}
    for name in options.engines.split(","):
        with tempfile.TemporaryDirectory() as directory:
            start = {"soul": soul, "mosquitto": mosquitto, "amqtt": amqtt}[name]
            for kind in ("tcp", "ws", "tls"):
                place = Path(directory) / kind
                place.mkdir()
                with start(place, options.connections + _WARM) as engine:
                    each, rate = memory(engine, kind, options.connections)
                    rows.setdefault(f"KB per idle connection, {kind}", {})[name] = f"{each:.1f}"
                    rows.setdefault(f"connections a second, {kind}", {})[name] = f"{rate:,.0f}"
            place = Path(directory) / "speed"
            place.mkdir()
            with start(place, 1) as engine:
                for qos in (0, 1):
                    speed, cost = throughput(engine, qos, options.messages)
                    rows.setdefault(f"1->1 QoS {qos}, messages a second", {})[name] = f"{speed:,.0f}"
                    rows.setdefault(f"1->1 QoS {qos}, CPU us a message", {})[name] = f"{cost:.1f}"
    names = options.engines.split(",")
    print(f"{'':36}" + "".join(f"{name:>14}" for name in names))  # noqa: T201 (it is what it prints)
    for title, values in rows.items():
        print(f"{title:36}" + "".join(f"{values.get(name, ''):>14}" for name in names))  # noqa: T201


if __name__ == "__main__":
    main()
