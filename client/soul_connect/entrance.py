"""Getting aiomqtt connected, and out again.

aiomqtt connects in a thread, which goes on when the task is cancelled and would leave a
connection with our client id behind, to throw out the next one; names are looked up in that
thread as well, for as long as it takes. It waits out the whole time for CONNACK even when the
server has closed the connection. And it has a socket watched by its number a turn of the loop
later, when that may be closed, or the number be another's. All four are mended here, on private
names of aiomqtt and paho that the tests of real links pass through.
"""

# ruff: noqa: SLF001 (see above)

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any, Final

import aiomqtt
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt.reasoncodes import ReasonCode

from soul_connect.link import BAD_CREDENTIALS, LinkLost, LinkRefused, lost
from soul_connect.lookup import way_to
from soul_connect.stream import Outflow, Stream

REFUSAL_NOTED: Final = 0.05
"""How long (s) a refusal, which closes the connection as well, may take to be noted."""


class Entrance:
    """Connects one client, once."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self._client = client
        self._loop = asyncio.get_running_loop()
        client._loop = _Watch(client, self._loop)  # type: ignore[assignment]
        self._closed = asyncio.Event()
        self._in_thread = False
        self._abandoned = False
        paho = client._client
        self._create_socket = paho._create_socket
        self._socket_closed = client._on_socket_close
        self._connect = client._client_connect
        self.outflow = Outflow(client)
        paho._create_socket = self._create_socket_unless_abandoned  # type: ignore[method-assign]
        paho.on_socket_close = self._on_socket_close
        client._client_connect = self._connect_in_thread  # type: ignore[method-assign]

    async def enter(self) -> None:
        """Return when CONNACK accepts.

        Raises:
            LinkRefused: the token was refused.
            LinkUntrusted: the certificate is not trusted.
            LinkLost: there is no connection for another reason.
        """
        await self._look_up()
        entering = asyncio.ensure_future(self._client.__aenter__())
        closing = asyncio.ensure_future(self._closed.wait())
        try:
            await asyncio.wait({entering, closing}, return_when=asyncio.FIRST_COMPLETED)
            if not entering.done():
                await asyncio.wait({entering}, timeout=REFUSAL_NOTED)
            if not entering.done():
                raise LinkLost("the server closed the connection")
            entering.result()
        except MqttConnectError as error:
            code = error.rc.value if isinstance(error.rc, ReasonCode) else error.rc
            if code in BAD_CREDENTIALS:
                raise LinkRefused(BAD_CREDENTIALS[code]) from None
            raise LinkLost(f"the server refused the connection: {error}") from None
        except (aiomqtt.MqttError, OSError) as error:
            raise lost(error) from None
        finally:
            closing.cancel()
            if not entering.done():
                self._abandoned = True
                entering.add_done_callback(self._gave_up)
                entering.cancel()

    async def _look_up(self) -> None:
        paho = self._client._client
        if paho._get_proxy() is not None:
            return  # which looks the name up itself
        try:
            way = await way_to(self._client._hostname, self._client._port, paho.connect_timeout)
        except OSError as error:
            raise lost(error) from None
        paho._create_socket_connection = way  # type: ignore[method-assign]

    def _gave_up(self, entering: "asyncio.Future[aiomqtt.Client]") -> None:
        if not entering.cancelled():
            entering.exception()
        if not self._in_thread:
            cut(self._client)

    # In aiomqtt's thread

    def _connect_in_thread(self) -> None:
        self._in_thread = True
        try:
            self._connect()
        finally:
            self._loop.call_soon_threadsafe(self._thread_ended)

    def _create_socket_unless_abandoned(self) -> Any:
        made = self._create_socket()
        if self._abandoned:
            made.close()
            raise ConnectionAbortedError("nobody wants this connection any more")
        # paho's own around a WebSocket has buffers of its own.
        return Stream(made) if isinstance(made, socket.socket) else made

    def _on_socket_close(self, *what: Any) -> None:
        self.outflow.end()
        self._socket_closed(*what)
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._closed.set)

    # Back in the loop: what the thread left to be written has not been written yet

    def _thread_ended(self) -> None:
        self._in_thread = False
        if self._abandoned:
            cut(self._client)


class _Watch:
    """The loop, as aiomqtt sees it: only the client's own socket is watched, and only while it is open."""

    def __init__(self, client: aiomqtt.Client, loop: asyncio.AbstractEventLoop) -> None:
        self._client = client
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    def add_reader(self, number: int, callback: Callable[[], None]) -> None:
        if self._is_open(number):
            with contextlib.suppress(OSError):  # aiomqtt's thread has just closed it
                self._loop.add_reader(number, callback)

    def add_writer(self, number: int, callback: Callable[[], None]) -> None:
        if self._is_open(number):
            with contextlib.suppress(OSError):
                self._loop.add_writer(number, callback)

    def _is_open(self, number: int) -> bool:
        connection = self._client._client.socket()
        return connection is not None and connection.fileno() == number


def cut(client: aiomqtt.Client) -> None:
    """Close the socket, if it is open, without DISCONNECT; and let no exception be left unseen."""
    client._client._sock_close()  # paho has no public way to close without DISCONNECT
    for future in (client._connected, client._disconnected):
        if future.done() and not future.cancelled():
            future.exception()
