"""Listeners: amqtt's configuration of them, and their sockets.

Sockets are bound before anything is started, so that a taken port is one clear error and
leaves nothing running.
"""

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amqtt.contexts import BrokerConfig, ListenerConfig

from soul_broker.certificates import Certificates
from soul_broker.errors import AddressInUseError

_BACKLOG = 1_024
_DESCRIPTORS = 16
"""Of each listening socket, where the loop accepts one connection a turn for each."""
_NO_IPV6 = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def listener_config(
    host: str,
    *,
    mqtt_port: int | None = None,
    tls_port: int | None = None,
    http_port: int | None = None,
    certificates: Certificates | None = None,
    client_authority: Path | None = None,
    plugins: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Amqtt's broker configuration for our listeners: `tcp`, `tls` and `http`.

    Args:
        host: the address to bind, a name or an IPv4 or IPv6 address.
        mqtt_port: MQTT over TCP. None leaves this listener out; 0 is any free port.
        tls_port: MQTT over TLS, likewise; needs `certificates`.
        http_port: HTTP and WebSocket, likewise.
        certificates: of the TLS listener.
        client_authority: a PEM file: who signs the certificates that the TLS listener asks clients for.
        plugins: amqtt's `plugins` section; none by default.

    Raises:
        ValueError: a TLS port without certificates.
    """
    # amqtt wants a `default`; it is not bound.
    listeners: dict[str, Any] = {"default": {"type": "tcp", "bind": None}}
    if mqtt_port is not None:
        listeners["tcp"] = {"type": "tcp", "bind": _bind(host, mqtt_port)}
    if tls_port is not None:
        if certificates is None:
            raise ValueError("a TLS listener needs certificates")
        listeners["tls"] = {
            "type": "tcp",
            "bind": _bind(host, tls_port),
            "ssl": True,
            "certfile": str(certificates.certificate),
            "keyfile": str(certificates.key),
        }
        if client_authority is not None:
            listeners["tls"]["cafile"] = str(client_authority)
    if http_port is not None:
        listeners["http"] = {"type": "ws", "bind": _bind(host, http_port)}
    return {"listeners": listeners, "plugins": dict(plugins or {})}


def broker_config(config: dict[str, Any]) -> BrokerConfig:
    """Amqtt's configuration from a dictionary, with what each listener says kept.

    amqtt lets `default` replace every value of a listener that equals amqtt's own default:
    `ssl: False` becomes the default listener's `True`, `0.0.0.0:1883` its address.
    What was written out stays here.
    """
    copied = {**config}
    if "listeners" in copied:
        copied["listeners"] = {name: dict(listener) for name, listener in copied["listeners"].items()}
    built = BrokerConfig.from_dict(copied)
    for name, written in config.get("listeners", {}).items():
        listener: ListenerConfig = built.listeners[name]
        for field in ("bind", "ssl", "max_connections"):
            if field in written:
                setattr(listener, field, written[field])
        if "type" in written:
            listener.type = type(listener.type)(written["type"])
    return built


def _bind(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@dataclass(frozen=True, slots=True)
class BoundListener:
    """A listener's sockets, bound and not yet listening; `address` is the first one's."""

    sockets: tuple[socket.socket, ...]
    address: tuple[str, int]

    def close(self) -> None:
        """Give the address up."""
        for bound in self.sockets:
            bound.close()


def bind_listener(name: str, host: str | None, port: int) -> BoundListener:
    """Bind a listener's address; every interface where `host` is None.

    Raises:
        AddressInUseError: it is taken, or not an address of this machine.
    """
    shown = _bind(host or "*", port)
    try:
        # socket.getaddrinfo blocks; this is before anything is served.
        found = socket.getaddrinfo(
            host.strip("[]") if host else None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        raise AddressInUseError(
            f"listener {name}: {shown} is no address: {error.strerror}", listener=name
        ) from error
    bound: list[socket.socket] = []
    for family, kind, protocol, _, address in dict.fromkeys(found):
        # One port on every address, also where the system chooses it.
        chosen = bound[0].getsockname()[1] if bound and port == 0 else port
        listening = socket.socket(family, kind, protocol)
        bound.append(listening)
        try:
            if os.name == "posix":
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listening.setblocking(False)
            listening.bind((address[0], chosen, *address[2:]))
            listening.listen(_BACKLOG)
        except OSError as error:
            if error.errno in _NO_IPV6 and family == socket.AF_INET6 and len(found) > 1:
                bound.pop().close()
                continue
            with contextlib.suppress(OSError):
                for opened in bound:
                    opened.close()
            reason = error.strerror or str(error)
            raise AddressInUseError(
                f"listener {name}: cannot listen on {shown}: {reason}",
                listener=name,
                taken=error.errno == errno.EADDRINUSE,
            ) from error
    if not bound:
        raise AddressInUseError(f"listener {name}: no address of this machine for {shown}", listener=name)
    name_ = bound[0].getsockname()
    return BoundListener(tuple(bound), (str(name_[0]), int(name_[1])))


class ServerGroup:
    """The asyncio servers of one listener, as the one server that amqtt expects."""

    def __init__(self, servers: list[asyncio.Server]) -> None:
        self._servers = servers

    @classmethod
    async def serve(
        cls,
        loop: asyncio.AbstractEventLoop,
        factory: Callable[[], asyncio.BaseProtocol],
        bound: BoundListener,
    ) -> "ServerGroup":
        """Accept on bound sockets.

        libuv accepts one connection in each turn of its loop, so that a crowd has a turn for everybody
        in it. It does so for each descriptor: with several of one socket a turn takes several, and a
        storm of 1,000 half the time. asyncio's own loops accept all there are.
        """
        copies = 0 if isinstance(loop, asyncio.BaseEventLoop) else _DESCRIPTORS - 1
        listening = [*bound.sockets, *(each.dup() for each in bound.sockets for _ in range(copies))]
        return cls([await loop.create_server(factory, sock=each, backlog=_BACKLOG) for each in listening])

    def close(self) -> None:
        """Accept no more."""
        for server in self._servers:
            server.close()

    async def wait_closed(self) -> None:
        """Wait for the servers, a second at most.

        From Python 3.12 on a server waits for its connections; those of the HTTP port that were
        handed over belong to somebody else.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                for server in self._servers:
                    await server.wait_closed()
