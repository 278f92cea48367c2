"""What a session has told: kept for the program, and handed to those who wait for it."""

import asyncio
from collections.abc import Callable
from typing import Final, assert_never

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
from soul_connect.latest import Latest, News
from soul_protocol.down import Notice
from soul_protocol.models import Device, PlaybackState

KEPT: Final = 64
"""How many notices, or rollbacks, wait for a slow listener."""


class Told:
    """The facts among the actions of a session."""

    def __init__(self, device_id: str) -> None:
        self.state: Latest[PlaybackState] = Latest()
        self.devices: Latest[tuple[Device, ...]] = Latest()
        self.online: Latest[bool] = Latest()
        self.notices: News[Notice] = News(keep=KEPT)
        self.rollbacks: News[RolledBack] = News(keep=KEPT)
        self.device: Device | None = None
        self.listener: Callable[[Action], None] | None = None
        self.fatal: LinkError | None = None
        self._device_id = device_id
        self._answers: dict[str, tuple[asyncio.Future[Answer], bool]] = {}
        self._first: asyncio.Future[None] | None = None

    def begin(self) -> None:
        """A new life."""
        self.fatal = None
        self._first = asyncio.get_running_loop().create_future()
        for values in (self.state, self.devices, self.online, self.notices, self.rollbacks):
            values.begin()

    def end(self, error: LinkError | None) -> None:
        """Nothing more will be told: because of `error`, or by the program's own wish."""
        for values in (self.state, self.devices, self.online, self.notices, self.rollbacks):
            values.end(error)

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

    def forget(self, id: str) -> None:  # noqa: A002
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
        if self.listener is not None:
            self.listener(action)

    def _answer(self, name: str, outcome: Answer | RequestError) -> None:
        future, _ = self._answers.get(name, (None, False))
        if future is None or future.done():
            return
        if isinstance(outcome, RequestError):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
