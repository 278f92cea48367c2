"""Who comes in: how often, with which token, and on which thread the work is done."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

import structlog
from aiohttp import web

from soul_coordinator.accounts import Accounts
from soul_coordinator.adapters.http_addresses import Callers
from soul_coordinator.adapters.http_answers import busy, error, too_many, unauthorized
from soul_coordinator.adapters.http_limits import Tries
from soul_coordinator.adapters.sqlite_errors import StoreError
from soul_protocol.tokens import TokenClaims

REQUESTS_PER_MINUTE: Final = 600
"""Requests to the API from one address; many users may share one."""

_WAITING: Final = 64
"""Requests that may wait for a thread."""

_ANSWER = TypeVar("_ANSWER")
_log = structlog.get_logger("soul_coordinator.http")


class Threads:
    """A few threads for what blocks, and a bounded number of those who wait for one."""

    def __init__(self, name: str, count: int, *, initializer: Callable[[], None] | None = None) -> None:
        self._name = name
        self._initializer = initializer
        self._count = count
        self._executor: ThreadPoolExecutor | None = None
        self._waiting = 0

    async def running(self, _app: web.Application) -> AsyncIterator[None]:
        """As long as the application runs."""
        self._executor = ThreadPoolExecutor(
            self._count, thread_name_prefix=self._name, initializer=self._initializer
        )
        yield
        # What is under way may wait for a disk; the rest of the server ends meanwhile.
        await asyncio.to_thread(self._executor.shutdown, cancel_futures=True)

    async def call(self, work: Callable[[], _ANSWER]) -> _ANSWER:
        """Do it, there.

        Raises:
            HTTPServiceUnavailable: too many wait, or the database does not work.
        """
        if self._executor is None or self._waiting >= _WAITING:
            raise busy("The server is busy; try again.")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work)
        except StoreError as problem:
            _log.error("accounts unavailable", why=str(problem))
            raise busy("The server cannot save at the moment; try again.") from problem
        finally:
            self._waiting -= 1


class Door:
    """Admits requests to the API."""

    def __init__(
        self,
        accounts: Accounts,
        threads: Threads,
        *,
        trusted_proxies: tuple[str, ...],
        allowed_origins: tuple[str, ...],
        clock: Callable[[], float],
    ) -> None:
        self._origins = frozenset(allowed_origins)
        self._accounts = accounts
        self._threads = threads
        self._callers = Callers(trusted_proxies)
        self._requests = Tries(REQUESTS_PER_MINUTE, 60, clock=clock, keys=1_000)

    def admit(self, request: web.Request) -> str:
        """The caller's name, unless it asks too often, or is a page of another server."""
        if not self._may_ask(request):
            raise forbidden("A page of another server may not ask for this.")
        caller = self._callers.name(request.remote, request.headers.getall("X-Forwarded-For", ()))
        if wait := self._requests.wait(caller):
            raise too_many(wait)
        return caller

    def _may_ask(self, request: web.Request) -> bool:
        """Whether it is no browser, or a page of our own or of `allowed_origins`.

        Any page can have its visitor's browser send a POST. It could read no answer, but would guess
        passwords from within the house, and use up the tries of those who live there.
        """
        origin = request.headers.get("Origin")
        if origin is None or origin in self._origins:
            return True
        # Who could lie about the second one is no page.
        hosts = request.headers.getall("Host", []) + request.headers.getall("X-Forwarded-Host", [])
        return origin.partition("://")[2].lower() in {
            host.strip().lower() for each in hosts for host in each.split(",")
        }

    async def claims(self, request: web.Request) -> TokenClaims:
        """Of the bearer token that came along, and counts.

        Raises:
            HTTPUnauthorized: there is none.
            Refused: it does not.
        """
        self.admit(request)
        token = bearer(request)
        return await self._threads.call(lambda: self._accounts.authenticate(token))


def bearer(request: web.Request) -> str:
    """The token in the header; one in a query does not count.

    Raises:
        HTTPUnauthorized: there is none.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        message = "Send the token as `Authorization: Bearer TOKEN`."
        raise unauthorized("no_token", message)
    return token.strip()


def forbidden(message: str) -> web.HTTPException:
    """Known, and still not allowed to."""
    return error(web.HTTPForbidden(), "forbidden", message)
