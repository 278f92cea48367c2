"""Whose socket is it? Peers, what counts as one address, and the proxies that are believed."""

import ipaddress
from collections.abc import Iterable

from soul_protocol.forwarded import address_of, caller_of

LOCAL = "local"
"""The peer of a client in the broker's own process."""

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def host_of(peer: str) -> str:
    """The address in `address:port` or `[address]:port`; an IPv4 address in IPv6 form as IPv4."""
    host = peer.rpartition(":")[0].strip("[]")
    if ":" not in host:
        return host
    try:
        found = ipaddress.IPv6Address(host)
    except ValueError:
        return host
    return str(found.ipv4_mapped or found)


def origin_of(host: str) -> str:
    """What limits count as one address: an IPv4 address, or the /64 that an IPv6 host may choose from."""
    if ":" not in host:
        return host
    try:
        return str(ipaddress.IPv6Network((host.partition("%")[0], 64), strict=False))
    except ValueError:
        return host


class TrustedProxies:
    """Addresses and networks (`10.0.0.0/8`) whose forwarding headers are believed."""

    __slots__ = ("_addresses", "_networks")

    def __init__(self, entries: Iterable[str]) -> None:
        networks = [ipaddress.ip_network(entry) for entry in entries]
        self._addresses = {str(each[0]) for each in networks if each.num_addresses == 1}
        self._networks: list[_Network] = [each for each in networks if each.num_addresses > 1]

    def __contains__(self, host: str) -> bool:
        if host in self._addresses:
            return True
        if not self._networks:
            return False
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        return any(address in network for network in self._networks)

    def client(self, peer: str, forwarded: Iterable[str]) -> str:
        """Whose connection it is, as a peer: `peer` itself, or who it was made for by way of proxies.

        `forwarded` is every `X-Forwarded-For` header.
        """
        socket = address_of(host_of(peer))
        if socket is None:
            return peer
        caller = caller_of(socket, forwarded, lambda address: str(address) in self)
        return peer if caller == socket else f"[{caller}]:0"
