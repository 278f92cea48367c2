"""paho's bytes, in few system calls: read all that is there, write what one turn of the loop has said.

paho reads a packet in three calls and writes each with one, and aiomqtt wakes its loop, waits for
the socket and then writes, three turns later. Here what is published leaves at once, together with
what a turn has gathered: an answer with the acknowledgement of what it answers.

On private names of aiomqtt and paho that the tests of real links pass through.
"""

# ruff: noqa: SLF001 (see above)

import asyncio
import contextlib
import socket
import ssl
import threading
from typing import Any, Final

import aiomqtt

_CHUNK: Final = 64 * 1024


class Stream:
    """A TCP or TLS socket as paho uses it. What is sent leaves with `flush`."""

    def __init__(self, made: socket.socket) -> None:
        self._socket = made
        self._held = memoryview(b"")
        self._out = bytearray()

    def recv(self, size: int) -> bytes:
        """As a socket's; the system is asked only where nothing is held."""
        if not self._held:
            data = self._socket.recv(_CHUNK)
            if len(data) <= size:
                return data
            self._held = memoryview(data)
        part, self._held = self._held[:size], self._held[size:]
        return bytes(part)

    def pending(self) -> int:
        """Bytes that can be read and that the system does not know of (aiomqtt asks)."""
        beneath = self._socket.pending() if isinstance(self._socket, ssl.SSLSocket) else 0
        return len(self._held) + beneath

    def send(self, data: bytes) -> int:
        """Take all of it. A connection that broke is noticed by whoever reads from it."""
        self._out += data
        return len(data)

    def flush(self) -> bool:
        """Write what was taken; False where the rest must wait until the socket takes more."""
        while self._out:
            try:
                sent = self._socket.send(self._out)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return False
            except OSError:
                self._out.clear()
                break
            del self._out[:sent]
        return True

    def close(self) -> None:
        """Close it; what was taken leaves before."""
        with contextlib.suppress(OSError, ValueError):
            self.flush()
        self._socket.close()

    def fileno(self) -> int:
        """The system's number; -1 once it is closed."""
        return self._socket.fileno()

    def setblocking(self, flag: bool) -> None:
        """As a socket's."""
        self._socket.setblocking(flag)


class Outflow:
    """Writes what a client has to say once in a turn of the loop. For one client, for its whole life."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self._paho = client._client
        self._disconnected = client._disconnected
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._due = False
        self._waiting: int | None = None
        self._paho.on_socket_register_write = self._wanted
        self._paho.on_socket_unregister_write = None

    def _wanted(self, *_: Any) -> None:
        """Paho has something to say, in our thread or in the one that connects."""
        if threading.get_ident() != self._thread:
            self._loop.call_soon_threadsafe(self._write)
        elif not self._due:
            self._due = True
            self._loop.call_soon(self._write)

    def hurry(self) -> None:
        """Write now, unless paho is handing over a message: then at the end of the turn."""
        if not self._paho._in_callback_mutex.locked():
            self._write()

    def _write(self) -> None:
        self._due = False
        if self._waiting is None and not self._paho.want_write():
            return
        self._stop_waiting()
        try:
            self._paho.loop_write()
        except Exception as error:  # noqa: BLE001 (as aiomqtt does: it ends the link, which raises it)
            if not self._disconnected.done():
                self._disconnected.set_exception(error)
            return
        stream: Any = self._paho.socket()
        if stream is None:
            return
        rest = self._paho.want_write()
        if isinstance(stream, Stream):
            rest = not stream.flush() or rest
        if rest:
            self._waiting = stream.fileno()
            self._loop.add_writer(self._waiting, self._write)

    def _stop_waiting(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self._loop.remove_writer(waiting)

    def end(self) -> None:
        """The socket is about to be closed."""
        self._stop_waiting()
