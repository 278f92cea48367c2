"""Other people's clients: mosquitto's tools, paho and aiomqtt, over TCP and TLS."""

import asyncio
import ssl
from asyncio.subprocess import PIPE, Process

import aiomqtt
import pytest

from broker import wire
from broker.house import Running, Start, mint, new_device
from soul_broker.certificates import Certificates
from soul_broker.listeners import listener_config
from waiting import until_async

STATE = "soul/v1/alice/all/state"


def place(running: Running) -> tuple[str, ...]:
    host, port = running.tcp
    return "-h", host, "-p", str(port)


def who(user: str, role: str) -> tuple[str, ...]:
    return "-u", user, "-P", mint(user, role)


async def mosquitto(program: str, *arguments: str) -> Process:
    return await asyncio.create_subprocess_exec(f"mosquitto_{program}", *arguments, stdout=PIPE, stderr=PIPE)


async def finished(process: Process) -> tuple[int | None, str, str]:
    async with asyncio.timeout(10):
        out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


@pytest.mark.parametrize("qos", ["0", "1", "2"])
async def test_mosquitto_sub_as_the_readme_shows_it(running: Running, qos: str) -> None:
    observer = who("alice", "observer")
    watch = await mosquitto(
        "sub", *place(running), *observer, "-t", "soul/v1/alice/#", "-v", "-q", qos, "-C", "2"
    )
    await until_async(lambda: running.broker.statistics.subscriptions_count == 1)
    for text in ("one", "two"):
        publish = await mosquitto(
            "pub", *place(running), *who("coordinator", "service"), "-t", STATE, "-m", text, "-q", qos
        )
        assert await finished(publish) == (0, "", "")
    assert await finished(watch) == (0, f"{STATE} one\n{STATE} two\n", "")


async def test_mosquitto_pub_many_lines_at_qos_2(running: Running) -> None:
    watch = await running.watch("soul/v1/#", qos=0)
    publish = await asyncio.create_subprocess_exec(
        "mosquitto_pub",
        *place(running),
        *who("coordinator", "service"),
        "-t",
        STATE,
        "-q",
        "2",
        "-l",
        stdin=PIPE,
    )
    assert publish.stdin is not None
    publish.stdin.write(b"".join(b"%d\n" % number for number in range(200)))
    publish.stdin.close()
    assert [(await watch.message()).payload for _ in range(200)] == [b"%d" % number for number in range(200)]
    assert await asyncio.wait_for(publish.wait(), 10) == 0


async def test_mosquitto_pub_of_mqtt_5(running: Running) -> None:
    service = who("coordinator", "service")
    publish = await mosquitto("pub", "-V", "5", *place(running), *service, "-t", STATE, "-m", "x")
    code, _, err = await finished(publish)
    assert code != 0
    assert "Unsupported Protocol Version" in err


async def test_mosquitto_sub_hears_a_will(running: Running) -> None:
    watch = await mosquitto(
        "sub", *place(running), *who("alice", "observer"), "-t", "soul/v1/alice/#", "-C", "1"
    )
    await until_async(lambda: running.broker.statistics.subscriptions_count == 1)
    device = new_device()
    will = wire.Will(f"soul/v1/alice/device/{device}/up/will", b"gone", 1)
    (await running.device(device=device, will=will)).drop()
    assert (await finished(watch))[1] == "gone\n"


async def test_mosquitto_is_told_of_refusals(running: Running) -> None:
    watch = await mosquitto("sub", *place(running), "-u", "alice", "-P", "guessed", "-t", "#")
    code, _, err = await finished(watch)
    assert code == 5
    assert "not authorised" in err
    denied = await mosquitto("sub", *place(running), *who("alice", "observer"), "-t", "soul/v1/bob/#", "-E")
    assert "denied" in (await finished(denied))[2]


async def test_mosquitto_keeps_its_session(running: Running) -> None:
    observer = who("alice", "observer")
    arguments = (*place(running), *observer, "-i", "reader", "-c", "-q", "1", "-t", "soul/v1/alice/#")
    assert (await finished(await mosquitto("sub", *arguments, "-E")))[0] == 0
    service = await running.service()
    service.send(wire.publish(STATE, b"while away", qos=1))
    await service.receive()
    again = await mosquitto("sub", *arguments, "-C", "1")
    assert (await finished(again))[1] == "while away\n"


async def test_tls_with_our_own_authority(start: Start, certificates: Certificates) -> None:
    running = await start(
        config=listener_config("127.0.0.1", mqtt_port=0, tls_port=0, certificates=certificates)
    )
    host, port = running.broker.addresses["tls"]
    context = ssl.create_default_context(cafile=str(certificates.authority))
    device = new_device()
    async with aiomqtt.Client(
        host, port, identifier=device, username="alice", password=mint(), tls_context=context
    ) as client:
        await client.subscribe("soul/v1/alice/all/+", 2)
        async with aiomqtt.Client(
            *running.tcp, identifier="c", username="coordinator", password=mint("coordinator", "service")
        ) as service:
            for qos in range(3):
                await service.publish(STATE, b"%d" % qos, qos)
        arrived = []
        async with asyncio.timeout(10):
            async for message in client.messages:
                arrived.append((message.payload, message.qos))
                if len(arrived) == 3:
                    break
    assert arrived == [(b"0", 0), (b"1", 1), (b"2", 2)]


async def test_tls_closes_cleanly_after_a_refusal(start: Start, certificates: Certificates) -> None:
    running = await start(config=listener_config("127.0.0.1", tls_port=0, certificates=certificates))
    context = ssl.create_default_context(cafile=str(certificates.authority))
    raw = await running.stack.enter_async_context(
        await wire.Raw.open(running.broker.addresses["tls"], tls=context)
    )
    raw.send(wire.connect(new_device(), "alice", "guessed"))
    assert await raw.closed() == wire.REFUSED


async def test_no_tls_on_the_tls_port(start: Start, certificates: Certificates) -> None:
    running = await start(config=listener_config("127.0.0.1", tls_port=0, certificates=certificates))
    raw = await running.stack.enter_async_context(await wire.Raw.open(running.broker.addresses["tls"]))
    raw.send(wire.connect(new_device(), "alice", mint()))
    assert wire.ACCEPTED not in await raw.closed()
