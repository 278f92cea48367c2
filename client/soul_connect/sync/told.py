"""What a session has told: kept for the program, and handed to the threads that wait for it."""

from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError

from soul_connect.actions import Answer, RolledBack
from soul_connect.errors import LinkError
from soul_connect.facts import KEPT, Facts
from soul_connect.sync.values import Changes
from soul_protocol.down import Notice
from soul_protocol.models import Device, PlaybackState


class Told(Facts):
    """The facts among the actions of a session. Whoever calls `hear` holds the session's lock."""

    def __init__(self, device_id: str) -> None:
        super().__init__(device_id)
        self.state: Changes[PlaybackState] = Changes(keep=1, now=True)
        self.devices: Changes[tuple[Device, ...]] = Changes(keep=1, now=True)
        self.online: Changes[bool] = Changes(keep=1, now=True)
        self.notices: Changes[Notice] = Changes(keep=KEPT, now=False)
        self.rollbacks: Changes[RolledBack] = Changes(keep=KEPT, now=False)
        self._first: Future[None] = Future()

    def begin(self) -> None:
        """A new life."""
        super().begin()
        self._first = Future()

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
