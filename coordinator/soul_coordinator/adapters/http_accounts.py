"""Ways to a token, and away from it: login, refresh, logout; invitations made and taken.

    POST /api/login        {user, password, device?}   -> {token, user, expires_at}
    POST /api/refresh      Authorization: Bearer TOKEN -> the same
    POST /api/logout       Authorization: Bearer TOKEN -> {}; the token is taken back
    POST /api/invitations  Authorization: Bearer TOKEN, {scope?, ttl?} -> {code, link, scope, expires_at}
    POST /api/invite       {code, device}              -> {token, user, expires_at}

`expires_at` is in ms since the Unix epoch, `ttl` in seconds.
"""

import os
import sys
import threading
from collections.abc import Callable
from typing import Any, Final

import structlog
from aiohttp import web

from soul_coordinator.accounts import Accounts
from soul_coordinator.accounts_errors import BadRequest, Refused
from soul_coordinator.adapters.http_answers import json_body, text, too_many
from soul_coordinator.adapters.http_door import Door, Threads, bearer, forbidden
from soul_coordinator.adapters.http_limits import Tries
from soul_coordinator.tokens import IssuedToken
from soul_protocol.roles import Role, Scope
from soul_protocol.topics import is_user

LOGINS_PER_MINUTE: Final = 5
"""Tries for one user from one address, right or wrong."""

OPEN_INVITATIONS: Final = 20
"""Of one user, made through the API."""

_PASSWORD_THREADS: Final = 2
"""Each password takes argon2's 64 MiB and some 50 ms of a core."""

_INVITATION_TTL: Final = 4 * 3600
_INVITATION_LONGEST: Final = 30 * 24 * 3600
_INVITATION_SCOPE: Final = (Scope.CONTROL, Scope.QUEUE)

_log = structlog.get_logger("soul_coordinator.http")


class AccountsApi:
    """The handlers."""

    def __init__(
        self, accounts: Accounts, door: Door, threads: Threads, *, ttl: int, clock: Callable[[], float]
    ) -> None:
        # Not those of the rest: strangers who guess passwords keep nobody out who is signed in.
        self._passwords = Threads("passwords", _PASSWORD_THREADS, initializer=_behind)
        self._accounts = accounts
        self._door = door
        self._threads = threads
        self._ttl = ttl
        self._logins = Tries(LOGINS_PER_MINUTE, 60, clock=clock)

    def add_to(self, app: web.Application) -> None:
        """Route to them."""
        app.cleanup_ctx.append(self._passwords.running)
        for name in ("login", "refresh", "logout", "invitations", "invite"):
            app.router.add_post(f"/api/{name}", getattr(self, name))

    async def login(self, request: web.Request) -> web.Response:
        """A device's token for a password."""
        caller = self._door.admit(request)
        body = await json_body(request)
        user, password = text(body, "user"), text(body, "password")
        device = text(body, "device") if body.get("device") is not None else None
        # Names that nobody can have share their tries.
        wait = self._logins.wait((user if is_user(user) else "", caller))
        if wait:
            raise too_many(wait)
        try:
            issued = await self._passwords.call(
                lambda: self._accounts.login(user, password, device, ttl=self._ttl)
            )
        except Refused:
            _log.info("login refused", user=user if is_user(user) else None, caller=caller)
            raise
        _log.info("login", user=user, caller=caller, jti=issued.claims.jti)
        return _granted(issued)

    async def refresh(self, request: web.Request) -> web.Response:
        """A new token for an old one."""
        self._door.admit(request)
        token = bearer(request)
        issued = await self._threads.call(lambda: self._accounts.refresh(token))
        _log.info("token refreshed", user=issued.claims.sub, jti=issued.claims.jti)
        return _granted(issued)

    async def logout(self, request: web.Request) -> web.Response:
        """Take the token back, expired or not; its connections end within a second."""
        self._door.admit(request)
        token = bearer(request)
        ended = await self._threads.call(lambda: self._accounts.log_out(token))
        _log.info("logout", user=ended.user, jti=ended.jti)
        return web.json_response({})

    async def invitations(self, request: web.Request) -> web.Response:
        """A link for a guest."""
        claims = await self._door.claims(request)
        if claims.role is not Role.DEVICE:
            raise forbidden("Only a signed-in device can invite a guest.")
        body = await json_body(request)
        scope, ttl = _scope(body.get("scope")), _ttl(body.get("ttl"))
        made = await self._threads.call(
            lambda: self._accounts.invite(claims.sub, scope, ttl=ttl, most=OPEN_INVITATIONS, by=claims.jti)
        )
        _log.info("guest invited", user=claims.sub, scope=[one.value for one in sorted(scope)], ttl=ttl)
        return web.json_response(
            {
                "code": made.code,
                # In the fragment: it is never sent, so no log of a proxy has it.
                "link": f"#invite={made.code}",
                "scope": sorted(made.scope),
                "expires_at": made.expires_at,
            }
        )

    async def invite(self, request: web.Request) -> web.Response:
        """A guest's token for a code."""
        caller = self._door.admit(request)
        body = await json_body(request)
        code, device = text(body, "code"), text(body, "device")
        issued = await self._threads.call(lambda: self._accounts.redeem(code, device))
        _log.info("guest admitted", user=issued.claims.sub, device=device, caller=caller)
        return _granted(issued)


def _scope(given: Any) -> frozenset[Scope]:
    words = list(_INVITATION_SCOPE) if given is None else given
    if not isinstance(words, list) or not all(isinstance(each, str) and each in set(Scope) for each in words):
        raise BadRequest(f"scope is a list of {', '.join(Scope)}.")
    return frozenset(Scope(each) for each in words)


def _ttl(given: Any) -> int:
    if given is None:
        return _INVITATION_TTL
    if not isinstance(given, int) or isinstance(given, bool) or not 60 <= given <= _INVITATION_LONGEST:
        raise BadRequest(f"ttl is a number of seconds from 60 to {_INVITATION_LONGEST}.")
    return given


def _granted(issued: IssuedToken) -> web.Response:
    return web.json_response(
        {"token": issued.token, "user": issued.claims.sub, "expires_at": issued.expires_at}
    )


def _behind() -> None:
    """This thread, and those that argon2 makes, have their turn after all others (Linux counts threads)."""
    if sys.platform == "linux":
        here = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, here, min(19, os.getpriority(os.PRIO_PROCESS, here) + 10))
