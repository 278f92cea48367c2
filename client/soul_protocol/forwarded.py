"""Who is calling by way of proxies (`X-Forwarded-For`). No part of the contract: both servers need it."""

import ipaddress
from collections.abc import Callable, Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def address_of(text: str) -> Address | None:
    """The address in what a proxy wrote, with a port or without; an IPv4 address in IPv6 form as IPv4."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def caller_of(peer: Address, forwarded: Iterable[str], trusts: Callable[[Address], bool]) -> Address:
    """Who it was that called `peer`, if that is a proxy that `trusts` believes.

    `forwarded` is every `X-Forwarded-For` header. Each proxy appends whom it was called by, so the
    caller is the last who is no proxy of ours; what stands before was written by the caller, and
    may be a lie.
    """
    hops = [hop.strip() for header in forwarded for hop in header.split(",")]
    while hops and trusts(peer):
        hop = address_of(hops.pop())
        if hop is None:
            break
        peer = hop
    return peer
