"""The coordinator's link to a broker in the same process: the same MQTT, without a socket."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

from soul_broker.errors import SoulBrokerError
from soul_broker.local import LocalClient
from soul_broker.packets import Will
from soul_broker.server import SoulBroker
from soul_coordinator.adapters.mqtt import UP_FILTER
from soul_coordinator.adapters.outbound import Outgoing
from soul_coordinator.runner import Connect, LinkError
from soul_protocol.tokens import SERVICE_USER


class LocalLink:
    """As `soul_coordinator.adapters.mqtt.MqttLink`; what is published, the broker has at once."""

    def __init__(
        self,
        broker: SoulBroker,
        *,
        token: str,
        client_id: str,
        will: Outgoing,
        deliver: Callable[[str, bytes], None],
    ) -> None:
        self._broker = broker
        self._token = token
        self._client_id = client_id
        self._will = Will(will.topic, will.payload, will.qos, will.retain)
        self._deliver = deliver
        self._client: LocalClient | None = None
        self._retained: set[str] = set()
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def __aenter__(self) -> Self:
        try:
            self._client = client = self._broker.attach(deliver=self._take, ended=self._ended)
            try:
                await client.connect(
                    client_id=self._client_id, user=SERVICE_USER, token=self._token, will=self._will
                )
                await client.subscribe(UP_FILTER)
            except BaseException:  # cancelled, too: nobody leaves what was not entered
                client.disconnect()
                raise
        except SoulBrokerError as error:
            raise LinkError(str(error)) from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            self._client.disconnect()

    def _take(self, topic: str, payload: bytes, retained: bool) -> None:
        if retained:
            self._retained.add(topic)
        else:
            self._deliver(topic, payload)

    def _ended(self) -> None:
        if not self.lost.done():
            self.lost.set_exception(LinkError("the broker closed the coordinator's connection"))
            self.lost.exception()  # looked at here, so that a link left unwatched does not warn

    def publish(self, out: Outgoing) -> None:
        """Hand it to the broker."""
        if self._client is not None:
            self._client.publish(out.topic, out.payload, qos=out.qos, retain=out.retain)

    async def retained(self, pattern: str) -> frozenset[str]:
        """The topics that hold a retained message."""
        assert self._client is not None  # noqa: S101 (entered)
        self._retained.clear()
        try:
            await self._client.subscribe(pattern)
            await self._client.unsubscribe(pattern)
        except SoulBrokerError as error:
            raise LinkError(str(error)) from error
        return frozenset(self._retained)

    async def drain(self) -> None:
        """Nothing is ever under way: it leaves now. Others get their turn."""
        if self._client is not None:
            self._client.flush()
        await asyncio.sleep(0)

    async def flush(self) -> None:
        """Nothing is ever under way."""


def local_links(broker: SoulBroker, *, token: Callable[[], str]) -> Connect:
    """Links to `broker`; `token` makes a `service` token for each."""

    def connect(*, client_id: str, will: Outgoing, deliver: Callable[[str, bytes], None]) -> LocalLink:
        return LocalLink(broker, token=token(), client_id=client_id, will=will, deliver=deliver)

    return connect
