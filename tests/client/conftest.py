"""A real server for the tests of real clients."""

import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from client.other_broker import mosquitto
from serving import Server, serving
from soul_coordinator.accounts import Accounts


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def accounts(server: Server) -> Accounts:
    """The server's accounts, without the second that the command line takes to start."""
    return Accounts.of_data_dir(server.data_dir)


@pytest.fixture
def user(accounts: Accounts) -> str:
    """A new one, so that no test finds another's devices."""
    name = f"user-{uuid.uuid4().hex[:8]}"
    accounts.add(name, None)
    return name


@pytest.fixture
def token(accounts: Accounts, user: str) -> str:
    return accounts.issue(user).token


@pytest.fixture(scope="session")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    """mosquitto's TCP and WebSocket ports."""
    with mosquitto(tmp_path_factory.mktemp("mosquitto")) as listening:
        yield listening


@pytest.fixture
def brokers(tmp_path: Path) -> Iterator[list[int]]:
    """The TCP ports of four brokers of one's own."""
    with ExitStack() as stack:
        folders = [tmp_path / str(number) for number in range(4)]
        for folder in folders:
            folder.mkdir()
        yield [stack.enter_context(mosquitto(folder))[0] for folder in folders]
