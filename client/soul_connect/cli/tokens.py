"""The dates of a token, read without judging it: that is the server's part."""

import base64
import json


def token_dates(token: str) -> tuple[int | None, int | None]:
    """When it was issued and when it expires, in s since the epoch; None where it does not say."""
    body = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    issued, expires = claims.get("iat"), claims.get("exp")
    return issued if isinstance(issued, int) else None, expires if isinstance(expires, int) else None
