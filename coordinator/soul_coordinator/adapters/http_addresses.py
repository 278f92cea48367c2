"""Who is calling: the peer's address, or what a proxy that we trust says of it."""

import ipaddress
from collections.abc import Iterable

from soul_protocol.forwarded import Address, address_of, caller_of


class Callers:
    """Finds a caller's address.

    Args:
        trusted: addresses and networks of the proxies whose `X-Forwarded-For` counts.

    Raises:
        ValueError: one of them is neither.
    """

    def __init__(self, trusted: Iterable[str] = ()) -> None:
        self._trusted = tuple(ipaddress.ip_network(each, strict=False) for each in trusted)

    def name(self, peer: str | None, forwarded: Iterable[str]) -> str:
        """The caller, as one name for each household: an IPv4 address, or an IPv6 network of 64 bits.

        `peer` is the connection's other end, `forwarded` every `X-Forwarded-For` header.
        """
        socket = address_of(peer or "")
        if socket is None:
            return "local"
        caller = caller_of(socket, forwarded, self._trusts)
        if isinstance(caller, ipaddress.IPv6Address):
            return str(ipaddress.ip_network((caller, 64), strict=False))
        return str(caller)

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)
