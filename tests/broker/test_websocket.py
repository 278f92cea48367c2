"""MQTT over WebSocket on the shared HTTP port."""

import asyncio
import os
import threading

import aiomqtt
import pytest
from aiohttp import ClientSession, web
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from broker import wire
from broker.frames import frame, opened, read_frame, upgrade
from broker.house import Running, Start, mint, new_device
from broker.wire import Raw
from soul_broker.http_port import is_mqtt_upgrade, origin_allowed
from soul_broker.server import BrokerSettings
from waiting import until_async

STATE = "soul/v1/alice/all/state"


async def answer(running: Running, request: bytes) -> bytes:
    """The whole answer to a request, of a server that closes after it."""
    raw = await running.stack.enter_async_context(await Raw.open(running.broker.addresses["http"]))
    raw.send(request)
    return await raw.closed()


async def test_packets_and_frames_need_not_coincide(running: Running) -> None:
    raw = await opened(running)
    whole = (
        wire.connect("looking", "alice", mint("alice", "observer")) + wire.subscribe((STATE, 0)) + wire.PING
    )
    raw.send(frame(whole[:30], fin=False), frame(b"", 0, fin=False), frame(whole[30:50], 0))
    raw.send(frame(b""), frame(whole[50:]))
    received = b""
    while len(received) < 4 + 5 + 2:
        first, payload = await read_frame(raw)
        assert first == 0x82
        received += payload
    assert received == wire.ACCEPTED + b"\x90\x03\x00\x01\x00" + wire.PONG


async def test_a_refusal_is_connack_5_and_a_close_frame(running: Running) -> None:
    raw = await opened(running)
    raw.send(frame(wire.connect(new_device(), "alice", "guessed")))
    assert await read_frame(raw) == (0x82, wire.REFUSED)
    assert await read_frame(raw) == (0x88, (1000).to_bytes(2, "big"))
    assert await raw.closed() == b""


async def test_ping_is_answered(running: Running) -> None:
    raw = await opened(running)
    assert running.broker.statistics.sockets == 1
    raw.send(frame(b"there?", 9))
    assert await read_frame(raw) == (0x8A, b"there?")


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (frame(b"text", 1), 1003),
        (frame(wire.PING, masked=False), 1002),
        (frame(b"x", 0), 1002),
        (frame(b"x", 3), 1002),
        (b"\x82\xff" + (10**7).to_bytes(8, "big") + b"mask", 1009),
    ],
    ids=["text", "not masked", "a continuation of nothing", "a reserved opcode", "too large"],
)
async def test_bad_frames_close_that_connection_only(running: Running, bad: bytes, code: int) -> None:
    raw, other = await opened(running), await running.device()
    raw.send(bad)
    first, payload = await read_frame(raw)
    assert (first, int.from_bytes(payload[:2], "big")) == (0x88, code)
    assert await raw.closed() == b""
    await other.silent()
    await until_async(lambda: running.broker.statistics.connections == 1)


async def test_a_close_frame_is_an_end_without_disconnect(running: Running) -> None:
    watch = await running.watch("soul/v1/#")
    device = new_device()
    will = wire.Will(f"soul/v1/alice/device/{device}/up/will", b"closed", 1)
    raw = await opened(running)
    raw.send(frame(wire.connect(device, "alice", mint(), will=will)))
    assert await read_frame(raw) == (0x82, wire.ACCEPTED)
    raw.send(frame((1001).to_bytes(2, "big"), 8))
    assert await read_frame(raw) == (0x88, (1001).to_bytes(2, "big"))
    assert (await watch.message()).payload == b"closed"


async def test_the_greatest_message_passes(running: Running) -> None:
    watch = await running.watch("soul/v1/#", qos=0)
    raw = await opened(running)
    raw.send(frame(wire.connect("coordinator", "coordinator", mint("coordinator", "service"))))
    assert await read_frame(raw) == (0x82, wire.ACCEPTED)
    message = wire.publish(STATE, b"x" * (512 * 1024 - 200))
    raw.send(frame(message))
    await watch.expect(message)


async def test_the_wrong_subprotocol_is_refused(running: Running) -> None:
    for offered in ("", "chat"):
        assert (await answer(running, upgrade(subprotocol=offered))).startswith(b"HTTP/1.1 400 ")


async def test_a_header_that_is_no_text_is_refused(running: Running) -> None:
    bad = upgrade().replace(b"Connection: Upgrade", b"Connection: Up\x99\x8d")
    assert (await answer(running, bad)).startswith(b"HTTP/1.1 400 ")
    bad = upgrade(headers="Origin: http://[\r\n")
    assert (await answer(running, bad)).startswith(b"HTTP/1.1 403 ")


async def test_a_foreign_page_is_refused(running: Running) -> None:
    refused = await answer(running, upgrade(headers="Origin: http://evil.example\r\n"))
    assert refused.startswith(b"HTTP/1.1 403 ")
    await opened(running, headers="Origin: http://127.0.0.1:8080\r\n")
    await opened(running)


async def test_allowed_origins_and_trusted_proxies(start: Start) -> None:
    settings = BrokerSettings(
        allowed_origins=frozenset({"https://music.example"}), trusted_proxies=frozenset({"127.0.0.1"})
    )
    running = await start(settings=settings)
    await opened(running, headers="Origin: https://music.example\r\n")
    forwarded = (
        "Origin: https://home.example\r\nX-Forwarded-Host: home.example\r\nX-Forwarded-For: 192.0.2.7\r\n"
    )
    await opened(running, headers=forwarded)


async def test_a_forwarded_host_of_anybody_is_not_believed(running: Running) -> None:
    headers = "Origin: https://evil.example\r\nX-Forwarded-Host: evil.example\r\n"
    assert (await answer(running, upgrade(headers=headers))).startswith(b"HTTP/1.1 403 ")


@pytest.mark.parametrize(
    ("origin", "verdict"),
    [
        (None, True),
        ("http://h:8080", True),
        ("https://H:8080", True),
        ("http://h", False),
        ("http://h:8081", False),
        ("null", False),
        ("", False),
        ("http://h:8080.evil.example", False),
        ("ftp://h:8080", False),
        ("http://[h:8080", False),
    ],
)
def test_origins(origin: str | None, verdict: bool) -> None:
    assert origin_allowed(origin, ["h:8080"], frozenset()) is verdict


def test_which_requests_are_mqtt() -> None:
    assert is_mqtt_upgrade(upgrade().partition(b"\r\n\r\n")[0])
    assert is_mqtt_upgrade(upgrade("/soul/mqtt?x=1").partition(b"\r\n\r\n")[0])
    assert not is_mqtt_upgrade(upgrade("/other").partition(b"\r\n\r\n")[0])
    assert not is_mqtt_upgrade(b"GET /mqtt HTTP/1.1\r\nHost: h")
    assert not is_mqtt_upgrade(b"POST /mqtt HTTP/1.1\r\nUpgrade: websocket")


async def test_without_an_http_server_health_only(running: Running) -> None:
    assert (await answer(running, b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
    assert (await answer(running, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")).startswith(b"HTTP/1.1 404 ")
    assert (await answer(running, b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000)).startswith(b"HTTP/1.1 431 ")


async def test_everything_else_goes_to_aiohttp(start: Start) -> None:
    async def echo(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    application = web.Application(client_max_size=2**22)
    application.router.add_get("/", echo)
    application.router.add_post("/echo", echo)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        running = await start(http_factory=runner.server)
        host, port = running.broker.addresses["http"]
        async with ClientSession() as session:
            async with session.get(f"http://{host}:{port}/") as response:
                assert response.status == 200
            body = os.urandom(1_000_000)
            async with session.post(f"http://{host}:{port}/echo", data=body) as response:
                assert await response.read() == body
            await opened(running)
            await running.broker.shutdown()
    finally:
        await runner.cleanup()


async def test_paho_over_websocket(running: Running) -> None:
    host, port = running.broker.addresses["http"]
    client = paho.Client(
        CallbackAPIVersion.VERSION2, client_id="looking", transport="websockets", protocol=paho.MQTTv311
    )
    client.ws_set_options(path="/mqtt")
    client.username_pw_set("alice", mint("alice", "observer"))
    arrived: list[bytes] = []
    subscribed = threading.Event()
    client.on_connect = lambda client, *_: client.subscribe("soul/v1/alice/#", 1)
    client.on_subscribe = lambda *_: subscribed.set()
    client.on_message = lambda _client, _data, message: arrived.append(bytes(message.payload))
    await asyncio.to_thread(client.connect, host, port)
    client.loop_start()
    try:
        assert await asyncio.to_thread(subscribed.wait, wire.WAIT)
        service = await running.service()
        for size in (0, 10, 200, 70_000):
            service.send(wire.publish(STATE, b"x" * size, qos=1))
            await service.receive()
        await until_async(lambda: len(arrived) == 4)
        assert [len(payload) for payload in arrived] == [0, 10, 200, 70_000]
    finally:
        await asyncio.to_thread(client.disconnect)
        await asyncio.to_thread(client.loop_stop)


async def test_aiomqtt_over_websocket(running: Running) -> None:
    host, port = running.broker.addresses["http"]
    device = new_device()
    async with aiomqtt.Client(
        host,
        port,
        identifier=device,
        username="alice",
        password=mint(),
        transport="websockets",
        websocket_path="/mqtt",
        protocol=aiomqtt.ProtocolVersion.V311,
    ) as client:
        await client.subscribe("soul/v1/alice/all/+", 1)
        service = await running.service()
        service.send(wire.publish(STATE, b"hello", qos=1))
        async with asyncio.timeout(wire.WAIT):
            message = await anext(aiter(client.messages))
        assert message.payload == b"hello"
