from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.album import make_album
from serving import Server, serving


@pytest.fixture(scope="session")
def album(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return make_album(tmp_path_factory.mktemp("album"))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path) as running:
        yield running
