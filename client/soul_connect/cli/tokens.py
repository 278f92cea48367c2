"""The dates of a token, read without judging it: that is the server's part."""

import base64
import json
import math


def token_dates(token: str) -> tuple[int | None, int | None]:
    """When it was issued and when it expires, in s since the epoch; None where it does not say."""
    body = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    issued, expires = (claims.get(name) for name in ("iat", "exp"))
    return _seconds(issued), _seconds(expires)


def _seconds(value: object) -> int | None:
    return int(value) if isinstance(value, int | float) and math.isfinite(value) else None
