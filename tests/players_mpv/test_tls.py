"""Tracks over https: from whom they are is looked at."""

import http.server
import ssl
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from players_mpv.audio import make_wav, running
from soul_broker.certificates import own_certificates
from soul_connect.players.engine import EngineError


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_wav(tmp_path / "one.wav", seconds=1)
    return tmp_path


@pytest.fixture
def address(folder: Path) -> Iterator[str]:
    """Of the folder, on a server whose certificate no system trusts."""
    certificates = own_certificates(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.certificate, certificates.key)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"https://localhost:{server.server_port}"
        server.shutdown()
        thread.join()


async def test_a_server_that_nobody_vouches_for_plays_nothing(address: str) -> None:
    async with running() as (engine, _):
        with pytest.raises(EngineError):
            await engine.load(f"{address}/one.wav", position_ms=0, play=False)


async def test_an_authority_of_ones_own(address: str, folder: Path) -> None:
    async with running(f"--tls-ca-file={folder / 'ca.pem'}") as (engine, _):
        assert await engine.load(f"{address}/one.wav", position_ms=0, play=False) == 1_000
