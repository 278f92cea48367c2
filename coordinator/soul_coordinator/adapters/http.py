"""The HTTP server: the API, health and metrics, and the page.

    /api/login, refresh, logout, invitations, invite   `http_accounts`
    /api/tracks, /api/library, /stream/, /covers/      `http_music`
    GET  /healthz      200 or 503, JSON
    GET  /metrics      Prometheus' text
    GET  /             the page

An error is `{error, message}`. Every address in an answer is relative, so all of it works under
a path prefix of a proxy. Tokens, passwords and codes are read from bodies and headers only, and
never logged.
"""

import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from soul_coordinator.accounts import LOGIN_TTL, Accounts
from soul_coordinator.adapters.http_accounts import AccountsApi
from soul_coordinator.adapters.http_answers import BODY_BYTES, errors
from soul_coordinator.adapters.http_door import Door, Threads
from soul_coordinator.adapters.http_music import Elsewhere, MusicApi
from soul_coordinator.adapters.http_page import BUILT, NOTHING, add_page
from soul_coordinator.music.folder import MusicFolder
from soul_coordinator.music.tickets import Tickets

KEEP_ALIVE: Final = 75.0
"""Seconds that a connection may be silent between requests, and that a request's head may take: aiohttp's
default is an hour, in which a few addresses could hold all connections that there are."""

_THREADS: Final = 2


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the halves of the server work; `detail` is a sentence where one does not."""

    broker: bool
    coordinator: bool
    detail: str | None = None

    @property
    def works(self) -> bool:
        """Whether both do."""
        return self.broker and self.coordinator


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """What can be set of it.

    Attributes:
        public_url: the page's address for the world, where there is one.
        trusted_proxies: addresses and networks whose `X-Forwarded-For` counts.
        allowed_origins: of pages elsewhere that may use the API.
        web_dir: a folder with the built page; None: the one that came with the package.
        login_ttl: how long a login's token lives, in seconds.
        music: a folder with music; looked through as long as the application runs.
        music_key: signs the addresses of its tracks; secret.
        elsewhere: other servers that have music.
    """

    public_url: str | None = None
    trusted_proxies: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    web_dir: Path | None = None
    login_ttl: int = LOGIN_TTL
    music: MusicFolder | None = None
    music_key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    elsewhere: Elsewhere = field(default_factory=Elsewhere)


def make_app(
    accounts: Accounts,
    health: Callable[[], Health],
    metrics: Callable[[], str],
    settings: HttpSettings,
    *,
    upgrade: Callable[[web.Request, bytes], None] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> web.Application:
    """The application, for `web.AppRunner(app, access_log=None)`.

    `health` and `metrics` are asked in the event loop and must answer at once; `clock` is in
    seconds and never goes back. `upgrade` takes a connection over that asks for MQTT, with the
    bytes of its request's head.
    """
    app = web.Application(client_max_size=BODY_BYTES, middlewares=[errors])
    app.on_response_prepare.append(_headers(settings))
    threads = Threads("accounts", _THREADS)
    app.cleanup_ctx.append(threads.running)
    door = Door(
        accounts,
        threads,
        trusted_proxies=settings.trusted_proxies,
        allowed_origins=settings.allowed_origins,
        clock=clock,
    )
    AccountsApi(accounts, door, threads, ttl=settings.login_ttl, clock=clock).add_to(app)
    tickets = Tickets(settings.music_key)
    MusicApi(accounts, door, settings.music, tickets, settings.elsewhere).add_to(app)

    async def healthz(_request: web.Request) -> web.Response:
        now = health()
        body: dict[str, Any] = {"status": "ok" if now.works else "failing"}
        body |= {"broker": now.broker, "coordinator": now.coordinator}
        if now.detail is not None:
            body["detail"] = now.detail
        return web.json_response(body, status=200 if now.works else 503)

    async def prometheus(_request: web.Request) -> web.Response:
        text = metrics().encode()
        return web.Response(body=text, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    async def mqtt(request: web.Request) -> web.Response:
        if upgrade is None or request.headers.get("Upgrade", "").lower() != "websocket":
            raise web.HTTPNotFound
        lines = (f"GET {request.raw_path} HTTP/1.1".encode(), *map(b": ".join, request.raw_headers))
        upgrade(request, b"\r\n".join(lines) + b"\r\n\r\n")
        return web.Response()  # to nobody: the connection is not aiohttp's any more

    app.router.add_get("/{prefix:(.*/)?}mqtt", mqtt)
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/metrics", prometheus)
    add_page(app, settings.web_dir or BUILT, media=settings.elsewhere.policy())
    return app


def _headers(settings: HttpSettings) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    always = {
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Server": "soul-connect",
    }
    if (settings.public_url or "").startswith("https:"):
        always["Strict-Transport-Security"] = "max-age=31536000"

    async def add(_request: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(always)
        response.headers.setdefault("Content-Security-Policy", NOTHING)
        response.headers.setdefault("Cache-Control", "no-store")

    return add
