"""A real broker on ephemeral ports for each test."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop
from cryptography.hazmat.primitives.asymmetric import ec

from broker.house import KEY, Running, Start
from soul_broker.certificates import Certificates, own_certificates
from soul_broker.listeners import listener_config
from soul_broker.server import BrokerSettings, SoulBroker
from soul_broker.tokens import TokenVerifier


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Every test on both loops: uvloop is what `serve` runs on, asyncio what it falls back to."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def signing_key() -> ec.EllipticCurvePrivateKey:
    return KEY


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return own_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Start brokers: `await start(settings=..., **config)`. All are stopped after the test."""
    started: list[Running] = []

    async def starting(
        *,
        config: dict[str, Any] | None = None,
        settings: BrokerSettings | None = None,
        verify: bool = True,
        **options: Any,
    ) -> Running:
        verifier = TokenVerifier([KEY.public_key()]) if verify else None
        broker = SoulBroker(
            config or listener_config("127.0.0.1", mqtt_port=0, http_port=0),
            settings=settings or BrokerSettings(data_dir=tmp_path),
            verifier=verifier,
            **options,
        )
        await broker.start()
        running = Running(broker)
        started.append(running)
        return running

    yield starting
    for running in started:
        await running.stack.aclose()
        if running.broker.transitions.state == "started":
            async with asyncio.timeout(2):
                await running.broker.shutdown()


@pytest.fixture
async def running(start: Start) -> Running:
    """A broker with our settings."""
    broker: Running = await start()
    return broker
