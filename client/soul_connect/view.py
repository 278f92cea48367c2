"""What to draw: the canonical picture, with the commands under way laid over it."""

from typing import Final

from soul_connect.overlay import Overlay
from soul_connect.picture import Picture
from soul_protocol.models import Device, PlaybackState

CONTINUOUS: Final = 500
"""How far (ms) a position may lie behind the one drawn before and still be the same music going on."""


class View:
    """What is shown of a picture. Local moments are in ms."""

    def __init__(self, picture: Picture) -> None:
        self.overlay = Overlay()
        self.state: PlaybackState | None = None
        """What to show of the state; the canonical one where nothing is under way."""
        self.devices: tuple[Device, ...] = ()
        """What to show of the devices."""
        self._picture = picture
        self._drawn: tuple[object, int, float] = None, 0, 0.0

    def refresh(self) -> tuple[bool, bool]:
        """Look at the picture and the overlay again; says whether state, and devices, are to be redrawn."""
        state, devices = self.state, self.devices
        canonical = self._picture.state
        self.state = None if canonical is None else self.overlay.state(canonical)
        self.devices = self.overlay.devices(self._picture.devices, canonical)
        return self.state != state, self.devices != devices

    def position_ms(self, *, now: float, server_now: int | None) -> int:
        """Where the music is, in ms: extrapolated while playing, clamped to a known duration.

        While one track plays on, it never goes back: where a report or a better knowledge of
        the clock puts it a little behind what was drawn, it waits there. Only what people
        would call a jump is one.
        """
        if self.state is None:
            return 0
        position = self._picture.position_ms(self.state, now=now, server_now=server_now)
        music = (
            (self.state.device_id, self.state.track_id, self.state.queue_position)
            if self.state.is_playing
            else None
        )
        known, drawn, at = self._drawn
        goes_on = music is not None and music == known and drawn + (now - at) <= position + CONTINUOUS
        self._drawn = music, max(position, drawn) if goes_on else position, now
        return self._drawn[1]
