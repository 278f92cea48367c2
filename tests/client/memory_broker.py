"""A broker in memory, with faults: the clients of it are real down to their transport."""

import asyncio
import json
import random
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

from soul_connect.link import Dial, Incoming, LinkLost, LinkRefused

LATENCY = 0.004


class Coordinator(Protocol):
    """Who hears what devices say."""

    def deliver(self, topic: str, payload: bytes) -> None: ...


class MemoryLink:
    """A connection to the broker in memory; delivers in order, each way after the latency."""

    def __init__(self, broker: "MemoryBroker", dial: Dial) -> None:
        self.broker = broker
        self.dial = dial
        self.silent = False
        self.closed: LinkLost | None = None
        self._arrived: deque[Incoming] = deque()
        self._stirred = asyncio.Event()
        self._busy_until = 0.0

    def deliver(self, message: Incoming) -> None:
        if not self.silent:
            self.broker.later(self, lambda: self._put(message))

    def _put(self, message: Incoming) -> None:
        self._arrived.append(message)
        self._stirred.set()

    def end(self, lost: LinkLost) -> None:
        if self.closed is None:
            self.closed = lost
            self._stirred.set()

    async def messages(self) -> AsyncIterator[Incoming]:
        while True:
            while self._arrived:
                yield self._arrived.popleft()
            if self.closed is not None:
                raise self.closed
            self._stirred.clear()
            await self._stirred.wait()

    async def listen(self, hear: Callable[[Incoming], None]) -> None:
        async for message in self.messages():
            hear(message)

    async def publish(self, topic: str, payload: bytes, qos: int, *, within: float = 4.0) -> None:
        acknowledged = asyncio.Event()
        if not self.silent and self.closed is None:
            self.broker.later(self, lambda: self._arrive(topic, payload, acknowledged))
        if qos:
            try:
                await asyncio.wait_for(acknowledged.wait(), within)
            except TimeoutError:
                raise LinkLost("no acknowledgement") from None

    def _arrive(self, topic: str, payload: bytes, acknowledged: asyncio.Event) -> None:
        if topic.rpartition("/")[2] not in self.broker.deaf_to:
            self.broker.route(topic, payload, by=self)
        if not self.silent:
            self.broker.later(self, acknowledged.set)

    async def probe(self, within: float) -> None:
        await self.publish("probe", b"", 1, within=within)


class MemoryBroker:
    """Routes; knows sessions, wills, retained messages, and a coordinator."""

    def __init__(self) -> None:
        self.links: dict[str, MemoryLink] = {}
        self.retained: dict[str, bytes] = {}
        self.refused: set[str] = set()
        self.unreachable: set[str] = set()
        self.online = True
        self.dark = False
        self.mute = False
        self.deaf_to: set[str] = set()
        """Ends of topics; what comes there is acknowledged, and lost."""
        self.latency = LATENCY
        self.jitter = 0.0
        self._chance = random.Random(1)
        self.dials = 0
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.home: Coordinator | None = None
        self._last: dict[int, float] = {}

    def later(self, link: MemoryLink, call: Any) -> None:
        """After the latency, in order for each link."""
        loop = asyncio.get_running_loop()
        latency = self.latency + self._chance.uniform(-self.jitter, self.jitter)
        at = max(loop.time() + latency, self._last.get(id(link), 0.0) + 1e-6)
        self._last[id(link)] = at
        loop.call_at(at, call)

    @asynccontextmanager
    async def open_link(self, dial: Dial) -> AsyncIterator[MemoryLink]:
        self.dials += 1
        await self._reach(dial.patience)
        if self.mute:
            await asyncio.sleep(dial.patience)
            raise LinkLost("no answer to CONNECT")
        if not self.online or dial.client_id in self.unreachable:
            raise LinkLost("connection refused")
        if dial.token in self.refused:
            raise LinkRefused(5)
        old = self.links.get(dial.client_id)
        if old is not None:
            self.lose(old, by_peer=True)
        link = self.links[dial.client_id] = MemoryLink(self, dial)
        for topic, payload in self.retained.items():
            if _matches(dial.filters, topic):
                link.deliver(Incoming(topic, payload, retained=True))
        try:
            yield link
        except BaseException:
            self.later(link, lambda: self.lose(link, by_peer=False))
            raise
        else:
            self._forget(link)

    async def _reach(self, patience: float) -> None:
        """TCP: a SYN that nobody answers is repeated after 1 s, and after 3 s (RFC 6298)."""
        waited = 0.0
        for syn in (0.0, 1.0, 3.0, patience):
            await asyncio.sleep(min(syn, patience) - waited)
            waited = min(syn, patience)
            if not self.dark:
                await asyncio.sleep(self.latency)
                return
        raise LinkLost("timed out")

    def black_out(self) -> None:
        """Whatever is sent is lost; the connections of now are dead for ever."""
        self.dark = True
        for link in self.links.values():
            link.silent = True

    def fall_mute(self) -> None:
        """The same, but whoever connects is let in by something on the way, and then hears nothing."""
        self.black_out()
        self.dark, self.mute = False, True

    def restore(self) -> None:
        """The path is back, or the broker."""
        self.dark, self.mute, self.online = False, False, True

    def lose(self, link: MemoryLink, *, by_peer: bool) -> None:
        """Close a connection, with its will."""
        if self._forget(link):
            link.end(LinkLost("closed", by_peer=by_peer))
            if link.dial.will is not None:
                self.route(*link.dial.will, by=link)

    def _forget(self, link: MemoryLink) -> bool:
        if self.links.get(link.dial.client_id) is link:
            del self.links[link.dial.client_id]
            return True
        return False

    def kill(self) -> None:
        """The broker dies: nobody hears anything, no wills."""
        self.online = False
        for link in tuple(self.links.values()):
            self._forget(link)
            link.end(LinkLost("closed", by_peer=True))

    def route(
        self, topic: str, payload: bytes, *, by: MemoryLink | None = None, retain: bool = False
    ) -> None:
        """A message to all that subscribed to it, and to the coordinator."""
        if payload:
            self.sent.append((topic, json.loads(payload)))
        if retain:
            self.retained[topic] = payload
        for link in tuple(self.links.values()):
            if _matches(link.dial.filters, topic):
                link.deliver(Incoming(topic, payload, retained=False))
        if self.home is not None and by is not None:
            self.home.deliver(topic, payload)

    def said(self, channel: str) -> list[dict[str, Any]]:
        """All that was published on topics with this end."""
        return [message for topic, message in self.sent if topic.endswith(channel)]


def _matches(filters: tuple[str, ...], topic: str) -> bool:
    return any(
        topic == one or (one.endswith("/+") and topic.rpartition("/")[0] == one[:-2]) for one in filters
    )
