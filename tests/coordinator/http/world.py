"""The HTTP application on a free port, with real accounts and a clock for its limits."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer
from argon2 import PasswordHasher
from cryptography.hazmat.primitives.asymmetric import ec

from soul_coordinator.accounts import Accounts
from soul_coordinator.adapters.http import Health, HttpSettings, make_app
from soul_coordinator.tokens import TokenSigner
from soul_protocol.roles import Role, Scope

DEVICE = "00000000-0000-4000-8000-000000000001"


class World:
    """A server, its accounts, and a clock for the limits."""

    def __init__(self, folder: Path, settings: HttpSettings, *, hasher: PasswordHasher | None = None) -> None:
        self.now = 1_000.0
        self.health = Health(broker=True, coordinator=True)
        self.signer = TokenSigner(ec.generate_private_key(ec.SECP256R1()))
        self.database = folder / "db"
        self.accounts = Accounts(self.database, self.signer, hasher=hasher or PasswordHasher(1, 8, 1))
        self.accounts.add("alice", "secret")
        self.key = self.signer.key_for("streams")
        settings = replace(settings, music_key=self.key)
        app = make_app(
            self.accounts, lambda: self.health, lambda: "soul_up 1\n", settings, clock=lambda: self.now
        )
        self.client: TestClient[Any, Any] = TestClient(TestServer(app))

    async def post(self, path: str, body: object = None, **other: Any) -> ClientResponse:
        return await self.client.post(path, json=body, **other)

    async def login(self, password: str = "secret", user: str = "alice", via: str = "") -> ClientResponse:
        headers = {"X-Forwarded-For": via} if via else {}
        return await self.post("/api/login", {"user": user, "password": password}, headers=headers)

    def bearer(self, role: Role = Role.DEVICE, *scope: Scope, ttl: int = 60) -> dict[str, str]:
        """The header of a fresh token of alice's."""
        device = DEVICE if role is Role.GUEST else None
        issued = self.accounts.issue("alice", role, device=device, scope=frozenset(scope), ttl=ttl)
        return {"Authorization": f"Bearer {issued.token}"}


async def refused(response: ClientResponse, status: int, error: str) -> None:
    """The answer is this error, and says so in a sentence."""
    body = await response.json()
    assert (response.status, body["error"]) == (status, error), body
    assert set(body) == {"error", "message"}
    assert body["message"].endswith(".")
