"""All rules, one after the other."""

import asyncio
import ssl
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from soul_connect.address import Address
from soul_connect.conformance.client_rules import CLIENT
from soul_connect.conformance.house import House, house
from soul_connect.conformance.music_rules import MUSIC
from soul_connect.conformance.peer import peer
from soul_connect.conformance.server_rules import ARRIVAL, ENDINGS
from soul_connect.conformance.verdict import PROMPT, Finding, find
from soul_connect.conformance.visitor import PINGS_WITHIN, TRACKS, Visitor
from soul_connect.errors import SoulConnectError
from soul_connect.link import Dial
from soul_protocol.down import CoordinatorStatus, PlaybackStateMessage
from soul_protocol.topics import COORDINATOR


class OccupiedError(SoulConnectError):
    """Somebody else is at work there, whom the rules would disturb."""


async def try_server(
    address: Address, *, user: str, token: str, tls: ssl.SSLContext | None, prompt: float = PROMPT
) -> AsyncIterator[Finding]:
    """Try every rule on a server, with devices of `user` that are forgotten afterwards.

    An answer may take `prompt` seconds.

    Raises:
        LinkLost: nobody could connect.
        OccupiedError: this user is listening to music.
    """
    async with house(address=address, user=user, token=token, tls=tls, prompt=prompt) as stage:
        await _nobody_listens(stage)
        for rule in (*ARRIVAL, *MUSIC, *ENDINGS):
            yield await find(rule, stage)


async def _nobody_listens(stage: House) -> None:
    """The rules move the music about; that is for a user of their own.

    Raises:
        OccupiedError: there is some.
    """
    async with peer(stage.dial(str(uuid.uuid4()))) as one:
        told = await one.find(PlaybackStateMessage, within=1)
        if told is not None and told.state.is_playing:
            raise OccupiedError(f"{stage.user} is listening to music: try it as a user of its own")


async def try_client(
    address: Address,
    *,
    user: str,
    token: str,
    tls: ssl.SSLContext | None,
    patience: float,
    tracks: tuple[str, ...] = TRACKS,
    prompt: float = PROMPT,
    pings_within: float = PINGS_WITHIN,
) -> AsyncIterator[Finding]:
    """Be the coordinator at a broker that has none, and try every rule on the first client that registers.

    It has `patience` seconds to come; an answer may take `prompt` seconds.

    Raises:
        LinkLost: nobody could connect.
        OccupiedError: there is a coordinator.
    """
    filters = ("soul/v1/+/+/+/up/+", COORDINATOR)
    dial = Dial(
        address=address,
        client_id=f"conformance-{uuid.uuid4().hex[:8]}",
        user=user,
        token=token,
        will=None,
        filters=filters,
        tls=tls,
    )
    async with peer(dial, prompt=prompt) as service:
        visitor = Visitor(service, patience, tracks, pings_within=pings_within)
        service.overhear = visitor.overhear
        status = await service.find(CoordinatorStatus, within=1)
        if status is not None and status.online:
            raise OccupiedError("a coordinator is at work on this broker: stop it first")
        await visitor.announce()
        async with _at_work(visitor):
            for rule in CLIENT:
                yield await find(rule, visitor)
        await visitor.announce(online=False)


@asynccontextmanager
async def _at_work(visitor: Visitor) -> AsyncIterator[None]:
    answering = asyncio.create_task(visitor.answer_pings())
    try:
        yield
    finally:
        answering.cancel()
        await asyncio.gather(answering, return_exceptions=True)
