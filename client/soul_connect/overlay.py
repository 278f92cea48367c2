"""Commands under way, laid over the canonical state: what a user sees at once.

    made --applied--> confirmed --the state that shows it--> gone
      |                   +------ no such state in time ---> gone
      +--anything else (rejected, superseded, expired...)--> taken back

What is shown is the canonical state with each command's expected effect upon it, in the
order in which they were made. Nothing is ever written into the canonical state: when no
command is left, what is shown is that state, the same object.
"""

from dataclasses import dataclass, replace

from soul_connect.expectation import expected
from soul_protocol.commands import Command, SetVolume
from soul_protocol.models import Device, PlaybackState

Place = tuple[int, int]
"""(epoch, sequence): where in the canonical order a state stands."""


@dataclass(frozen=True, slots=True)
class Guess:
    """A command whose effect is shown before it is known.

    Attributes:
        at: when it was made, on the coordinator's clock; None if that was not known yet.
        until: the local moment (ms) up to which it is shown once it was applied.
        shown_by: once it was applied: the place of the state that shows it.
    """

    id: str
    command: Command
    target_device: str | None
    at: int | None
    until: float
    shown_by: Place | None = None

    def concerns(self, state: PlaybackState) -> bool:
        """Whether it is a command for the device that plays."""
        return state.device_id is not None and self.target_device in {None, state.device_id}

    def replaces(self, other: "Guess") -> bool:
        """Whether only this later one of the two can be seen."""
        return type(self.command) is type(other.command) and self.target_device == other.target_device


class Overlay:
    """The guesses, in the order in which they were made. Moments are local, in ms."""

    def __init__(self) -> None:
        self._guesses: dict[str, Guess] = {}

    def __len__(self) -> int:
        return len(self._guesses)

    def add(self, guess: Guess) -> None:
        """A command was made."""
        self._guesses[guess.id] = guess

    def applied(self, id: str, place: Place) -> None:  # noqa: A002 (the wire's word)
        """A command was carried out; the state at `place` shows it."""
        guess = self._guesses.get(id)
        if guess is not None:
            self._guesses[id] = replace(guess, shown_by=place)

    def take_back(self, id: str) -> tuple[Guess, bool] | None:  # noqa: A002
        """A command was not carried out: forget it. None if nothing was shown of it.

        Says also whether a later one of the same kind hides that.
        """
        guess = self._guesses.pop(id, None)
        if guess is None:
            return None
        return guess, any(later.replaces(guess) for later in self._guesses.values())

    def saw_state(self, state: PlaybackState, *, complete: bool = False) -> None:
        """Forget what a canonical state shows by itself.

        `complete`: it came with a snapshot, later than every answer before it.
        """
        here, there = (state.epoch, state.sequence), set(state.applied)
        for guess in tuple(self._guesses.values()):
            place = guess.shown_by
            shown = place is not None and (complete or (place <= here and not _is_for_idle(guess, state)))
            if shown or guess.id in there:
                del self._guesses[guess.id]

    def saw_devices(self, state: PlaybackState | None) -> None:
        """Forget the volumes of idle devices that a list of the devices shows."""
        for guess in tuple(self._guesses.values()):
            if guess.shown_by is not None and (state is None or _is_for_idle(guess, state)):
                del self._guesses[guess.id]

    @property
    def deadline(self) -> float | None:
        """When something confirmed has been shown for long enough."""
        return min(
            (guess.until for guess in self._guesses.values() if guess.shown_by is not None), default=None
        )

    def pass_time(self, now: float) -> bool:
        """Forget what was confirmed and never seen; says whether there was anything."""
        late = [one.id for one in self._guesses.values() if one.shown_by is not None and one.until <= now]
        for id in late:  # noqa: A001
            del self._guesses[id]
        return bool(late)

    def state(self, canonical: PlaybackState) -> PlaybackState:
        """What to show."""
        shown = canonical
        for guess in self._guesses.values():
            if guess.concerns(canonical):
                shown = expected(shown, guess.command, shown.position_at if guess.at is None else guess.at)
        return shown

    def devices(self, canonical: tuple[Device, ...], state: PlaybackState | None) -> tuple[Device, ...]:
        """The devices, with the volumes that were asked for."""
        active = None if state is None else state.device_id
        volumes: dict[str, float] = {}
        for guess in self._guesses.values():
            device = guess.target_device or active
            if isinstance(guess.command, SetVolume) and device is not None:
                volumes[device] = guess.command.volume
        if not volumes:
            return canonical
        return tuple(
            device.model_copy(update={"volume": volumes[device.id]}) if device.id in volumes else device
            for device in canonical
        )


def _is_for_idle(guess: Guess, state: PlaybackState) -> bool:
    """Whether it is the volume of a device that does not play: the state never shows that."""
    return isinstance(guess.command, SetVolume) and not guess.concerns(state)
