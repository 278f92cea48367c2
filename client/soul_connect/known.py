"""What a client knows without asking; the same for asyncio and for threads."""

from abc import ABC, abstractmethod

from soul_connect.requests import Request
from soul_connect.session import Session
from soul_protocol.models import Device, PlaybackState


class Known(ABC):
    """What was heard last. Looking costs nothing and never waits."""

    _session: Session

    @abstractmethod
    def now(self) -> float:
        """The local clock, in ms."""

    @property
    @abstractmethod
    def is_online(self) -> bool:
        """Registered with the coordinator at this moment (an observer: connected)."""

    @property
    @abstractmethod
    def device(self) -> Device | None:
        """This device as the coordinator lists it: its name may differ from the one asked for."""

    @property
    def device_id(self) -> str:
        """This device's id."""
        return self._session.identity.device_id

    @property
    def user(self) -> str:
        """Whose device this is."""
        return self._session.identity.user

    @property
    def devices(self) -> tuple[Device, ...]:
        """The devices as last heard; empty before the first registration."""
        return self._session.view.devices

    @property
    def state(self) -> PlaybackState | None:
        """What to show: the canonical state with this client's own commands under way laid over it.

        None before the first registration.
        """
        return self._session.view.state

    @property
    def canonical_state(self) -> PlaybackState | None:
        """The canonical state as last heard; None before the first registration."""
        return self._session.picture.state

    @property
    def clock_uncertainty_ms(self) -> float | None:
        """How wrong `server_now` can be, in ms; None before the first contact."""
        return self._session.clock.uncertainty_ms(self.now())

    @property
    def open_requests(self) -> tuple[Request, ...]:
        """What has not ended yet: `was_sent` tells what only waits for a connection."""
        return tuple(self._session.requests)

    def position_ms(self) -> int:
        """Where the music is now, in ms from the start of the track.

        Extrapolated while playing; it does not go back while one track plays on.
        """
        now = self.now()
        return self._session.view.position_ms(now=now, server_now=self._session.clock.at(now))

    def server_now(self) -> int | None:
        """The coordinator's clock, in ms since the Unix epoch; None before the first contact."""
        return self._session.clock.at(self.now())

    def server_time(self, moment: float) -> int | None:
        """A moment of `now` on the coordinator's clock; None before the first contact."""
        return self._session.clock.at(moment)
