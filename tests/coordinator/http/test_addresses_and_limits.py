import pytest

from soul_coordinator.adapters.http_addresses import Callers
from soul_coordinator.adapters.http_limits import Tries

PROXIES = ("10.0.0.0/8", "::1", "192.0.2.7")


@pytest.mark.parametrize(
    ("peer", "forwarded", "caller"),
    [
        ("203.0.113.5", [], "203.0.113.5"),
        ("203.0.113.5", ["198.51.100.1"], "203.0.113.5"),
        ("10.1.2.3", ["198.51.100.1"], "198.51.100.1"),
        ("10.1.2.3", ["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
        ("10.1.2.3", ["1.1.1.1, 198.51.100.1, 192.0.2.7"], "198.51.100.1"),
        ("10.1.2.3", ["1.1.1.1", "198.51.100.1", "10.9.9.9"], "198.51.100.1"),
        ("10.1.2.3", ["198.51.100.1:4711"], "198.51.100.1"),
        ("10.1.2.3", ["[2001:db8:1:2:3::4]:99"], "2001:db8:1:2::/64"),
        ("10.1.2.3", ["nonsense"], "10.1.2.3"),
        ("10.1.2.3", [], "10.1.2.3"),
        ("::1", ["2001:db8:1:2:ffff::4"], "2001:db8:1:2::/64"),
        ("::ffff:10.1.2.3", ["198.51.100.1"], "198.51.100.1"),
        (None, ["198.51.100.1"], "local"),
        ("/run/socket", ["198.51.100.1"], "local"),
    ],
)
def test_the_caller_is_the_last_who_is_no_proxy_of_ours(
    peer: str | None, forwarded: list[str], caller: str
) -> None:
    assert Callers(PROXIES).name(peer, forwarded) == caller


def test_nobody_is_believed_unless_configured() -> None:
    assert Callers().name("127.0.0.1", ["198.51.100.1"]) == "127.0.0.1"


def test_tries_are_counted_in_any_minute() -> None:
    now = 0.0
    tries = Tries(2, 60, clock=lambda: now)
    assert tries.wait("a") == 0
    now = 30
    assert tries.wait("a") == 0
    assert tries.wait("b") == 0
    assert tries.wait("a") == 30
    now = 59.5
    assert tries.wait("a") == 0.5
    now = 60
    assert tries.wait("a") == 0
    assert tries.wait("a") == 30


def test_memory_of_tries_is_bounded() -> None:
    tries = Tries(1, 60, clock=lambda: 0.0, keys=3)
    for key in range(100):
        tries.wait(key)
    assert len(tries) == 3
    assert tries.wait(99) == 60
    assert tries.wait(0) == 0
