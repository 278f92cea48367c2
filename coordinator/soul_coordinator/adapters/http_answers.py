"""What the HTTP server says where it does not do as asked: `{error, message}`, and never more."""

import asyncio
import json
import math
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog
from aiohttp import web

from soul_coordinator.accounts_errors import (
    BadRequest,
    NoSuchUser,
    Refused,
    TooManyInvitations,
)

BODY_BYTES: Final = 16 * 1024
BODY_SECONDS: Final = 10.0
"""Within which a body has to be there."""

# Our own words: the standard phrases change with Python's version.
_PLAIN: Final = {
    404: ("not_found", "There is nothing here."),
    405: ("method_not_allowed", "This address does not take this method."),
    413: ("payload_too_large", "The body is too large."),
}

_log = structlog.get_logger("soul_coordinator.http")


@web.middleware
async def errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Every error as JSON; what is our own bug says no more than that."""
    try:
        return await handler(request)
    except Refused as problem:
        raise unauthorized("refused", str(problem)) from None
    except NoSuchUser:
        # Removed between two looks at it: no bug of ours.
        raise unauthorized("refused", "This account is gone.") from None
    except BadRequest as problem:
        raise error(web.HTTPBadRequest(), "bad_request", str(problem)) from None
    except TooManyInvitations as problem:
        raise error(web.HTTPTooManyRequests(), "too_many_invitations", str(problem)) from None
    except web.HTTPException as problem:
        if problem.status >= 400 and problem.content_type != "application/json":
            error(problem, *_PLAIN.get(problem.status, ("bad_request", "This request cannot be served.")))
        raise
    except Exception as problem:
        # Our own bug: the log has it, and who asked learns no more than that.
        _log.exception("request failed", method=request.method, path=request.path)
        raise error(web.HTTPInternalServerError(), "internal", "Something went wrong.") from problem


async def json_body(request: web.Request, *, most: int = BODY_BYTES) -> dict[str, Any]:
    """The body of a request, at most `most` bytes long.

    Raises:
        BadRequest: it is no JSON object.
        HTTPRequestEntityTooLarge: it is longer.
        HTTPRequestTimeout: it does not come.
    """
    try:
        async with asyncio.timeout(BODY_SECONDS):
            given = await request.clone(client_max_size=most).read()
    except TimeoutError:
        raise error(web.HTTPRequestTimeout(), "timeout", "The body did not come in time.") from None
    try:
        body = json.loads(given)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise BadRequest("The body is to be a JSON object.")
    return body


def text(body: dict[str, Any], key: str) -> str:
    """A text of the body.

    Raises:
        BadRequest: it is missing, or is none.
    """
    value = body.get(key)
    if not isinstance(value, str):
        raise BadRequest(f"{key} is missing, or is not a text.")
    return value


def unauthorized(code: str, message: str) -> web.HTTPException:
    """Without a token that counts."""
    return error(web.HTTPUnauthorized(headers={"WWW-Authenticate": "Bearer"}), code, message)


def too_many(wait: float) -> web.HTTPException:
    """Whoever it is has to wait so many seconds."""
    headers = {"Retry-After": str(max(1, math.ceil(wait)))}
    return error(web.HTTPTooManyRequests(headers=headers), "too_many_tries", "Too many tries: wait a while.")


def busy(message: str) -> web.HTTPException:
    """It cannot be done at the moment."""
    return error(web.HTTPServiceUnavailable(headers={"Retry-After": "1"}), "unavailable", message)


def error(response: web.HTTPException, code: str, message: str) -> web.HTTPException:
    """Give an error its JSON body."""
    response.content_type = "application/json"
    response.text = json.dumps({"error": code, "message": message})
    return response
