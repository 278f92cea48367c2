"""A file of sound, with Range as RFC 9110 wants it where aiohttp reads it otherwise."""

import asyncio
import re
from pathlib import Path
from typing import Final

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter
from multidict import CIMultiDict

_RANGE: Final = re.compile(r"bytes=(?:([0-9]{1,18})-([0-9]{0,18})|-0*[1-9][0-9]{0,17})")


class Sound(web.FileResponse):
    """A file, sent as it is or a range of it.

    A `Range` that is none, or several, counts for nothing: the whole file is sent (RFC 9110
    section 14.2); likewise where `If-Range` speaks of another file (section 13.1.5).
    """

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Send it."""
        headers = CIMultiDict(request.headers)
        # A compressed file beside it is not asked for.
        headers.popall(hdrs.ACCEPT_ENCODING, None)
        asked = headers.pop(hdrs.RANGE, "").strip().lower()
        tag = headers.get(hdrs.IF_RANGE, "")
        if _is_one(asked) and await asyncio.to_thread(_still, tag, self._path):
            headers[hdrs.RANGE] = asked
        return await super().prepare(request.clone(headers=headers))


def _is_one(asked: str) -> bool:
    match = _RANGE.fullmatch(asked)
    return match is not None and not (match[2] and int(match[2]) < int(match[1]))


def _still(tag: str, file: Path) -> bool:
    """Whether an entity tag is this file's; a date is left to aiohttp."""
    if not tag.endswith('"'):
        return True
    try:
        found = file.stat()
    except OSError:
        return False
    return tag == f'"{found.st_mtime_ns:x}-{found.st_size:x}"'
