"""The child processes of `bench.broker_engines`: our broker, or stock amqtt on uvloop.

python -m bench.broker_servers soul|amqtt FOLDER USERS EACH TCP TLS WS
"""

import asyncio
import contextlib
import logging
import sys
from pathlib import Path

import structlog
import uvloop
from amqtt.broker import Broker

from broker.house import KEY, mint, new_device
from soul_broker.certificates import own_certificates
from soul_broker.listeners import listener_config
from soul_broker.server import BrokerSettings, SoulBroker
from soul_broker.tokens import TokenVerifier


async def soul(folder: Path, users: int, each: int, ports: list[int]) -> None:
    """Our broker, with tokens for every device in `tokens`: the service's, then theirs."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
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


async def main() -> None:
    """Serve until killed."""
    name, folder, users, each, *ports = sys.argv[1:]
    numbers = [int(port) for port in ports]
    if name == "soul":
        await soul(Path(folder), int(users), int(each), numbers)
    else:
        await amqtt(Path(folder), numbers)
    print("ready", flush=True)  # noqa: T201 (what the parent waits for)
    await asyncio.Event().wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(main())
