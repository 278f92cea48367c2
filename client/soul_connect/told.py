"""What a session has told: kept for the program, and handed to those who wait for it."""

import asyncio
from collections.abc import Callable

from soul_connect.actions import Action, Answer, RolledBack
from soul_connect.errors import LinkError
from soul_connect.facts import KEPT, Facts
from soul_connect.latest import Latest, News
from soul_protocol.down import Notice
from soul_protocol.models import Device, PlaybackState


class Told(Facts):
    """The facts among the actions of a session, in a loop."""

    def __init__(self, device_id: str) -> None:
        super().__init__(device_id)
        self.state: Latest[PlaybackState] = Latest()
        self.devices: Latest[tuple[Device, ...]] = Latest()
        self.online: Latest[bool] = Latest()
        self.notices: News[Notice] = News(keep=KEPT)
        self.rollbacks: News[RolledBack] = News(keep=KEPT)
        self.listener: Callable[[Action], None] | None = None
        self._first: asyncio.Future[None] | None = None

    def begin(self) -> None:
        """A new life."""
        super().begin()
        self._first = asyncio.get_running_loop().create_future()

    async def first_arrival(self) -> None:
        """Return when registered; raise what keeps this client from it."""
        if self._first is not None and self.online.value is not True:
            await asyncio.shield(self._first)

    def is_online(self) -> None:
        """Registered (an observer: connected)."""
        self.online.set(True)
        if self._first is not None and not self._first.done():
            self._first.set_result(None)

    def is_hindered(self, error: LinkError) -> None:
        """Whoever waits for the first registration need not wait any longer."""
        if self._first is not None and not self._first.done():
            self._first.set_exception(error)
            self._first.exception()  # seen, even if nobody waits
            self._first = asyncio.get_running_loop().create_future()

    def expect(self, id: str, *, accepted_will_do: bool) -> asyncio.Future[Answer]:  # noqa: A002
        """The end of a request, to come; `forget` it afterwards."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._answers[id] = future, accepted_will_do
        return future

    def hear(self, action: Action) -> None:
        """Keep what an action tells, and pass it on."""
        super().hear(action)
        if self.listener is not None:
            self.listener(action)
