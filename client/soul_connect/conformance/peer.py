"""One connection that speaks the contract by hand, message by message."""

import asyncio
import contextlib
import json
import secrets
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from soul_connect.conformance.verdict import PROMPT, Broken
from soul_connect.link import Dial, Link, LinkLost
from soul_connect.transport import open_link
from soul_protocol import codec
from soul_protocol.errors import ContractError
from soul_protocol.topics import COORDINATOR, AllChannel, DownChannel, UpChannel
from soul_protocol.wire import Wire

M = TypeVar("M", bound=Wire)


@dataclass(frozen=True, slots=True)
class Heard:
    """A message that came. `message` is None where it breaks the contract; `wrong` says how."""

    topic: str
    payload: bytes
    retained: bool
    at: float
    message: Wire | None
    wrong: str = ""


def read(topic: str, payload: bytes, *, retained: bool, at: float) -> Heard:
    """Decode by the last level of the topic."""
    channel = topic.rsplit("/", 1)[-1]
    try:
        message: Wire | None = None
        if payload and topic == COORDINATOR:
            message = codec.decode_status(payload)
        elif payload and "/down/" in topic:
            message = codec.decode_down(DownChannel(channel), payload)
        elif payload and "/all/" in topic:
            message = codec.decode_down(AllChannel(channel), payload)
        elif payload and "/up/" in topic:
            message = codec.decode_up(UpChannel(channel), payload)
    except ContractError as error:
        return Heard(topic, payload, retained, at, None, error.message)
    except ValueError:
        return Heard(topic, payload, retained, at, None, f"there is no topic {topic}")
    return Heard(topic, payload, retained, at, message)


class Peer:
    """What is heard is kept in order; what `expect` finds is taken out."""

    def __init__(self, link: Link, dial: Dial, prompt: float = PROMPT) -> None:
        """`prompt`: how long (s) an answer may take."""
        self.dial = dial
        self.prompt = prompt
        self.conn = secrets.token_hex(8)
        self.seq = 0
        self.heard: list[Heard] = []
        self.wrong: list[Heard] = []
        """All that broke the contract in its form."""
        self.closed = False
        self.overhear: Callable[[Heard], None] | None = None
        """Called with all that is heard."""
        self._link = link
        self._stirred = asyncio.Condition()

    async def listen(self) -> None:
        """Keep what comes, until the connection is gone."""
        try:
            async for message in self._link.messages():
                heard = read(message.topic, message.payload, retained=message.retained, at=time.monotonic())
                async with self._stirred:
                    self.heard.append(heard)
                    if heard.wrong:
                        self.wrong.append(heard)
                    if self.overhear is not None:
                        self.overhear(heard)
                    self._stirred.notify_all()
        except LinkLost:
            pass
        finally:
            self.closed = True
            async with self._stirred:
                self._stirred.notify_all()

    async def publish(self, topic: str, message: dict[str, Any] | bytes, *, qos: int = 1) -> None:
        """Say something, right or wrong.

        Raises:
            Broken: the connection is gone, or nobody acknowledged.
        """
        payload = message if isinstance(message, bytes) else json.dumps(message).encode()
        try:
            await self._link.publish(topic, payload, qos)
        except LinkLost as lost:
            raise Broken(f"the connection was lost: {lost}") from None

    async def probe(self) -> None:
        """All that was sent before has been read by the broker."""
        with contextlib.suppress(LinkLost):
            await self._link.probe(self.prompt)

    async def find(
        self, kind: type[M], where: Callable[[M], object] = lambda _: True, *, within: float | None = None
    ) -> M | None:
        """The first message of this kind for which `where` holds; None if there is none in time."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + (self.prompt if within is None else within)
        async with self._stirred:
            while True:
                for place, heard in enumerate(self.heard):
                    if isinstance(heard.message, kind) and where(heard.message):
                        del self.heard[place]
                        return heard.message
                left = deadline - loop.time()
                if left <= 0 or self.closed:
                    return None
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(left):
                        await self._stirred.wait()

    async def expect(
        self,
        kind: type[M],
        where: Callable[[M], object] = lambda _: True,
        *,
        within: float | None = None,
        what: str = "",
    ) -> M:
        """As `find`; raises `Broken` if there is none."""
        found = await self.find(kind, where, within=within)
        if found is None:
            given = self.prompt if within is None else within
            raise Broken(f"no {what or kind.__name__} within {given:g} s")
        return found

    def forget(self) -> None:
        """What was heard so far is of no interest."""
        self.heard.clear()


@contextlib.asynccontextmanager
async def peer(dial: Dial, *, prompt: float = PROMPT) -> AsyncIterator[Peer]:
    """Connect, and listen. Left by an exception, the connection is cut.

    Raises:
        LinkLost: it could not be made.
    """
    async with open_link(dial) as link:
        one = Peer(link, dial, prompt)
        listening = asyncio.create_task(one.listen())
        try:
            yield one
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


def fresh() -> str:
    """A new id."""
    return str(uuid.uuid4())
