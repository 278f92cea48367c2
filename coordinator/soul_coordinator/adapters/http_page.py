"""What a browser gets: the built page where there is one, else a few honest words."""

import base64
import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from aiohttp import web

_STYLE: Final = (
    "body{font:1.1rem/1.6 system-ui,sans-serif;max-width:38rem;margin:12vh auto;padding:0 1.5rem;"
    "color:#1d1b22;background:#faf9f7}code{background:#ece9e4;padding:.15em .4em;border-radius:.3em}"
    "@media(prefers-color-scheme:dark){body{color:#eceaf0;background:#17161a}code{background:#2b2930}}"
)
_PAGE: Final = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Soul Connect</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<h1>Soul Connect</h1>
<p>This server lets players and remote controls of one household find each other, and hands the
music from one to another. It is running; this installation has no page to control it from here.</p>
<p>From a terminal, with the address of this page:</p>
<p><code>soul-connect login ADDRESS</code>, then <code>soul-connect devices</code></p>
<p>An account is made on the server: <code>soul-connect user add NAME --password-stdin</code></p>
</main>
</body>
</html>
"""

_ALONE: Final = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
NOTHING: Final = f"default-src 'none'; {_ALONE}"
"""The Content-Security-Policy of what is not a page."""

_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_PAGE_POLICY: Final = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; {_ALONE}"


def client_policy(media: str) -> str:
    """The Content-Security-Policy of the built page; `media` are other servers with music."""
    sources = f"'self' {media}".strip()
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self';"
        f" connect-src 'self'; media-src {sources}; manifest-src 'self'; worker-src 'self';"
        f" {_ALONE}"
    )


BUILT: Final = Path(__file__).parents[1] / "web"
"""Where the package's build puts the page."""

_COMPRESSED: Final = (".br", ".gz")
"""Beside a file, the same compressed: aiohttp sends it to whoever takes it."""

_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
"""Ours, whatever this machine's tables say."""

_HASHED: Final = "assets"
"""The folder of files that are named by their content, and so never change."""


def add_page(app: web.Application, folder: Path, *, media: str = "") -> None:
    """Route `/` and, where `folder` holds a built page, its files; others are not found.

    The files are those there at this moment: a path outside can be asked for, but not found.
    """
    if not (folder / "index.html").is_file():
        app.router.add_get("/", _words)
        return
    policy = client_policy(media)
    for file in sorted(folder.rglob("*")):
        if file.suffix in _COMPRESSED and file.with_suffix("").is_file():
            continue
        if file.is_file() and file.resolve().is_relative_to(folder.resolve()):
            name = file.relative_to(folder).as_posix()
            app.router.add_get("/" if name == "index.html" else f"/{name}", _answer_with(file, name, policy))


def _answer_with(
    file: Path, name: str, policy: str
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    hashed = name.startswith(f"{_HASHED}/")
    headers = {
        "Cache-Control": "public, max-age=31536000, immutable" if hashed else "no-cache",
        "Content-Security-Policy": policy,
        "Vary": "Accept-Encoding",
    }
    if content_type := _TYPES.get(file.suffix):
        headers["Content-Type"] = content_type

    async def answer(_request: web.Request) -> web.FileResponse:
        return web.FileResponse(file, headers=headers)

    return answer


async def _words(_request: web.Request) -> web.Response:
    headers = {"Content-Security-Policy": _PAGE_POLICY, "Cache-Control": "no-cache"}
    return web.Response(text=_PAGE, content_type="text/html", headers=headers)
