"""A TCP proxy whose link can go silent: connected, and nothing passes."""

import selectors
import socket
import threading
from contextlib import suppress
from typing import Self


class Proxy:
    """Forwards connections to a port until `swallow` is called; from then on it drops all that comes."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._dead: set[socket.socket] = set()
        self._selector = selectors.DefaultSelector()
        self._stop = threading.Event()
        self._silent = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(5)
        for one in (*self._pairs, self._listener):
            one.close()
        self._selector.close()

    def swallow(self) -> None:
        """The cable is pulled: neither side is told, and nothing arrives any more."""
        self._silent.set()
        self._dead |= set(self._pairs)

    def heal(self) -> None:
        """The path is back for new connections; the old ones stay dead."""
        self._silent.clear()

    def _run(self) -> None:
        while not self._stop.is_set():
            for key, _ in self._selector.select(0.05):
                if key.fileobj is self._listener:
                    self._accept()
                elif isinstance(key.fileobj, socket.socket):
                    self._forward(key.fileobj)

    def _accept(self) -> None:
        near, _ = self._listener.accept()
        far = socket.create_connection(("127.0.0.1", self._target))
        for one, other in ((near, far), (far, near)):
            self._pairs[one] = other
            self._selector.register(one, selectors.EVENT_READ)

    def _forward(self, one: socket.socket) -> None:
        other = self._pairs.get(one)
        if other is None:
            return  # its other end was closed by an event before this one, of the same look
        try:
            data = one.recv(65536)
            if self._silent.is_set() or one in self._dead:
                if not data:
                    self._selector.unregister(one)  # kept open: the other side must notice by itself
                return
            if data:
                other.sendall(data)
                return
        except OSError:
            pass
        for end in (one, other):
            if end in self._pairs:
                del self._pairs[end]
                with suppress(KeyError):
                    self._selector.unregister(end)
                end.close()
