"""How a forwarded command is carried out on a turntable."""

from typing import assert_never

from soul_connect.players.deck import Deck
from soul_connect.players.turntable import Turntable
from soul_protocol.commands import (
    ForwardedCommand,
    ForwardedSetQueue,
    ForwardedSetShuffle,
    ForwardedStep,
    Pause,
    Play,
    Seek,
    SetRepeat,
    SetVolume,
    SetWindow,
    Stop,
)
from soul_protocol.errors import Code


class RefusedError(Exception):
    """A command that cannot be carried out.

    Attributes:
        code: why, for the report.
    """

    def __init__(self, code: Code) -> None:
        super().__init__(code)
        self.code = code


async def execute(command: ForwardedCommand, table: Turntable, *, resume_at: int) -> None:
    """Carry it out. `resume_at` (ms): where `play` begins with a track that is not loaded yet.

    Raises:
        RefusedError: it cannot be done here and now; nothing has changed.
        EngineError: the engine failed at it.
    """
    match command:
        case Play():
            if table.track_id is not None:
                await table.play()
            elif not await table.put_on(table.deck, position_ms=resume_at, play=True):
                raise RefusedError(Code.UNSUPPORTED)
        case Pause():
            await table.pause()
        case Stop():
            await table.pause()
            if table.track_id is not None:
                await table.seek(0)
        case Seek(position_ms=position):
            await _seek(table, position)
        case ForwardedStep(queue_position=index, is_playing=playing):
            if not 0 <= index < table.deck.length:
                raise RefusedError(Code.INVALID_COMMAND)
            await table.go_to(index, play=table.playing if playing is None else playing)
        case ForwardedSetQueue():
            await _set_queue(table, command)
        case SetVolume(volume=volume):
            await table.set_volume(volume)
        case ForwardedSetShuffle():
            await table.rearrange(table.deck.with_shuffle(command))
        case SetRepeat(mode=mode):
            await table.rearrange(table.deck.with_repeat(mode))
        case SetWindow(queue_rev=rev):
            if rev < table.deck.rev:
                raise RefusedError(Code.INVALID_COMMAND)  # of an earlier queue: it came late
            await table.rearrange(table.deck.with_window(command))
        case _:
            assert_never(command)


async def _seek(table: Turntable, position_ms: int) -> None:
    if table.track_id is None and not await table.put_on(table.deck, position_ms=position_ms, play=False):
        raise RefusedError(Code.UNSUPPORTED)
    await table.seek(position_ms)


async def _set_queue(table: Turntable, command: ForwardedSetQueue) -> None:
    deck, playing = table.deck.with_queue(command), table.playing
    if not deck.length:
        modes = Deck(shuffle=deck.shuffle, repeat=deck.repeat, rev=deck.rev)
        await table.clear()
        table.deck = modes
    elif command.keep_position and table.track_id is not None and deck.track() == table.track_id:
        await table.rearrange(deck)
    else:
        await table.put_on(deck, position_ms=0, play=playing)
