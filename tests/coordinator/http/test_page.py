"""The page: built files where there are any, a few honest words otherwise."""

import base64
import gzip
import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from argon2 import PasswordHasher
from cryptography.hazmat.primitives.asymmetric import ec

from soul_coordinator.accounts import Accounts
from soul_coordinator.adapters.http import Health, HttpSettings, make_app
from soul_coordinator.tokens import TokenSigner


def client(folder: Path, settings: HttpSettings) -> TestClient[Any, Any]:
    signer = TokenSigner(ec.generate_private_key(ec.SECP256R1()))
    accounts = Accounts(folder / "db", signer, hasher=PasswordHasher(1, 8, 1))
    app = make_app(accounts, lambda: Health(broker=True, coordinator=True), str, settings)
    return TestClient(TestServer(app))


@pytest.fixture
def built(tmp_path: Path) -> Path:
    folder = tmp_path / "built"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>the page</title>")
    (folder / "favicon.svg").write_text("<svg/>")
    (folder / "assets" / "app-1a2b3c.js").write_text("let a = 1")
    (tmp_path / "secret").write_text("secret")
    (folder / "assets" / "leak").symlink_to(tmp_path / "secret")
    return folder


async def test_without_a_built_page_a_few_words_allow_nothing_but_their_style(tmp_path: Path) -> None:
    async with client(tmp_path, HttpSettings(web_dir=tmp_path / "missing")) as page:
        response = await page.get("/")
        text = await response.text()
        assert response.content_type == "text/html"
        assert "soul-connect login" in text
        style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
        assert style is not None
        digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
        assert f"style-src 'sha256-{digest}'" in response.headers["Content-Security-Policy"]
        assert not re.search(r"""(?:src|href|action)=["']/""", text)


async def test_the_built_page_is_served_with_a_strict_policy(tmp_path: Path, built: Path) -> None:
    async with client(tmp_path, HttpSettings(web_dir=built)) as page:
        response = await page.get("/")
        assert "the page" in await response.text()
        policy = response.headers["Content-Security-Policy"]
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert response.headers["Cache-Control"] == "no-cache"
        asset = await page.get("/assets/app-1a2b3c.js")
        assert asset.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert asset.content_type in {"text/javascript", "application/javascript"}
        assert (await page.get("/favicon.svg")).status == 200
        assert (await page.head("/")).status == 200


@pytest.mark.parametrize(
    "path", ["/assets/leak", "/assets/../../secret", "/%2e%2e/secret", "/assets/..%2f..%2fsecret", "/assets/"]
)
async def test_nothing_beside_the_built_files_is_served(tmp_path: Path, built: Path, path: str) -> None:
    async with client(tmp_path, HttpSettings(web_dir=built)) as page:
        response = await page.get(path)
        assert response.status == 404
        assert "secret" not in await response.text()


async def test_a_folder_without_a_page_is_as_none(tmp_path: Path) -> None:
    async with client(tmp_path, HttpSettings(web_dir=tmp_path / "missing")) as page:
        assert "soul-connect login" in await (await page.get("/")).text()


async def test_a_page_known_by_https_is_to_be_asked_by_https_only(tmp_path: Path) -> None:
    async with client(tmp_path, HttpSettings(public_url="https://music.example.org/")) as page:
        assert "Strict-Transport-Security" in (await page.get("/")).headers


async def test_what_is_compressed_already_is_sent_so(tmp_path: Path, built: Path) -> None:
    script = built / "assets" / "app-1a2b3c.js"
    (built / "assets" / "app-1a2b3c.js.gz").write_bytes(gzip.compress(b"let a = 1"))
    async with client(tmp_path, HttpSettings(web_dir=built)) as page:
        for accepted, encoding in (("gzip, br", "gzip"), ("br", None), ("identity", None)):
            headers = {"Accept-Encoding": accepted}
            response = await page.get("/assets/app-1a2b3c.js", headers=headers)
            assert response.headers.get("Content-Encoding") == encoding
            assert response.headers["Vary"] == "Accept-Encoding"
            assert response.headers["Content-Type"] == "text/javascript; charset=utf-8"
            assert await response.text() == script.read_text()
        assert (await page.get("/assets/app-1a2b3c.js.gz")).status == 404
        headers["If-None-Match"] = response.headers["ETag"]
        assert (await page.get("/assets/app-1a2b3c.js", headers=headers)).status == 304


TYPES = {
    "index.html": "text/html; charset=utf-8",
    "app.css": "text/css; charset=utf-8",
    "app.js": "text/javascript; charset=utf-8",
    "app.webmanifest": "application/manifest+json",
    "app.svg": "image/svg+xml",
    "app.png": "image/png",
    "app.woff2": "font/woff2",
}


async def test_types_do_not_depend_on_the_machine(tmp_path: Path, built: Path) -> None:
    for name in TYPES:
        (built / name).write_text("x")
    async with client(tmp_path, HttpSettings(web_dir=built)) as page:
        for name, content_type in TYPES.items():
            path = "/" if name == "index.html" else f"/{name}"
            assert (await page.get(path)).headers["Content-Type"] == content_type


async def test_the_packages_own_page_is_served_unless_there_is_another(tmp_path: Path) -> None:
    async with client(tmp_path, HttpSettings()) as page:
        text = await (await page.get("/")).text()
        named = re.findall(r'(?:src|href)="\./([^"]+)"', text)
        assert named
        for name in named:
            response = await page.get(f"/{name}")
            assert response.status == 200
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert response.content_type != "application/octet-stream"
