"""What tracks are called, what they look like, and where they can be heard.

    POST /api/tracks    Authorization: Bearer TOKEN, {ids} -> {tracks: {id: {title?, cover?, stream?, ...}}}
    GET  /api/library   Authorization: Bearer TOKEN -> {tracks, total, offset, next_offset, scanning}
    GET  /stream/USER/TICKET/TRACK   the sound, with Range
    GET  /covers/NAME   a picture

Addresses in answers are relative to the page's, or another server's where one was set.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlsplit

from aiohttp import web

from soul_coordinator.accounts import Accounts
from soul_coordinator.accounts_errors import BadRequest
from soul_coordinator.adapters.http_answers import error, json_body
from soul_coordinator.adapters.http_door import Door, Threads, forbidden
from soul_coordinator.adapters.http_ranges import Sound
from soul_coordinator.music.folder import MusicFolder
from soul_coordinator.music.tickets import BadTicket, TicketOver, Tickets
from soul_coordinator.music.track import Track
from soul_protocol.roles import Role, Scope
from soul_protocol.tokens import TokenClaims

IDS: Final = 100
"""Tracks that can be asked for at once."""

LIMIT: Final = 500
"""Tracks on a page of the library, at most."""

_DEFAULT_LIMIT: Final = 200
_TRACK_CHARACTERS: Final = 256
_IDS_BYTES: Final = 160 * 1024
_SEARCH_CHARACTERS: Final = 100
_OFFSET: Final = 1_000_000
_MAX_AGE: Final = 600
_THREADS: Final = 2


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Other servers that have tracks.

    Attributes:
        template: an address with `{track}` in it, for any track that is not in the folder.
        origins: of tracks whose id is an address itself.
    """

    template: str | None = None
    origins: tuple[str, ...] = ()

    def address(self, track_id: str) -> str | None:
        """Where a track can be heard, if anywhere. An id leads nowhere but where it was allowed to."""
        if "://" in track_id:
            try:
                parts = urlsplit(track_id)
            except ValueError:
                return None
            return track_id if f"{parts.scheme}://{parts.netloc}" in self.origins else None
        if self.template is None or track_id in {".", ".."}:
            return None
        try:
            return self.template.replace("{track}", quote(track_id, safe=""))
        except UnicodeEncodeError:  # half a character is no part of an address
            return None

    def policy(self) -> str:
        """These servers, as a Content-Security-Policy names them."""
        origins = set(self.origins)
        if self.template is not None:
            parts = urlsplit(self.template)
            origins.add(f"{parts.scheme}://{parts.netloc}")
        return " ".join(sorted(origins))


class MusicApi:
    """The handlers. `now` is in ms since the Unix epoch."""

    def __init__(
        self,
        accounts: Accounts,
        door: Door,
        folder: MusicFolder | None,
        tickets: Tickets,
        elsewhere: Elsewhere,
        *,
        now: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._accounts = accounts
        self._door = door
        self._folder = folder
        self._tickets = tickets
        self._elsewhere = elsewhere
        self._now = now
        # Not those of the accounts: a folder on a sleepy disk keeps nobody from signing in.
        self._threads = Threads("music", _THREADS)

    def add_to(self, app: web.Application) -> None:
        """Route to them."""
        app.cleanup_ctx.append(self._threads.running)
        app.router.add_post("/api/tracks", self.tracks)
        app.router.add_get("/api/library", self.library)
        if self._folder is not None:
            app.cleanup_ctx.append(self._looking)
            app.router.add_get("/stream/{user}/{ticket}/{track:.+}", self.stream)
            app.router.add_get("/covers/{name}", self.cover)

    async def _looking(self, _app: web.Application) -> AsyncIterator[None]:
        assert self._folder is not None  # noqa: S101 (added only then)
        self._folder.start()
        yield
        # Its thread may hang on a disk that sleeps; the rest of the server ends meanwhile.
        await asyncio.to_thread(self._folder.close)

    async def tracks(self, request: web.Request) -> web.Response:
        """What is known of some tracks."""
        claims = await self._door.claims(request)
        ids = (await json_body(request, most=_IDS_BYTES)).get("ids")
        if (
            not isinstance(ids, list)
            or not 1 <= len(ids) <= IDS
            or not all(isinstance(each, str) and 1 <= len(each) <= _TRACK_CHARACTERS for each in ids)
        ):
            raise BadRequest(f"ids is a list of 1 to {IDS} track ids.")
        found = {each: self._describe(each, claims) for each in ids}
        return web.json_response({"tracks": {each: known for each, known in found.items() if known}})

    async def library(self, request: web.Request) -> web.Response:
        """A page of the folder's tracks."""
        claims = await self._door.claims(request)
        if claims.role is Role.GUEST and Scope.QUEUE not in claims.scope:
            raise forbidden("This guest may not choose the music.")
        offset = _number(request, "offset", 0, 0, _OFFSET)
        limit = _number(request, "limit", _DEFAULT_LIMIT, 1, LIMIT)
        search = request.query.get("search", "")
        if len(search) > _SEARCH_CHARACTERS:
            raise BadRequest(f"search has at most {_SEARCH_CHARACTERS} characters.")
        folder = self._folder
        if folder is None:
            return web.json_response(
                {"tracks": [], "total": 0, "offset": offset, "next_offset": None, "scanning": False}
            )
        folder.look_again()
        page = await self._threads.call(lambda: folder.page(offset, limit, search))
        return web.json_response(
            {
                "tracks": [{"id": track.id, **track.describe()} for track in page.tracks],
                "total": page.total,
                "offset": page.offset,
                "next_offset": page.next_offset,
                "scanning": folder.scanning,
            }
        )

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """The sound of a track."""
        assert self._folder is not None  # noqa: S101 (routed only then)
        folder, asked = self._folder, request.match_info
        user, track_id = asked["user"], asked["track"]
        try:
            jti = self._tickets.check(asked["ticket"], user, track_id, now=self._now())
        except BadTicket:
            raise error(web.HTTPForbidden(), "bad_signature", "This address was not given out.") from None
        except TicketOver:
            raise error(web.HTTPForbidden(), "expired", "This address has expired: ask again.") from None
        if not await self._threads.call(lambda: self._accounts.stands(user, jti)):
            text = "Who was given this address has signed out: sign in, and ask again."
            raise error(web.HTTPForbidden(), "revoked", text)
        track = folder.track(track_id)
        file = None if track is None else await self._threads.call(lambda: folder.file(track))
        if track is None or file is None:
            raise web.HTTPNotFound
        headers = {"Content-Type": track.media_type, "Cache-Control": f"private, max-age={_MAX_AGE}"}
        return Sound(file, headers=headers)

    async def cover(self, request: web.Request) -> web.Response:
        """A picture. Its name comes from its content: whoever knows it was told, and it never changes."""
        assert self._folder is not None  # noqa: S101 (routed only then)
        folder, name = self._folder, request.match_info["name"]
        found = await self._threads.call(lambda: folder.cover(name))
        if found is None:
            raise web.HTTPNotFound
        headers = {
            "Cache-Control": "public, max-age=31536000, immutable",
            "Content-Type": found.media_type,
            # A drawing may bring its style, but neither scripts nor anything from elsewhere.
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
        }
        return web.Response(body=found.data, headers=headers)

    def _describe(self, track_id: str, claims: TokenClaims) -> dict[str, Any]:
        track = None if self._folder is None else self._folder.track(track_id)
        found = {} if track is None else track.describe()
        if claims.role is Role.DEVICE:
            if track is not None:
                found |= self._ticket(track, claims)
            elif (address := self._elsewhere.address(track_id)) is not None:
                found["stream"] = address
        return found

    def _ticket(self, track: Track, claims: TokenClaims) -> dict[str, Any]:
        lasts = track.tags.duration_ms or 0
        ticket = self._tickets.make(claims.sub, claims.jti, track.id, now=self._now(), duration_ms=lasts)
        address = f"stream/{quote(claims.sub)}/{ticket.text}/{quote(track.id)}"
        return {"stream": address, "stream_expires_at": ticket.expires_at}


def _number(request: web.Request, name: str, default: int, low: int, high: int) -> int:
    given = request.query.get(name)
    if given is None:
        return default
    if not (given.isascii() and given.isdigit() and len(given) <= 9 and low <= int(given) <= high):
        raise BadRequest(f"{name} is a whole number from {low} to {high}.")
    return int(given)
