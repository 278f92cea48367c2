"""The children of `bench.broker_engines`: our broker, stock amqtt, and the least of a server, on uvloop.

python -m bench.broker_servers soul|amqtt|floor FOLDER USERS EACH TCP TLS WS
"""

import asyncio
import contextlib
import logging
import sys
from pathlib import Path
from typing import cast

import uvloop
from amqtt.broker import Broker

from broker import wire
from broker.house import KEY, mint, new_device
from soul_broker.certificates import own_certificates
from soul_broker.listeners import listener_config
from soul_broker.server import BrokerSettings, SoulBroker
from soul_broker.tokens import TokenVerifier
from soul_connect.cli.collector import settle_collector
from soul_connect.cli.server_run import log_to_stderr
from soul_connect.settings import ServerSettings


async def soul(folder: Path, users: int, each: int, ports: list[int]) -> None:
    """Our broker as `serve` runs it, with tokens for every device in `tokens`: the service's, then theirs."""
    log_to_stderr(ServerSettings(data_dir=folder))
    lines = [f"coordinator service {mint('coordinator', 'service')}"]
    for number in range(users):
        token = mint(f"bench-{number}")
        lines += [f"bench-{number} {new_device()} {token}" for _ in range(each)]
    (folder / "tokens").write_text("\n".join(lines), encoding="utf-8")
    tcp, tls, http = ports
    config = listener_config(
        "127.0.0.1", mqtt_port=tcp, tls_port=tls, http_port=http, certificates=own_certificates(folder)
    )
    verifier = TokenVerifier([KEY.public_key()])
    await SoulBroker(config, settings=BrokerSettings(data_dir=folder), verifier=verifier).start()
    settle_collector()


async def amqtt(folder: Path, ports: list[int]) -> None:
    """Stock amqtt, everybody let in."""
    logging.disable(logging.CRITICAL)
    tcp, tls, ws = ports
    secure = {"ssl": True, "certfile": f"{folder}/server.pem", "keyfile": f"{folder}/server-key.pem"}
    config = {
        "listeners": {
            "default": {"type": "tcp", "bind": f"127.0.0.1:{tcp}"},
            "tls": {"type": "tcp", "bind": f"127.0.0.1:{tls}", **secure},
            "ws": {"type": "ws", "bind": f"127.0.0.1:{ws}"},
        },
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }
    await Broker(config).start()


class Floor(asyncio.Protocol):
    """Whoever connects is accepted, whatever is asked for is granted, nothing is looked at."""

    __slots__ = ("_transport",)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Taken for one whole packet."""
        self._transport.write(wire.ACCEPTED if data[0] == 0x10 else b"\x90\x03\0\1\1")


async def floor(port: int) -> None:
    """Only what uvloop and the system need for a connection and two answers."""
    await asyncio.get_running_loop().create_server(Floor, "127.0.0.1", port, backlog=1_024)


async def main() -> None:
    """Serve until killed."""
    name, folder, users, each, *ports = sys.argv[1:]
    numbers = [int(port) for port in ports]
    if name == "soul":
        await soul(Path(folder), int(users), int(each), numbers)
    elif name == "floor":
        await floor(numbers[0])
    else:
        await amqtt(Path(folder), numbers)
    print("ready", flush=True)  # noqa: T201 (what the parent waits for)
    await asyncio.Event().wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(main())
