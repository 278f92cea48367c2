"""TLS in front of a listener: every socket counts from its acceptance on, and certificates can be changed.

asyncio's own TLS servers show nobody the sockets that do not finish their handshake. So sockets
are accepted here, and handed to the loop with what the listener shows at that moment: a
changed certificate is for handshakes from then on, connections that there are keep theirs.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Final, cast

import structlog

from soul_broker.addresses import host_of, origin_of
from soul_broker.conduct import log_socket_end
from soul_broker.endpoint import Gate
from soul_broker.hub import Hub
from soul_broker.links import show_address
from soul_broker.listeners import BoundListener

Factory = Callable[[], asyncio.BaseProtocol]

_SHUTDOWN: Final = 1.0
"""Seconds for the peer's close_notify."""
_AT_ONCE: Final = 64
"""Sockets accepted in one turn of the loop."""
_NO_FILES: Final = 1.0
"""Seconds until the next try where the system has no file left for a socket."""

log = structlog.get_logger("soul_broker")


class Handshake(asyncio.Protocol):
    """A socket from its acceptance until TLS is there; then what the listener's factory makes takes over."""

    __slots__ = ("_hub", "_listener", "_since", "_task", "gate", "peer", "slot")

    def __init__(self, listener: "TlsListener", peer: str) -> None:
        self.gate = listener.gate
        self.slot = -1
        self.peer = peer
        self._listener = listener
        self._hub = listener.hub
        self._since = listener.hub.now()
        self._task: asyncio.Task[None] | None = None

    def begin(self, accepted: socket.socket) -> None:
        """Shake hands, where there are not too many already."""
        if self._hub.opened(self):
            self._task = asyncio.get_running_loop().create_task(self._shake_hands(accepted))
        else:
            accepted.close()

    async def _shake_hands(self, accepted: socket.socket) -> None:
        reason = "aborted"
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: self,
                accepted,
                ssl=self._listener.context,
                ssl_handshake_timeout=self._hub.settings.connect_deadline,
                ssl_shutdown_timeout=_SHUTDOWN,
            )
        except ssl.SSLError as error:
            reason = str(error.reason or error)
        except OSError as error:
            reason = str(error) or "connection lost"
        else:
            return
        finally:
            self._task = None
            if self in self._hub.registry.open:
                self._hub.closed(self)
                self._hub.statistics.tls_failed += 1
                log_socket_end(self, f"no TLS: {reason}")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TLS is there."""
        self._hub.handed_over(self)
        secured = cast("asyncio.Transport", transport)
        protocol = self._listener.factory()
        secured.set_protocol(protocol)
        protocol.connection_made(secured)

    # soul_broker.endpoint.Endpoint

    @property
    def origin(self) -> str | None:
        """What limits on addresses count it for."""
        return origin_of(host_of(self.peer))

    def deadline(self) -> float:
        """When the handshake has to be done: a second after the loop's own deadline for it."""
        return self._since + self._hub.settings.connect_deadline + 1.0

    def wake(self, now: float) -> None:
        """The deadline has passed."""
        if now < self.deadline():
            self._hub.wheel.schedule(self, self.deadline())
        else:
            self.abort()

    def end(self, reason: str, *, abort: bool = False) -> None:  # noqa: ARG002 (it is not a connection yet)
        """Close the socket."""
        self.abort()

    def abort(self) -> None:
        """Close the socket."""
        if self._task is not None:
            self._task.cancel()


class TlsListener:
    """Accepts on bound sockets. `context` is for the next handshake, and may be changed."""

    def __init__(
        self, hub: Hub, gate: Gate, context: ssl.SSLContext, factory: Factory, bound: BoundListener
    ) -> None:
        self.hub = hub
        self.gate = gate
        self.context = context
        self.factory = factory
        self._sockets = list(bound.sockets)
        self._loop = asyncio.get_running_loop()
        for each in self._sockets:
            self._loop.add_reader(each, self._accept, each)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_AT_ONCE):
            try:
                accepted, address = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                log.error("cannot accept", listener=self.gate.name, error=error.strerror)  # noqa: TRY400
                self._loop.remove_reader(listening)
                self._loop.call_later(_NO_FILES, self._accept_again, listening)
                return
            accepted.setblocking(False)
            with contextlib.suppress(OSError):
                accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            Handshake(self, show_address(address)).begin(accepted)

    def _accept_again(self, listening: socket.socket) -> None:
        if listening in self._sockets:
            self._loop.add_reader(listening, self._accept, listening)

    # As asyncio.Server, as far as amqtt knows one.

    def close(self) -> None:
        """Accept no more."""
        for each in self._sockets:
            self._loop.remove_reader(each)
            each.close()
        self._sockets.clear()

    async def wait_closed(self) -> None:
        """Return: it is closed."""
