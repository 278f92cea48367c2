"""The HTTP API: login, refresh, invitations; health and metrics; the page.

    POST /api/login    {user, password, device?}   -> {token, user, expires_at}
    POST /api/refresh  Authorization: Bearer TOKEN -> the same
    POST /api/invite   {code, device}              -> the same
    GET  /healthz      200 or 503, JSON
    GET  /metrics      Prometheus' text
    GET  /             the page

`expires_at` is in ms since the Unix epoch. An error is `{error, message}`. Every address in
an answer is relative, so all of it works under a path prefix of a proxy. Tokens, passwords
and codes are read from bodies and headers only, and never logged.
"""

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog
from aiohttp import web

from soul_coordinator.accounts import LOGIN_TTL, Accounts
from soul_coordinator.accounts_errors import BadRequest, Refused
from soul_coordinator.adapters.http_addresses import Callers
from soul_coordinator.adapters.http_limits import Tries
from soul_coordinator.adapters.http_page import NOTHING, add_page
from soul_coordinator.adapters.sqlite_errors import StoreError
from soul_coordinator.tokens import IssuedToken
from soul_protocol.topics import is_user

BODY_BYTES: Final = 16 * 1024
LOGINS_PER_MINUTE: Final = 5
"""Tries for one user from one address, right or wrong."""

REQUESTS_PER_MINUTE: Final = 600
"""Requests to the API from one address; many users may share one."""

_THREADS: Final = 2
"""Each login takes argon2's 64 MiB and some 50 ms of a core."""

_WAITING: Final = 64
"""Requests that may wait for a thread."""

# Our own words: the standard phrases change with Python's version.
_PLAIN: Final = {
    404: ("not_found", "There is nothing here."),
    405: ("method_not_allowed", "This address does not take this method."),
    413: ("payload_too_large", f"The body is larger than {BODY_BYTES} bytes."),
}

_ANSWER = TypeVar("_ANSWER")
_log = structlog.get_logger("soul_coordinator.http")


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
        web_dir: a folder with the built page.
        login_ttl: how long a login's token lives, in seconds.
    """

    public_url: str | None = None
    trusted_proxies: tuple[str, ...] = ()
    web_dir: Path | None = None
    login_ttl: int = LOGIN_TTL


def make_app(
    accounts: Accounts,
    health: Callable[[], Health],
    metrics: Callable[[], str],
    settings: HttpSettings,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> web.Application:
    """The application, for `web.AppRunner(app, access_log=None)`.

    `health` and `metrics` are asked in the event loop and must answer at once; `clock` is in
    seconds and never goes back.
    """
    api = _Api(accounts, settings, clock)
    app = web.Application(client_max_size=BODY_BYTES, middlewares=[_errors])
    app.cleanup_ctx.append(api.threads)
    app.on_response_prepare.append(_headers(settings))
    app.router.add_post("/api/login", api.login)
    app.router.add_post("/api/refresh", api.refresh)
    app.router.add_post("/api/invite", api.invite)

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

    app.router.add_get("/healthz", healthz)
    app.router.add_get("/metrics", prometheus)
    add_page(app, settings.web_dir)
    return app


class _Api:
    """The three ways to a token."""

    def __init__(self, accounts: Accounts, settings: HttpSettings, clock: Callable[[], float]) -> None:
        self._accounts = accounts
        self._ttl = settings.login_ttl
        self._callers = Callers(settings.trusted_proxies)
        self._logins = Tries(LOGINS_PER_MINUTE, 60, clock=clock)
        self._requests = Tries(REQUESTS_PER_MINUTE, 60, clock=clock, keys=1_000)
        self._executor: ThreadPoolExecutor | None = None
        self._waiting = 0

    async def threads(self, _app: web.Application) -> AsyncIterator[None]:
        """Threads for argon2 and the database, as long as the application runs."""
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="accounts")
        yield
        self._executor.shutdown(cancel_futures=True)

    async def login(self, request: web.Request) -> web.Response:
        caller = self._admit(request)
        body = await _json_body(request)
        user, password = _text(body, "user"), _text(body, "password")
        device = _text(body, "device") if body.get("device") is not None else None
        # Names that nobody can have share their tries.
        wait = self._logins.wait((user if is_user(user) else "", caller))
        if wait:
            raise _too_many(wait)
        try:
            issued = await self._in_thread(
                lambda: self._accounts.login(user, password, device, ttl=self._ttl)
            )
        except Refused:
            _log.info("login refused", user=user if is_user(user) else None, caller=caller)
            raise
        _log.info("login", user=user, caller=caller, jti=issued.claims.jti)
        return _granted(issued)

    async def refresh(self, request: web.Request) -> web.Response:
        self._admit(request)
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise _error(
                web.HTTPUnauthorized(headers={"WWW-Authenticate": "Bearer"}),
                "no_token",
                "Send the old token as `Authorization: Bearer TOKEN`.",
            )
        return _granted(await self._in_thread(lambda: self._accounts.refresh(token.strip())))

    async def invite(self, request: web.Request) -> web.Response:
        caller = self._admit(request)
        body = await _json_body(request)
        code, device = _text(body, "code"), _text(body, "device")
        issued = await self._in_thread(lambda: self._accounts.redeem(code, device))
        _log.info("guest admitted", user=issued.claims.sub, device=device, caller=caller)
        return _granted(issued)

    def _admit(self, request: web.Request) -> str:
        """The caller's name, unless it asks too often."""
        caller = self._callers.name(request.remote, request.headers.getall("X-Forwarded-For", ()))
        if wait := self._requests.wait(caller):
            raise _too_many(wait)
        return caller

    async def _in_thread(self, call: Callable[[], _ANSWER]) -> _ANSWER:
        if self._executor is None or self._waiting >= _WAITING:
            raise _busy("The server is busy; try again.")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, call)
        except StoreError as error:
            _log.error("accounts unavailable", why=str(error))
            raise _busy("The server cannot save at the moment; try again.") from error
        finally:
            self._waiting -= 1


@web.middleware
async def _errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Every error as JSON; what is our own bug says no more than that."""
    try:
        return await handler(request)
    except Refused as error:
        raise _error(web.HTTPUnauthorized(), "refused", str(error)) from None
    except BadRequest as error:
        raise _error(web.HTTPBadRequest(), "bad_request", str(error)) from None
    except web.HTTPException as error:
        if error.status >= 400 and error.content_type != "application/json":
            _error(error, *_PLAIN.get(error.status, ("bad_request", "This request cannot be served.")))
        raise
    except asyncio.CancelledError:
        raise
    except Exception as error:
        _log.exception("request failed", method=request.method, path=request.path)
        raise _error(web.HTTPInternalServerError(), "internal", "Something went wrong.") from error


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


async def _json_body(request: web.Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.read())
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise BadRequest("The body is to be a JSON object.")
    return body


def _text(body: dict[str, Any], key: str) -> str:
    value = body.get(key)
    if not isinstance(value, str):
        raise BadRequest(f"{key} is missing, or is not a text.")
    return value


def _granted(issued: IssuedToken) -> web.Response:
    return web.json_response(
        {"token": issued.token, "user": issued.claims.sub, "expires_at": issued.expires_at}
    )


def _too_many(wait: float) -> web.HTTPException:
    headers = {"Retry-After": str(max(1, math.ceil(wait)))}
    return _error(web.HTTPTooManyRequests(headers=headers), "too_many_tries", "Too many tries: wait a while.")


def _busy(message: str) -> web.HTTPException:
    return _error(web.HTTPServiceUnavailable(headers={"Retry-After": "1"}), "unavailable", message)


def _error(response: web.HTTPException, code: str, message: str) -> web.HTTPException:
    """Give an error its JSON body."""
    response.content_type = "application/json"
    response.text = json.dumps({"error": code, "message": message})
    return response
