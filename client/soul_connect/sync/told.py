"""What a session has told: kept for the program, and handed to the threads that wait for it."""

from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import assert_never

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
from soul_connect.sync.values import Changes
from soul_connect.told import KEPT
from soul_protocol.down import Notice
from soul_protocol.models import Device, PlaybackState


class Told:
    """The facts among the actions of a session. Whoever calls `hear` holds the session's lock."""

    def __init__(self, device_id: str) -> None:
        self.state: Changes[PlaybackState] = Changes(keep=1, now=True)
        self.devices: Changes[tuple[Device, ...]] = Changes(keep=1, now=True)
        self.online: Changes[bool] = Changes(keep=1, now=True)
        self.notices: Changes[Notice] = Changes(keep=KEPT, now=False)
        self.rollbacks: Changes[RolledBack] = Changes(keep=KEPT, now=False)
        self.device: Device | None = None
        self.fatal: LinkError | None = None
        self._device_id = device_id
        self._answers: dict[str, tuple[Future[Answer], bool]] = {}
        self._first: Future[None] = Future()

    def begin(self) -> None:
        """A new life."""
        self.fatal = None
        self._first = Future()
        for values in (self.state, self.devices, self.online, self.notices, self.rollbacks):
            values.begin()

    def end(self, error: LinkError | None) -> None:
        """Nothing more will be told: because of `error`, or by the program's own wish."""
        for values in (self.state, self.devices, self.online, self.notices, self.rollbacks):
            values.end(error)

    def first_arrival(self, patience: float | None) -> bool:
        """Wait until registered; raise what keeps this client from it. False: not in time."""
        if self.online.value is True:
            return True
        try:
            self._first.result(patience)
        except FutureTimeoutError:
            return False
        return True

    def is_online(self) -> None:
        """Registered (an observer: connected)."""
        self.online.set(True)
        if not self._first.done():
            self._first.set_result(None)

    def is_hindered(self, error: LinkError) -> None:
        """Whoever waits for the first registration need not wait any longer."""
        if not self._first.done():
            self._first.set_exception(error)
            self._first = Future()

    def expect(self, id: str, *, accepted_will_do: bool) -> Future[Answer]:  # noqa: A002 (the wire's word)
        """The end of a request, to come; `forget` it afterwards."""
        future: Future[Answer] = Future()
        self._answers[id] = future, accepted_will_do
        return future

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
                self.rollbacks.set(action)
            case DevicesChanged(devices=devices):
                self.device = next((one for one in devices if one.id == self._device_id), self.device)
                self.devices.set(devices)
            case Noticed(notice=notice):
                self.notices.set(notice)
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
