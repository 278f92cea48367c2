"""The houses that a device's stories are told in."""

import uuid
from collections.abc import Iterator

import pytest

from firmware.houses import HOUSES, House


@pytest.fixture(scope="module", params=list(HOUSES))
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A running broker with its coordinator, of each kind; a module has one of its own."""
    made: House = HOUSES[request.param](tmp_path_factory.mktemp(request.param))
    try:
        made.open()
        yield made
    finally:
        made.kill()


@pytest.fixture
def user() -> str:
    """A name that no other test has."""
    return f"user-{uuid.uuid4().hex[:8]}"
