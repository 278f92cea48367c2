"""The built page in a real Chromium, under the policy that it is sent with, behind real proxies."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from coordinator.music.sounds import wav
from e2e.chromium import Page, chromium
from e2e.front import Front
from serving import Server
from waiting import until

TRACK = "album/01.wav"
PLAY = """new Promise((done) => {
  const audio = new Audio(ADDRESS);
  audio.addEventListener("timeupdate", () => audio.currentTime > 0.3 && done("plays"));
  audio.addEventListener("error", () => done("error " + audio.error.message));
  audio.play().catch((error) => done(String(error)));
})"""
CONNECT = """new Promise((done) => {
  const address = new URL("mqtt", document.baseURI);
  const socket = new WebSocket(address.href.replace(/^http/, "ws"), "mqtt");
  socket.addEventListener("open", () => done("open " + socket.protocol));
  socket.addEventListener("error", () => done("error"));
})"""
SEEN = """new Promise((done) => {
  const picture = new Image();
  picture.addEventListener("load", () => done(picture.naturalWidth));
  picture.addEventListener("error", () => done("error"));
  picture.src = ADDRESS;
})"""
ELSEWHERE = """new Promise((done) => {
  const tell = (event) => done(event.effectiveDirective);
  document.addEventListener("securitypolicyviolation", tell, { once: true });
  CODE;
  setTimeout(() => done("nothing"), 3000);
})"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("policy")
    wav(folder / "music" / TRACK, seconds=5, title="One", album="First")
    cover = (
        "<svg xmlns='http://www.w3.org/2000/svg' width='64' height='64'><rect width='64' height='64'/></svg>"
    )
    (folder / "music" / "album" / "cover.svg").write_text(cover)
    config = folder / "soul-connect.toml"
    config.write_text('music_dir = "music"\ntrusted_proxies = ["127.0.0.1"]\n')
    server = Server(folder)
    try:
        server.add_user("alice")
        server.start("--config", str(config))
        until(lambda: [line for line in server.process.errors if "tracks=1" in line], what="the library")
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="module")
def token(server: Server) -> str:
    return server.token("alice")


async def look(page: Page, base: str, token: str) -> None:
    """All that a page does: draws itself, connects, shows a picture, plays a track."""
    await page.go(base)
    await page.wait("document.querySelector('#app').children.length > 0")
    assert await page.evaluate(CONNECT) == "open mqtt"
    headers = {"Authorization": f"Bearer {token}"}
    asked: dict[str, Any] = {"json": {"ids": [TRACK]}, "headers": headers, "ssl": False}
    async with aiohttp.ClientSession() as session, session.post(f"{base}api/tracks", **asked) as answer:
        found = (await answer.json())["tracks"][TRACK]
    for script, address, expected in ((SEEN, found["cover"], 64), (PLAY, found["stream"], "plays")):
        assert await page.evaluate(script.replace("ADDRESS", f"'{address}'")) == expected
    assert page.complaints == []


async def test_straight_from_the_server(server: Server, token: str, tmp_path: Path) -> None:
    async with chromium(tmp_path) as page:
        await look(page, f"{server.http}/", token)


@pytest.mark.parametrize("name", ["caddy", "nginx"])
async def test_under_a_path_of_a_proxy(server: Server, token: str, tmp_path: Path, name: str) -> None:
    with Front(name, server, tmp_path, prefix=True) as front:
        async with chromium(tmp_path) as page:
            await look(page, front.base, token)


FORBIDDEN = {
    "Object.assign(document.createElement('script'), {textContent: '1'})": "script-src-elem",
    "Object.assign(document.createElement('script'), {src: 'https://evil.example/a.js'})": "script-src-elem",
    "Object.assign(document.createElement('iframe'), {src: 'https://evil.example/'})": "frame-src",
    "Object.assign(document.createElement('style'), {textContent: 'p {}'})": "style-src-elem",
    "(fetch('https://evil.example/').catch(() => 0), '')": "connect-src",
    "(new Audio('https://evil.example/a.mp3').load(), '')": "media-src",
    "Object.assign(new Image(), {src: 'https://evil.example/a.png'})": "img-src",
}


async def test_what_the_page_does_not_need_it_may_not(server: Server, tmp_path: Path) -> None:
    async with chromium(tmp_path) as page:
        await page.go(f"{server.http}/")
        for code, directive in FORBIDDEN.items():
            refused = await page.evaluate(ELSEWHERE.replace("CODE", f"document.head.append({code})"))
            assert refused == directive, code
