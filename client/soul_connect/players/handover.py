"""What a renderer takes over and gives away: positions on the coordinator's clock."""

import asyncio
from typing import Final

from soul_connect.picture import position_at
from soul_connect.players.station import Station
from soul_connect.players.turntable import Turntable
from soul_protocol.models import PlaybackState, ReportedState

START_AFTER: Final = 120
"""How long (ms) after the commit a handed-over track sounds: by then the old renderer is silent.

The position counts it, so that everyone still agrees; nobody misses a moment that short.
"""


def server_now(station: Station, state: PlaybackState) -> int:
    """Now on the coordinator's clock; before the first contact, when `state` was true."""
    now = station.server_time(station.now())
    return state.position_at if now is None else now


def position_now(station: Station, state: PlaybackState) -> int:
    """Where the music of `state` is now."""
    return position_at(state, server_now(station, state))


async def sound(station: Station, table: Turntable, state: PlaybackState, at: int) -> None:
    """Play what is loaded for the moment `at`, when that has come."""
    late = server_now(station, state) - at
    if late < 0:
        await asyncio.sleep(-late / 1_000)
    elif late > START_AFTER:
        # Loading took its time: the music is further by now.
        await table.seek(position_now(station, state))
    await table.play()


def reported(table: Turntable, position_ms: int, at: int | None, *, queue: bool = False) -> ReportedState:
    """What is on the turntable, as a report says it; with its queue where that is to be told."""
    return ReportedState(
        track_id=table.track_id or table.deck.track(),
        position_ms=position_ms,
        position_at=at,
        is_playing=table.playing,
        queue=table.deck.tracks if queue and not table.deck.is_window else None,
        queue_position=table.deck.index,
        volume=table.volume,
        shuffle=table.deck.shuffle,
        repeat_mode=table.deck.repeat,
        duration_ms=table.duration_ms,
        error=table.error,
    )
