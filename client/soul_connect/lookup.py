"""Names are looked up in threads of their own, which nobody has to wait for.

`getaddrinfo` cannot be interrupted: with a nameserver that swallows its questions it takes as long as
the system's resolver is patient, 10 s and more. In the thread that owns the connection it would hold up
`disconnect`; in asyncio's executor the program's other work, and the end of the program.
"""

import asyncio
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, Final

AT_ONCE: Final = 4
"""Lookups of one name at the same time: one that hangs is not the last word, and they do not pile up."""

Addresses = Sequence[tuple[Any, ...]]
"""As `socket.getaddrinfo` gives them."""


class _Name:
    def __init__(self) -> None:
        self.threads = 0
        self.waiting: set[Future[Addresses]] = set()


_names: Final[dict[tuple[str, int], _Name]] = {}
_lock: Final = threading.Lock()


def look_up(host: str, port: int) -> "Future[Addresses]":
    """Where a host is. Whoever does not want to wait any longer cancels it.

    The future raises OSError where there is no such name, or the resolver has given up.
    """
    future: Future[Addresses] = Future()
    try:
        numeric = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        pass
    else:
        future.set_result(numeric)
        return future
    with _lock:
        name = _names.setdefault((host, port), _Name())
        name.waiting.add(future)
        start = name.threads < AT_ONCE
        name.threads += start
    future.add_done_callback(lambda done: _drop(name, done))
    if start:
        threading.Thread(target=_look_up, args=(host, port), name=f"lookup {host}", daemon=True).start()
    return future


async def way_to(host: str, port: int, seconds: float) -> Callable[[], socket.socket]:
    """Look a host up, for so many seconds at most; what is given connects to it, as `connection` does.

    Raises:
        OSError: there is no such name, or no answer in time.
    """
    try:
        async with asyncio.timeout(seconds):
            addresses = await asyncio.wrap_future(look_up(host, port))
    except TimeoutError:
        raise TimeoutError(f"{host} could not be looked up in time") from None
    return partial(connection, addresses, seconds)


def connection(addresses: Addresses, seconds: float) -> socket.socket:
    """A TCP connection to the first address that answers; each has so many seconds.

    Raises:
        OSError: none does; that of the last one.
    """
    failure = OSError("the name has no address")
    for family, kind, protocol, _, address in addresses:
        made = socket.socket(family, kind, protocol)
        try:
            made.settimeout(seconds)
            made.connect(address)
            # Small messages, one after the other: Nagle's algorithm would hold each for 40 ms.
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            made.close()
            failure = error
        else:
            return made
    raise failure


def _look_up(host: str, port: int) -> None:
    found: Addresses | OSError
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        found = error
    except UnicodeError:  # a label that is empty, or too long
        found = OSError(f"{host} is not a host's name")
    with _lock:
        name = _names[host, port]
        waiting, name.waiting = name.waiting, set()
        name.threads -= 1
        if not name.threads:
            del _names[host, port]
    for future in waiting:
        if not future.set_running_or_notify_cancel():
            continue
        if isinstance(found, OSError):
            future.set_exception(found)
        else:
            future.set_result(found)


def _drop(name: _Name, future: "Future[Addresses]") -> None:
    with _lock:
        name.waiting.discard(future)
