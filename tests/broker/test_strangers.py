"""Who is not authenticated: limits on an address, and refusals that are held back."""

import asyncio
from dataclasses import replace

import pytest
import structlog.testing
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from broker import wire
from broker.frames import opened, upgrade
from broker.house import Running, Start, mint, new_device
from broker.wire import Raw
from soul_broker.addresses import TrustedProxies, host_of, origin_of
from soul_broker.server import BrokerSettings
from soul_broker.strangers import Strangers
from soul_broker.timers import RESOLUTION
from waiting import until_async

SETTINGS = BrokerSettings()


async def fill(running: Running, count: int, *, listener: str = "tcp") -> list[Raw]:
    address = running.broker.addresses[listener]
    silent = [await running.stack.enter_async_context(await Raw.open(address)) for _ in range(count)]
    await until_async(lambda: len(running.broker._hub.strangers) == count)
    return silent


async def test_unauthenticated_connections_of_an_address_are_bounded(start: Start) -> None:
    running: Running = await start(settings=replace(SETTINGS, connections_per_address=5))
    devices = [await running.device() for _ in range(6)]
    silent = await fill(running, 5)
    with structlog.testing.capture_logs() as logged:
        for _ in range(3):
            assert await (await running.raw()).closed() == b""
    # Counted each, said once a minute.
    assert running.broker.statistics.connections_refused == 3
    assert [line["event"] for line in logged] == ["too many connections"]
    silent[0].drop()
    await until_async(lambda: len(running.broker._hub.strangers) == 4)
    await running.device()
    # Who is authenticated makes room.
    silent[1].send(wire.connect(new_device(), "alice", mint()))
    await silent[1].expect(wire.ACCEPTED)
    assert len(running.broker._hub.strangers) == 3
    for device in devices:
        await device.silent()


async def test_another_address_is_another_count(start: Start) -> None:
    running: Running = await start(settings=replace(SETTINGS, connections_per_address=2))
    await fill(running, 2)
    reader, writer = await asyncio.open_connection(*running.tcp, local_addr=("127.0.0.2", 0))
    other = await running.stack.enter_async_context(Raw(reader, writer))
    other.send(wire.connect(new_device(), "alice", mint()))
    await other.expect(wire.ACCEPTED)


async def test_the_http_port_counts_before_and_after_its_first_request(start: Start) -> None:
    running: Running = await start(settings=replace(SETTINGS, connections_per_address=2))
    http = running.broker.addresses["http"]
    first, _ = await fill(running, 2, listener="http")
    assert await (await running.stack.enter_async_context(await Raw.open(http))).closed() == b""
    first.send(upgrade())
    await first.reader.readuntil(b"\r\n\r\n")
    assert len(running.broker._hub.strangers) == 2
    first.drop()
    await until_async(lambda: running.broker.statistics.connections == 1)
    raw = await running.stack.enter_async_context(await Raw.open(http))
    raw.send(b"GET /healthz HTTP/1.1\r\n\r\n")
    assert b"200 OK" in await raw.closed()
    await until_async(lambda: running.broker.statistics.connections == 1)


async def test_a_connection_kept_open_for_http_counts(start: Start) -> None:
    """aiohttp serves it: a crowd of browsers that say nothing more has its bound as well."""

    async def hello(_request: web.Request) -> web.Response:
        return web.Response(text="hello")

    application = web.Application()
    application.router.add_get("/", hello)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        settings = replace(SETTINGS, connections_per_address=3)
        running: Running = await start(http_factory=runner.server, settings=settings)
        http = running.broker.addresses["http"]
        kept = [await running.stack.enter_async_context(await Raw.open(http)) for _ in range(3)]
        for _ in range(2):
            for raw in kept:
                raw.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
                assert b"200 OK" in await raw.reader.readuntil(b"hello")
        assert running.broker.statistics.connections == 3
        assert await (await running.stack.enter_async_context(await Raw.open(http))).closed() == b""
        kept[0].drop()
        await until_async(lambda: running.broker.statistics.connections == 2)
        async with asyncio.timeout(2):
            await running.broker.shutdown()
        assert await kept[1].closed() == b""
    finally:
        await runner.cleanup()


async def test_behind_a_proxy_the_address_is_the_one_it_names(start: Start) -> None:
    settings = replace(SETTINGS, connections_per_address=1, trusted_proxies=frozenset({"127.0.0.0/8"}))
    running: Running = await start(settings=settings)
    http = running.broker.addresses["http"]
    for number in (1, 2):
        raw = await running.stack.enter_async_context(await Raw.open(http))
        raw.send(upgrade(headers=f"X-Forwarded-For: 192.0.2.{number}\r\n"))
        await raw.reader.readuntil(b"\r\n\r\n")
    again = await running.stack.enter_async_context(await Raw.open(http))
    again.send(upgrade(headers="X-Forwarded-For: 192.0.2.2\r\n"))
    assert b"101" in await again.closed()
    assert running.broker.statistics.connections_refused == 1


async def test_behind_two_proxies_it_is_the_one_that_the_outer_names(start: Start) -> None:
    proxies = frozenset({"127.0.0.0/8", "10.0.0.2"})
    running: Running = await start(
        settings=replace(SETTINGS, connections_per_address=1, trusted_proxies=proxies)
    )
    for number in (1, 2):
        await opened(running, headers=f"X-Forwarded-For: 192.0.2.{number}, 10.0.0.2\r\n")
    assert running.broker.statistics.connections_refused == 0


def test_a_refusal_is_told_within_a_second() -> None:
    assert SETTINGS.refusal_delay + 2 * RESOLUTION < 1.0


async def test_refusals_are_held_back_and_correct_logins_are_not(start: Start) -> None:
    running: Running = await start(settings=replace(SETTINGS, refusal_delay=60.0))
    hub, clock = running.broker._hub, asyncio.get_running_loop().time
    told: list[str] = []

    async def attempt(name: str, user: str, password: str, answer: bytes) -> None:
        raw = await running.raw()
        raw.send(wire.connect(new_device(), user, password))
        await raw.expect(answer)
        told.append(name)

    statistics = running.broker.statistics
    for _ in range(5):
        await attempt("at once", "alice", "guessed", wire.REFUSED)
    assert statistics.refusals_held == 0
    for _ in range(700):
        hub.strangers.fail("127.0.0.1", "alice", hub.now())
    held = [asyncio.create_task(attempt("held", "alice", "guessed", wire.REFUSED)) for _ in range(10)]
    await until_async(lambda: statistics.refusals_held == 10)
    await attempt("another", "bob", "guessed", wire.REFUSED)
    await attempt("correct", "alice", mint(), wire.ACCEPTED)
    # What was a mistake is forgotten.
    await attempt("after", "alice", "guessed", wire.REFUSED)
    assert told[5:] == ["another", "correct", "after"]
    hub.now = lambda: clock() + 60  # a minute passes
    await asyncio.gather(*held)
    assert told[8:] == ["held"] * 10
    assert (statistics.refusals_held, statistics.connects_refused) == (10, 17)


async def test_whoever_is_refused_later_is_not_heard_before(running: Running) -> None:
    for _ in range(10):
        running.broker._hub.strangers.fail("127.0.0.1", "alice", running.broker._hub.now())
    watch = await running.watch("soul/v1/#", qos=0)
    raw = await running.raw()
    raw.send(wire.connect(new_device(), "alice", "guessed"))
    await until_async(lambda: running.broker.statistics.refusals_held == 1)
    raw.send(wire.publish("soul/v1/alice/all/state", b"x") * 1_000, wire.connect("c", "alice", mint()))
    assert await raw.closed() in (wire.REFUSED, b"")  # a reset may overtake it: we did not read what it sent
    await watch.silent()
    assert running.broker.statistics.publish_received == 0


async def test_who_gives_up_while_the_refusal_waits_leaves_nothing(running: Running) -> None:
    hub = running.broker._hub
    for _ in range(10):
        hub.strangers.fail("127.0.0.1", "alice", hub.now())
    with structlog.testing.capture_logs() as logged:
        raws = [await running.raw() for _ in range(20)]
        for raw in raws:
            raw.send(wire.connect(new_device(), "alice", "guessed"))
        await until_async(lambda: running.broker.statistics.refusals_held == 20)
        for raw in raws:
            raw.drop()
        await until_async(lambda: running.broker.statistics.connections == 0)
    assert len(hub.wheel) == len(hub.strangers) == 0
    assert all(line["reason"].startswith("refused: ") for line in logged)
    assert len(logged) == 20


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=60))
def test_sockets_are_counted_exactly(steps: list[tuple[int, bool]]) -> None:
    strangers, held = Strangers(2, 0.5), [0, 0, 0, 0]
    for address, comes in steps:
        if comes:
            entered = strangers.enter(str(address))
            assert entered == (held[address] < 2)
            held[address] += entered
        elif held[address]:
            strangers.leave(str(address))
            held[address] -= 1
        assert len(strangers) == sum(held)


def test_failures_are_remembered_for_a_minute_and_within_a_bound() -> None:
    strangers = Strangers(0, 0.5)
    waits = [strangers.fail("192.0.2.1", "alice", 0.0) for _ in range(20)]
    assert waits[:5] == [0.0] * 5
    assert waits[5:] == pytest.approx([0.1, 0.2, 0.3, 0.4] + [0.5] * 11)
    assert strangers.fail("192.0.2.2", "alice", 1.0) == strangers.fail("192.0.2.1", "bob", 1.0) == 0
    assert strangers.fail("192.0.2.1", "alice", 59.0) == 0.5
    strangers.expire(119.1)
    assert strangers.remembered == 0
    assert strangers.fail("192.0.2.1", "alice", 120.0) == 0
    for number in range(30_000):
        strangers.fail("192.0.2.1", f"{number}", 121.0)
    assert strangers.remembered == 10_000
    assert Strangers(0, 0).fail("a", "u", 0.0) == 0
    for _ in range(9):
        strangers.fail("192.0.2.1", "alice", 122.0)
    strangers.succeed("192.0.2.1", "alice")
    assert strangers.fail("192.0.2.1", "alice", 122.0) == 0


@pytest.mark.parametrize(
    ("peer", "host", "origin"),
    [
        ("192.0.2.1:80", "192.0.2.1", "192.0.2.1"),
        ("[2001:db8:1:2:3:4:5:6]:80", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("[::ffff:192.0.2.1]:80", "192.0.2.1", "192.0.2.1"),
        ("[fe80::1%eth0]:80", "fe80::1%eth0", "fe80::/64"),
        ("?", "", ""),
    ],
)
def test_what_counts_as_one_address(peer: str, host: str, origin: str) -> None:
    assert host_of(peer) == host
    assert origin_of(host) == origin


def test_trusted_proxies_are_addresses_and_networks() -> None:
    proxies = TrustedProxies(["192.0.2.1", "10.0.0.0/8", "2001:db8::/32"])
    for host in ("192.0.2.1", "10.1.2.3", "2001:db8::1"):
        assert host in proxies
    for host in ("192.0.2.2", "11.0.0.1", "2001:db9::1", "", "local"):
        assert host not in proxies
    assert "10.0.0.1" not in TrustedProxies([])


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.5:80", ["198.51.100.1"], "203.0.113.5"),
        ("10.1.2.3:80", [], "10.1.2.3"),
        ("10.1.2.3:80", ["nonsense"], "10.1.2.3"),
        ("10.1.2.3:80", ["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
        ("10.1.2.3:80", ["1.1.1.1, 198.51.100.1, 192.0.2.7"], "198.51.100.1"),
        ("10.1.2.3:80", ["1.1.1.1", "198.51.100.1", "10.9.9.9,::ffff:192.0.2.7"], "198.51.100.1"),
        ("10.1.2.3:80", ["nonsense, 192.0.2.7"], "192.0.2.7"),
        ("10.1.2.3:80", ["10.4.4.4, 192.0.2.7"], "10.4.4.4"),
        ("10.1.2.3:80", ["198.51.100.1:4711"], "198.51.100.1"),
        ("10.1.2.3:80", ["[2001:db8:1:2:3::4]:99"], "2001:db8:1:2:3::4"),
        ("[::ffff:10.1.2.3]:80", ["198.51.100.1"], "198.51.100.1"),
    ],
)
def test_the_client_is_the_last_who_is_no_proxy(peer: str, forwarded: list[str], client: str) -> None:
    assert host_of(TrustedProxies(["10.0.0.0/8", "192.0.2.7"]).client(peer, forwarded)) == client
