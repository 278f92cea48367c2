"""Who is calling: the peer's address, or what a proxy that we trust says of it."""

import ipaddress
from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


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

        `peer` is the connection's other end, `forwarded` every `X-Forwarded-For` header. Each
        proxy appends whom it was called by, so the caller is the last who is no proxy of ours;
        what stands before was written by the caller, and may be a lie.
        """
        caller = _address(peer or "")
        if caller is None:
            return "local"
        hops = [hop.strip() for header in forwarded for hop in header.split(",")]
        while hops and self._trusts(caller):
            hop = _address(hops.pop())
            if hop is None:
                break
            caller = hop
        if isinstance(caller, ipaddress.IPv6Address):
            return str(ipaddress.ip_network((caller, 64), strict=False))
        return str(caller)

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)


def _address(text: str) -> Address | None:
    # A proxy may write a port too: 192.0.2.1:4711 or [2001:db8::1]:4711.
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
