"""What is known of this user's music and devices.

Messages may come late, twice or out of order. The canonical state is ordered by
(epoch, sequence), and within one sequence by `position_at`; what is older is dropped.
"""

from soul_protocol.down import Position
from soul_protocol.models import Device, PlaybackState


class Picture:
    """The newest state and devices that were heard."""

    def __init__(self) -> None:
        self.state: PlaybackState | None = None
        self.devices: tuple[Device, ...] = ()
        self._heard = 0.0

    def offer_state(self, state: PlaybackState, *, now: float, anew: bool = False) -> bool:
        """Take `state` if it is not older; says whether anything changed.

        `anew`: from the snapshot of a coordinator not met before, which may have been
        restored from a backup. It alone says what is true, even if that is older.
        """
        old = self.state
        if old is not None and not anew and _order(state) < _order(old):
            return False
        return self._take(state, now)

    def offer_position(self, tick: Position, *, now: float) -> bool:
        """Take a tick if it belongs to the state that is known and is not older."""
        old = self.state
        if (
            old is None
            or (tick.epoch, tick.sequence, tick.device_id) != (old.epoch, old.sequence, old.device_id)
            or tick.position_at < old.position_at
        ):
            return False
        fields = {
            "position_ms": tick.position_ms,
            "position_at": tick.position_at,
            "is_playing": tick.is_playing,
        }
        return self._take(old.model_copy(update=fields), now)

    def offer_devices(self, devices: tuple[Device, ...]) -> bool:
        """All the devices."""
        if devices == self.devices:
            return False
        self.devices = devices
        return True

    def offer_device(self, device: Device) -> bool:
        """One device, new or changed."""
        known = {old.id: old for old in self.devices}
        known[device.id] = device
        return self.offer_devices(tuple(known.values()))

    def lose_device(self, device_id: str, *, deleted: bool) -> bool:
        """One device went offline, or for good."""
        return self.offer_devices(
            tuple(
                device.model_copy(update={"is_online": False}) if device.id == device_id else device
                for device in self.devices
                if not (deleted and device.id == device_id)
            )
        )

    def _take(self, state: PlaybackState, now: float) -> bool:
        self._heard = now
        if state == self.state:
            return False
        self.state = state
        return True

    def position_ms(self, state: PlaybackState, *, now: float, server_now: int | None) -> int:
        """Where the music of `state` is: extrapolated while playing, clamped to a known duration.

        Without the coordinator's clock the moment of receipt stands for `position_at`.
        """
        if server_now is None:
            server_now = state.position_at + round(now - self._heard)
        return position_at(state, server_now)


def position_at(state: PlaybackState, server_now: int) -> int:
    """Where the music of `state` is at a moment of the coordinator's clock ("Time")."""
    position = state.position_ms
    if state.is_playing:
        position += max(0, server_now - state.position_at)
    return position if state.duration_ms is None else min(position, state.duration_ms)


def _order(state: PlaybackState) -> tuple[int, int, int]:
    return state.epoch, state.sequence, state.position_at
