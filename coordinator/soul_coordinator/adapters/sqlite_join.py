"""Saves that change the same row, as one: what a command's end takes is three rows, and not five statements.

A batch is in order, and stays so: a pair is joined only where nothing between the two concerns
what is moved.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from soul_coordinator.core.effects import (
    DropPending,
    Save,
    SaveContext,
    SavePending,
    SavePlayback,
    SaveReceipt,
)


@dataclass(slots=True)
class SaveState:
    """The playback of a user, and its context."""

    user: str
    playback: SavePlayback
    context: SaveContext


@dataclass(slots=True)
class EndPending:
    """A pending command came to its end with this answer."""

    user: str
    answer: SaveReceipt


Joined = Save | SaveState | EndPending


def joined(saves: Sequence[Save]) -> Sequence[Joined]:
    """The same changes in the same order, the pairs joined."""
    if len(saves) == 1:
        return saves
    result: list[Joined | None] = []
    # Where in `result` the first of a pair lies: by user, and by request.
    playbacks: dict[str, tuple[int, SavePlayback]] = {}
    dropped: dict[tuple[str, str, str], int] = {}
    for save in saves:
        new: Joined = save
        match save:
            case SavePlayback():
                playbacks[save.user] = len(result), save
            case SaveContext() if save.user in playbacks:
                place, playback = playbacks.pop(save.user)
                result[place] = SaveState(save.user, playback, save)
                continue
            case DropPending():
                dropped[save.user, save.device, save.id] = len(result)
            case SavePending(pending):
                dropped.pop((save.user, pending.requester.device, pending.id), None)
            case SaveReceipt(receipt):
                place = dropped.pop((save.user, receipt.requester.device, receipt.id), -1)
                if place >= 0:
                    result[place] = None
                    new = EndPending(save.user, save)
            case _:
                pass
        result.append(new)
    return [one for one in result if one is not None]
