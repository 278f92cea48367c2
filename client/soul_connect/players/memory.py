"""What a player's next run needs, written to its device file at the right moments."""

import logging
from collections.abc import Callable
from typing import Final

from soul_connect.device_file import DeviceFile
from soul_connect.players.renderer import Renderer

_log = logging.getLogger("soul_connect")

SAVE_EVERY: Final = 30_000
"""How often (ms) the position is written while playing."""

SAVE_VOLUME: Final = 2_000
"""How long (ms) after a change the volume is written: a slider that is dragged is one change."""


class Memory:
    """Keeps the name, the volume and the last known state. A file that cannot be written stops no music."""

    def __init__(self, file: DeviceFile, renderer: Renderer, now: Callable[[], float]) -> None:
        """`now` is the local clock, in ms."""
        self._file = file
        self._renderer = renderer
        self._now = now
        self._saved: tuple[object, ...] = ()
        self._saved_at = 0.0
        self._volume_due: float | None = None
        self._complained = False

    @property
    def deadline(self) -> float | None:
        """When to call `look` at the latest, in ms of the local clock."""
        return self._volume_due

    def look(self, name: str | None = None) -> None:
        """Something has happened: keep the volume, and of a player that is online under `name` the rest.

        Written at each change but the position's, that every 30 s.
        """
        now, table = self._now(), self._renderer.table
        if table.volume == self._file.volume:
            self._volume_due = None
        elif self._volume_due is None:
            self._volume_due = now + SAVE_VOLUME
        elif self._volume_due <= now:
            self._volume_due = None
            self._write(lambda: self._file.keep_volume(table.volume))
        if name is None:
            return
        what = (
            name,
            self._renderer.epoch,
            table.track_id,
            table.deck.index,
            table.playing,
            table.deck.repeat,
        )
        if what != self._saved or (table.playing and now - self._saved_at >= SAVE_EVERY):
            self._saved, self._saved_at = what, now
            self._write(lambda: self._keep(name))

    def end(self, name: str | None = None) -> None:
        """The run ends: keep how loud it was, and if it is online where it stopped."""
        self._write(lambda: self._file.keep_volume(self._renderer.table.volume))
        if name is not None:
            self._write(lambda: self._keep(name))

    def _keep(self, name: str) -> None:
        last = self._renderer.offer(self._now()).last_known_state
        # The next run begins silent, wherever this one ends.
        silent = None if last is None else last.model_copy(update={"is_playing": False, "position_at": None})
        self._file.keep_name(name)
        self._file.keep_state(silent)

    def _write(self, write: Callable[[], None]) -> None:
        try:
            write()
        except OSError as error:
            if not self._complained:
                _log.warning("%s cannot be written, and a restart forgets: %s", self._file.path, error)
            self._complained = True
        else:
            self._complained = False
