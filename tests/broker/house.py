"""A running broker with its clients, a signing key, and tokens of every kind."""

import time
import uuid
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from broker import wire
from broker.wire import Raw
from soul_broker.server import SoulBroker

KEY = ec.generate_private_key(ec.SECP256R1())


def mint(sub: str | None = "alice", role: str = "device", *, ttl: float = 3_600, **claims: Any) -> str:
    """A token as the coordinator makes it; a claim given as None is left out."""
    now = int(time.time())
    content: dict[str, Any] = {
        "sub": sub,
        "role": role,
        "iat": now,
        "exp": int(now + ttl),
        "jti": str(uuid.uuid4()),
        "aud": "soul-connect",
        "scope": [],
    }
    content |= claims
    present = {name: value for name, value in content.items() if value is not None}
    return jwt.encode(present, KEY, algorithm="ES256")


def new_device() -> str:
    return str(uuid.uuid4())


@dataclass
class Running:
    """A started broker, and clients of it that are dropped at the end of the test."""

    broker: SoulBroker
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def tcp(self) -> tuple[str, int]:
        return self.broker.addresses["tcp"]

    async def raw(self) -> Raw:
        """A connection that has said nothing."""
        return await self.stack.enter_async_context(await Raw.open(self.tcp))

    async def connect(self, client_id: str, username: str, token: str, **options: Any) -> Raw:
        """A client that was accepted."""
        client = await self.raw()
        client.send(wire.connect(client_id, username, token, **options))
        answer = await client.receive()
        assert answer in (wire.ACCEPTED, wire.RESUMED), answer
        return client

    async def device(
        self, user: str = "alice", device: str | None = None, *, token: str | None = None, **options: Any
    ) -> Raw:
        device = device or new_device()
        return await self.connect(device, user, token or mint(user), **options)

    async def observer(self, user: str = "alice", client_id: str = "looking", **options: Any) -> Raw:
        return await self.connect(client_id, user, mint(user, "observer"), **options)

    async def service(self, client_id: str = "coordinator", **options: Any) -> Raw:
        return await self.connect(client_id, "coordinator", mint("coordinator", "service"), **options)

    async def watch(self, *filters: str, qos: int = 2) -> Raw:
        """A service that has subscribed."""
        client = await self.service(f"watch-{uuid.uuid4()}")
        client.send(wire.subscribe(*((pattern, qos) for pattern in filters)))
        await client.expect(wire.packet(0x90, b"\0\1" + bytes([qos] * len(filters))))
        return client

    async def refused(self, *arguments: Any, **options: Any) -> bytes:
        """The CONNACK of a client that is refused; the connection is closed after it."""
        client = await self.raw()
        client.send(wire.connect(*arguments, **options))
        answer = await client.receive()
        assert await client.closed() == b""
        return answer


Start = Callable[..., Any]
