"""Behind real Caddy and nginx, as the samples of config/ set them up: page, API, sound and MQTT."""

import re
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from urllib.parse import quote

import aiohttp
import pytest
from yarl import URL

from broker.frames import frame, upgrade
from coordinator.music.sounds import wav
from e2e.front import Front
from serving import Server
from waiting import until

ODD = "odd/100% #1? & more.wav"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("proxied")
    wav(folder / "music" / ODD)
    config = folder / "soul-connect.toml"
    config.write_text('music_dir = "music"\ntrusted_proxies = ["127.0.0.1"]\n')
    server = Server(folder)
    try:
        server.run("user", "add", "alice", "--password-stdin", stdin="secret\n")
        server.start("--config", str(config))
        until(lambda: [line for line in server.process.errors if "tracks=1" in line], what="the library")
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="module")
def token(server: Server) -> str:
    return server.token("alice")


@pytest.fixture(scope="module", params=["caddy", "caddy under a path", "nginx", "nginx under a path"])
def front(
    request: pytest.FixtureRequest, server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Front]:
    name, *prefix = request.param.split()
    with Front(name, server, tmp_path_factory.mktemp(name), prefix=bool(prefix)) as running:
        yield running


@pytest.fixture
async def outside(server: Server) -> AsyncIterator[aiohttp.ClientSession]:
    async with session(server, "127.0.0.9") as opened:
        yield opened


def session(server: Server, address: str) -> aiohttp.ClientSession:
    """A client that calls from `address`."""
    trust = ssl.create_default_context(cafile=str(server.authority))
    connector = aiohttp.TCPConnector(ssl=trust, local_addr=(address, 0))
    return aiohttp.ClientSession(connector=connector)


async def test_the_page_and_all_that_it_names(front: Front, outside: aiohttp.ClientSession) -> None:
    async with outside.get(front.base) as page:
        text = await page.text()
        assert "script-src 'self';" in page.headers["Content-Security-Policy"]
    named = re.findall(r'(?:src|href)="\./([^"]+)"', text)
    assert [name for name in named if name.endswith(".js")]
    for name in named:
        async with outside.get(f"{front.base}{name}", headers={"Accept-Encoding": "gzip"}) as part:
            assert part.status == 200
            assert await part.read()
            if name.startswith("assets/"):
                assert "immutable" in part.headers["Cache-Control"]
                assert part.headers["Content-Encoding"] == "gzip"
    async with outside.get(f"{front.base}nothing") as missing:
        assert (missing.status, (await missing.json())["error"]) == (404, "not_found")


async def test_music_with_its_ranges(front: Front, outside: aiohttp.ClientSession, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    async with outside.post(f"{front.base}api/tracks", json={"ids": [ODD]}, headers=headers) as answer:
        stream = (await answer.json())["tracks"][ODD]["stream"]
    assert quote(ODD) in stream
    address = URL(f"{front.base}{stream}", encoded=True)
    async with outside.get(address) as whole:
        data = await whole.read()
        assert (whole.status, whole.content_type, data[:4]) == (200, "audio/wav", b"RIFF")
    async with outside.get(address, headers={"Range": "bytes=4-7"}) as part:
        assert (part.status, await part.read()) == (206, data[4:8])
        assert part.headers["Content-Range"] == f"bytes 4-7/{len(data)}"


async def test_mqtt_for_the_pages_of_this_site_only(front: Front, outside: aiohttp.ClientSession) -> None:
    # Idle connections of the proxy to the server are used again: an upgrade may come on any of them.
    for _ in range(8):
        async with outside.get(f"{front.base}healthz") as answer:
            assert answer.status == 200
    own = f"https://localhost:{front.port}"
    for origin, status in ((own, 101), (f"{own}0", 403), ("https://evil.example", 403), ("null", 403)):
        headers = {"Origin": origin}
        if status == 101:
            async with outside.ws_connect(front.mqtt, protocols=["mqtt"], headers=headers) as socket:
                assert socket.protocol == "mqtt"
        else:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await outside.ws_connect(front.mqtt, protocols=["mqtt"], headers=headers)
            assert refused.value.status == status


def test_a_client_is_at_home_behind_it(front: Front, server: Server, token: str) -> None:
    server.env |= {"SOUL_CONNECT_URL": front.mqtt, "SOUL_CONNECT_CA": str(server.authority)}
    try:
        done = server.run("devices", token=token)
        assert done.returncode == 0, done.stderr
    finally:
        server.env["SOUL_CONNECT_URL"] = server.url
        del server.env["SOUL_CONNECT_CA"]


async def test_each_caller_has_tries_of_its_own_whatever_it_says_of_itself(
    front: Front, server: Server
) -> None:
    last = 100 + front.port % 100
    async with session(server, f"127.0.1.{last}") as one, session(server, f"127.0.2.{last}") as other:
        for number in range(6):
            body = {"user": "alice", "password": "wrong"}
            headers = {"X-Forwarded-For": f"198.51.100.{number}"}
            async with one.post(f"{front.base}api/login", json=body, headers=headers) as answer:
                assert answer.status == (401 if number < 5 else 429)
        async with other.post(f"{front.base}api/login", json=body) as answer:
            assert answer.status == 401


async def test_figures_are_not_for_everyone(front: Front, outside: aiohttp.ClientSession) -> None:
    async with outside.get(f"{front.base}metrics") as answer:
        assert answer.status == 404


def test_a_connection_that_served_pages_becomes_mqtt(server: Server) -> None:
    host = f"127.0.0.1:{server.http_port}"
    own = f"Origin: http://{host}\r\n"
    for origin, answered in ((own, b"101"), ("Origin: http://evil.example\r\n", b"403")):
        with socket.create_connection(("127.0.0.1", server.http_port), timeout=10) as opened:
            for _ in range(3):
                opened.sendall(f"GET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
                assert b" 200 OK" in opened.recv(65_536)
            opened.sendall(
                upgrade("/a/prefix/mqtt", headers=origin).replace(b"127.0.0.1:8080", host.encode())
            )
            assert opened.recv(65_536).startswith(b"HTTP/1.1 " + answered)
            if answered == b"101":
                opened.sendall(frame(b"there?", 9))
                assert opened.recv(65_536) == b"\x8a\x06there?"
            else:
                assert opened.recv(1) == b""


def test_a_body_that_looks_like_an_upgrade_is_a_body(server: Server) -> None:
    body = upgrade("/mqtt")
    with socket.create_connection(("127.0.0.1", server.http_port), timeout=10) as opened:
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened.sendall(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
        assert b" 200 OK" in opened.recv(65_536)
        head = "POST /api/login HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: "
        opened.sendall(f"{head}{len(body)}\r\n\r\n".encode())
        assert opened.recv(65_536).startswith(b"HTTP/1.1 100 ")
        opened.sendall(body)
        assert opened.recv(65_536).startswith(b"HTTP/1.1 400 ")
