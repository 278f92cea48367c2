"""What a token says, read without judging it: that is the server's part."""

import base64
import json
import math
from typing import Any


def token_dates(token: str) -> tuple[int | None, int | None]:
    """When it was issued and when it expires, in s since the epoch; None where it does not say."""
    claims = _claims(token)
    issued, expires = (claims.get(name) for name in ("iat", "exp"))
    return _seconds(issued), _seconds(expires)


def token_user(token: str) -> str | None:
    """Whose it is; None for what is no token."""
    try:
        user = _claims(token).get("sub")
    except (ValueError, IndexError, AttributeError):
        return None
    return user if isinstance(user, str) else None


def _claims(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return claims


def _seconds(value: object) -> int | None:
    return int(value) if isinstance(value, int | float) and math.isfinite(value) else None
