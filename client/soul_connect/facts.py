"""What a session tells, sorted: for those who wait in a loop (`told`) and in threads (`sync.told`)."""

from abc import ABC, abstractmethod
from typing import Any, Final, Protocol, TypeVar, assert_never

from soul_connect.actions import (
    Accepted,
    Action,
    Answer,
    Arrived,
    Away,
    DevicesChanged,
    Ended,
    Hindered,
    Noticed,
    Ordered,
    Probe,
    Publish,
    RolledBack,
    Settled,
    StateChanged,
)
from soul_connect.errors import LinkError, RequestError
from soul_protocol.down import Notice
from soul_protocol.models import Device, PlaybackState

KEPT: Final = 64
"""How many notices, or rollbacks, wait for a slow listener."""

T_contra = TypeVar("T_contra", contravariant=True)


class Ending(Protocol):
    """It ends with a life of the client, and begins with the next."""

    def begin(self) -> None:
        """Values may come again."""

    def end(self, error: Exception | None) -> None:
        """No more values: because of `error`, or by the program's own wish."""


class Value(Ending, Protocol[T_contra]):
    """One value, the newest."""

    def set(self, value: T_contra) -> None:
        """Another value."""


class Stream(Ending, Protocol[T_contra]):
    """What happens, one thing after the other."""

    def add(self, item: T_contra) -> None:
        """Something happened."""


class Awaited(Protocol):
    """A future, of a loop or of threads."""

    def done(self) -> bool:
        """Whether it has its end."""

    def set_result(self, result: Any) -> None:
        """It ends well."""

    def set_exception(self, exception: Any) -> None:
        """It ends badly."""


class Facts(ABC):
    """The facts among the actions of a session, and who waits for which."""

    state: Value[PlaybackState]
    devices: Value[tuple[Device, ...]]
    online: Value[bool]
    notices: Stream[Notice]
    rollbacks: Stream[RolledBack]

    def __init__(self, device_id: str) -> None:
        self.device: Device | None = None
        self.fatal: LinkError | None = None
        self._device_id = device_id
        self._answers: dict[str, tuple[Awaited, bool]] = {}

    def begin(self) -> None:
        """A new life."""
        self.fatal = None
        for values in self._all():
            values.begin()

    def end(self, error: LinkError | None) -> None:
        """Nothing more will be told: because of `error`, or by the program's own wish."""
        for values in self._all():
            values.end(error)

    def _all(self) -> tuple[Ending, ...]:
        return (self.state, self.devices, self.online, self.notices, self.rollbacks)

    @abstractmethod
    def is_online(self) -> None:
        """Registered (an observer: connected)."""

    @abstractmethod
    def is_hindered(self, error: LinkError) -> None:
        """Whoever waits for the first registration need not wait any longer."""

    def forget(self, id: str) -> None:  # noqa: A002 (the wire's word)
        """Nobody waits for this request any more."""
        self._answers.pop(id, None)

    def hear(self, action: Action) -> None:
        """Keep what an action tells."""
        match action:
            case Settled(id=name, outcome=outcome):
                self._answer(name, outcome)
            case Accepted(result=result):
                future, accepted_will_do = self._answers.get(result.id, (None, False))
                if future is not None and accepted_will_do and not future.done():
                    future.set_result(result)
            case Arrived(registered=registered):
                self.device = registered.device
                self.is_online()
            case Away():
                self.online.set(False)
            case StateChanged(shown=shown):
                self.state.set(shown)
            case RolledBack():
                self.rollbacks.add(action)
            case DevicesChanged(devices=devices):
                self.device = next((one for one in devices if one.id == self._device_id), self.device)
                self.devices.set(devices)
            case Noticed(notice=notice):
                self.notices.add(notice)
            case Hindered(error=error):
                self.is_hindered(error)
            case Ended(error=error):
                self.fatal = error
            case Publish() | Probe() | Ordered():
                pass
            case _:
                assert_never(action)

    def _answer(self, name: str, outcome: Answer | RequestError) -> None:
        future, _ = self._answers.get(name, (None, False))
        if future is None or future.done():
            return
        if isinstance(outcome, RequestError):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
