"""Who is calling by way of proxies; each server has tests of what it makes of that."""

from ipaddress import ip_address

import pytest

from soul_protocol.forwarded import address_of, caller_of

PROXIES = {ip_address("10.0.0.1"), ip_address("10.0.0.2")}


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:4711", "192.0.2.1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("", None),
        ("unknown", None),
    ],
)
def test_an_address_with_a_port_or_without(text: str, address: str | None) -> None:
    assert address_of(text) == (None if address is None else ip_address(address))


@pytest.mark.parametrize(
    ("peer", "forwarded", "caller"),
    [
        ("192.0.2.9", ["203.0.113.7"], "192.0.2.9"),  # no proxy of ours: it may say what it likes
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1, 203.0.113.7"], "203.0.113.7"),
        ("10.0.0.1", ["198.51.100.1", "203.0.113.7, 10.0.0.2"], "203.0.113.7"),
        ("10.0.0.1", ["203.0.113.7, nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["10.0.0.2"], "10.0.0.2"),
    ],
)
def test_the_caller_is_the_last_who_is_no_proxy(peer: str, forwarded: list[str], caller: str) -> None:
    assert caller_of(ip_address(peer), forwarded, PROXIES.__contains__) == ip_address(caller)
