"""What is amqtt's stays amqtt's: its plugins, events and lifecycle."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from amqtt.broker import Broker, BrokerContext
from amqtt.contexts import BaseContext
from amqtt.plugins.authentication import FileAuthPlugin
from amqtt.plugins.base import BaseAuthPlugin, BasePlugin
from amqtt.session import Session
from argon2 import PasswordHasher

from broker import wire
from broker.house import Running, Start, mint, new_device
from soul_broker.listeners import listener_config
from waiting import until_async

ANONYMOUS = "amqtt.plugins.authentication.AnonymousAuthPlugin"
FILE = "amqtt.plugins.authentication.FileAuthPlugin"
ACL = "amqtt.plugins.topic_checking.TopicAccessControlListPlugin"
SYS = "amqtt.plugins.sys.broker.BrokerSysPlugin"
LOGGERS = ("amqtt.plugins.logging_amqtt.EventLoggerPlugin", "amqtt.plugins.logging_amqtt.PacketLoggerPlugin")
HERE = "contract_plugins"


def plugins(*names: str, **configured: dict[str, Any]) -> dict[str, Any]:
    return {name: {} for name in names} | configured


def configured(section: dict[str, Any]) -> dict[str, Any]:
    return listener_config("127.0.0.1", mqtt_port=0, plugins=section)


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    file = tmp_path / "passwords"
    file.write_text(
        f"alice:{PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash('open sesame')}\n"
    )
    return file


async def test_nobody_is_admitted_without_a_plugin_or_a_verifier(start: Start) -> None:
    running: Running = await start(config=configured({}), verify=False)
    assert await running.refused("c", "alice", "x") == wire.REFUSED


async def test_an_unmodified_auth_plugin_decides(start: Start, password_file: Path) -> None:
    running: Running = await start(
        config=configured({FILE: {"password_file": str(password_file)}}), verify=False
    )
    assert isinstance(running.broker.plugins_manager.get_plugin("FileAuthPlugin"), FileAuthPlugin)
    client = await running.connect("c", "alice", "open sesame")
    client.send(wire.subscribe(("any/topic", 1)), wire.publish("any/topic", b"x", qos=1))
    await client.expect(b"\x90\x03\x00\x01\x01")
    assert (await client.message()).payload == b"x"
    assert await running.refused("c", "alice", "wrong") == wire.REFUSED
    assert await running.refused("c", "bob", "open sesame") == wire.REFUSED


async def test_an_abstaining_plugin_admits_nobody(start: Start, password_file: Path) -> None:
    running: Running = await start(
        config=configured({FILE: {"password_file": str(password_file)}}), verify=False
    )
    assert await running.refused("c") == wire.REFUSED


async def test_anonymous(start: Start) -> None:
    running: Running = await start(config=configured(plugins(ANONYMOUS)), verify=False)
    raw = await running.raw()
    raw.send(wire.connect(""))
    await raw.expect(wire.ACCEPTED)
    [(session, _)] = running.broker.sessions.values()
    assert session.is_anonymous


async def test_with_our_verifier_both_have_to_admit(start: Start, password_file: Path) -> None:
    section = {FILE: {"password_file": str(password_file)}}
    running: Running = await start(config=configured(section))
    assert await running.refused(new_device(), "alice", mint()) == wire.REFUSED
    assert await running.refused("c", "alice", "open sesame") == wire.REFUSED
    both: Running = await start(config=configured(plugins(ANONYMOUS)))
    await both.device()
    assert await both.refused(new_device(), "alice", "guessed") == wire.REFUSED


async def test_an_unmodified_topic_plugin_decides(start: Start) -> None:
    rules = {
        "publish_acl": {"anonymous": ["sensors/+"]},
        "acl": {"anonymous": ["sensors/#"]},
    }
    with pytest.warns(DeprecationWarning, match="subscribe-acl"):
        running: Running = await start(config=configured({ANONYMOUS: {}, ACL: rules}), verify=False)
    raw = await running.raw()
    raw.send(wire.connect("c"), wire.subscribe(("sensors/a", 0), ("secret", 0)))
    await raw.expect(wire.ACCEPTED)
    await raw.expect(b"\x90\x04\x00\x01\x00\x80")
    raw.send(wire.publish("sensors/a", b"1", qos=1), wire.publish("secret", b"2", qos=1, packet_id=2))
    assert (await raw.message()).payload == b"1"
    await raw.expect(wire.acknowledge(wire.PUBACK, 1))
    await raw.expect(wire.acknowledge(wire.PUBACK, 2))
    assert running.broker.statistics.publish_refused == 1


class Recorder(BasePlugin[BaseContext]):  # type: ignore[misc] # amqtt has no types
    """Writes down every event of amqtt's broker."""

    heard: ClassVar[list[str]] = []

    async def on_broker_pre_start(self) -> None:
        self.heard.clear()
        self.heard.append("pre_start")

    async def on_broker_post_start(self) -> None:
        self.heard.append("post_start")

    async def on_broker_pre_shutdown(self) -> None:
        self.heard.append("pre_shutdown")

    async def on_broker_post_shutdown(self) -> None:
        self.heard.append("post_shutdown")

    async def on_broker_client_connected(self, client_id: str, client_session: Session) -> None:
        assert client_session.transitions.is_connected()
        self.heard.append(f"connected {client_id}")

    async def on_broker_client_disconnected(self, client_id: str, client_session: Session) -> None:
        assert client_session.client_id == client_id
        self.heard.append(f"disconnected {client_id}")

    async def on_broker_client_subscribed(self, client_id: str, topic: str, qos: int) -> None:
        self.heard.append(f"subscribed {client_id} {topic} {qos}")

    async def on_broker_client_unsubscribed(self, client_id: str, topic: str) -> None:
        self.heard.append(f"unsubscribed {client_id} {topic}")

    async def on_broker_message_received(self, client_id: str, message: Any) -> None:
        self.heard.append(f"received {client_id} {message.topic} {message.data!r}")

    async def on_broker_message_broadcast(self, client_id: str, message: Any) -> None:
        self.heard.append(f"broadcast {client_id} {message.topic} {message.publish_packet.qos}")

    async def on_broker_retained_message(self, client_id: str | None, retained_message: Any) -> None:
        if not retained_message.topic.startswith("$SYS"):
            self.heard.append(f"retained {client_id} {retained_message.topic}")

    async def on_mqtt_packet_received(self, *, packet: Any, session: Session | None = None) -> None:
        if packet.fixed_header.packet_type == 12:
            self.heard.append(
                f"ping of {packet.bytes_length} bytes from {session.client_id if session else None}"
            )


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> type[Recorder]:
    # importlib mode gives this module no name that amqtt could import.
    import sys  # noqa: PLC0415
    import types  # noqa: PLC0415

    module = types.ModuleType(HERE)
    vars(module).update(Recorder=Recorder, Slow=Slow)
    monkeypatch.setitem(sys.modules, HERE, module)
    return Recorder


async def test_events_are_fired_in_order(start: Start, recorder: type[Recorder]) -> None:
    running: Running = await start(config=configured(plugins(ANONYMOUS, f"{HERE}.Recorder")), verify=False)
    raw = await running.raw()
    raw.send(wire.connect("c"))
    await raw.expect(wire.ACCEPTED)
    await until_async(lambda: "connected c" in recorder.heard)
    raw.send(wire.subscribe(("a/+", 1)), wire.publish("a/b", b"x", qos=1, retain=True))
    raw.send(wire.PING, wire.unsubscribe("a/+"), wire.DISCONNECT)
    await raw.closed()
    await until_async(lambda: "disconnected c" in recorder.heard)
    await running.broker.shutdown()
    assert recorder.heard == [
        "pre_start",
        "post_start",
        "connected c",
        "subscribed c a/+ 1",
        "received c a/b b'x'",
        "broadcast c a/b 1",
        "retained None a/b",
        "ping of 2 bytes from c",
        "unsubscribed c a/+",
        "disconnected c",
        "pre_shutdown",
        "post_shutdown",
    ]


class Slow(BaseAuthPlugin):  # type: ignore[misc] # amqtt has no types
    """Admits when it is told to."""

    opened: ClassVar[asyncio.Event]

    async def authenticate(self, *, session: Session) -> bool | None:
        await self.opened.wait()
        return bool(session.username == "alice")

    @dataclass
    class Config:
        """Nothing."""


@pytest.mark.usefixtures("recorder")
async def test_what_is_sent_while_a_plugin_thinks_is_kept(start: Start) -> None:
    Slow.opened = asyncio.Event()
    running: Running = await start(config=configured(plugins(f"{HERE}.Slow")), verify=False)
    watch, raw = await running.raw(), await running.raw()
    watch.send(wire.connect("watch", "alice", "x"), wire.subscribe(("#", 0)))
    messages = [wire.publish("a", b"%d" % number) for number in range(50)]
    raw.send(wire.connect("c", "alice", "x"), *messages, wire.DISCONNECT)
    await raw.writer.drain()
    await until_async(lambda: running.broker.statistics.messages_received == 2)
    assert running.broker.statistics.sessions == 0
    Slow.opened.set()
    await watch.expect(wire.ACCEPTED)
    await watch.expect(b"\x90\x03\x00\x01\x00")
    received = [await watch.message() for _ in range(50)]
    assert [message.payload for message in received if message.topic == "a"] == [b"%d" % n for n in range(50)]
    assert await raw.closed() == wire.ACCEPTED


@pytest.mark.usefixtures("recorder")
async def test_what_a_client_sent_before_it_vanished_is_delivered(start: Start) -> None:
    Slow.opened = asyncio.Event()
    Slow.opened.set()
    running: Running = await start(config=configured(plugins(f"{HERE}.Slow")), verify=False)
    watch = await running.connect("watch", "alice", "x")
    watch.send(wire.subscribe(("a", 0)))
    await watch.receive()
    Slow.opened.clear()
    raw = await running.raw()
    raw.send(wire.connect("c", "alice", "x"), wire.publish("a", b"last words"))
    await raw.writer.drain()
    await until_async(lambda: running.broker.statistics.connections == 2)
    raw.writer.close()
    Slow.opened.set()
    assert (await watch.message()).payload == b"last words"
    await until_async(lambda: running.broker.statistics.connections == 1)


@pytest.mark.usefixtures("recorder")
async def test_a_plugin_that_never_answers_is_cut_off_by_the_deadline(start: Start) -> None:
    from soul_broker.server import BrokerSettings  # noqa: PLC0415 (only here)

    Slow.opened = asyncio.Event()
    settings = BrokerSettings(connect_deadline=0.3)
    running: Running = await start(
        config=configured(plugins(f"{HERE}.Slow")), verify=False, settings=settings
    )
    raw = await running.raw()
    raw.send(wire.connect("c", "alice", "x"))
    assert await raw.closed() == b""
    await until_async(lambda: running.broker.statistics.connections == 0)


async def test_the_context_works_for_plugins(start: Start) -> None:
    running: Running = await start(config=configured(plugins(ANONYMOUS)), verify=False)
    raw = await running.raw()
    raw.send(wire.connect("c", clean=False), wire.subscribe(("a/#", 1)))
    await raw.receive()
    await raw.receive()
    context = running.broker.plugins_manager.context
    assert isinstance(context, BrokerContext)
    await context.broadcast_message("a/b", b"said")
    assert (await raw.message()).payload == b"said"
    await context.retain_message("a/kept", b"kept")
    assert context.retained_messages["a/kept"].data == b"kept"
    raw.send(wire.subscribe(("a/kept", 0), packet_id=2))
    await raw.receive()
    assert (await raw.message()).payload == b"kept"
    assert [session.client_id for session in context.sessions] == ["c"]
    assert {
        pattern: [(s.client_id, q) for s, q in who] for pattern, who in context.subscriptions.items()
    } == {
        "a/#": [("c", 1)],
        "a/kept": [("c", 0)],
    }
    await context.add_subscription("later", "b/#", 1)
    await context.broadcast_message("b/x", b"waiting", 1)
    later = context.get_session("later")
    assert later is not None and later.retained_messages_count == 1
    again = await running.raw()
    again.send(wire.connect("later", clean=False))
    await again.expect(wire.RESUMED)
    assert (await again.message()).payload == b"waiting"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_the_sys_plugin_and_the_loggers_load_and_work(start: Start) -> None:
    section = {**plugins(ANONYMOUS, *LOGGERS), SYS: {"sys_interval": 1}}
    running: Running = await start(config=configured(section), verify=False)
    raw = await running.raw()
    raw.send(wire.connect("c"), wire.subscribe(("$SYS/broker/messages/received", 0)))
    await raw.expect(wire.ACCEPTED)
    await raw.receive()
    assert int((await raw.message()).payload) >= 2


async def test_our_rules_as_plugins_of_a_stock_amqtt(tmp_path: Path, signing_key: Any, start: Start) -> None:
    from cryptography.hazmat.primitives import serialization as s  # noqa: PLC0415 (only here)

    pem = signing_key.public_key().public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "key.pub.pem").write_bytes(pem)
    section = {
        "soul_broker.plugins.JwtAuthPlugin": {"public_keys": [str(tmp_path / "key.pub.pem")]},
        "soul_broker.plugins.AclTopicPlugin": {},
    }
    stock = Broker({"listeners": {"default": {"type": "tcp", "bind": "127.0.0.1:0"}}, "plugins": section})
    await stock.start()
    try:
        address = stock._servers["default"].instance.sockets[0].getsockname()
        device = new_device()
        async with await wire.Raw.open(address) as raw:
            raw.send(wire.connect(device, "alice", mint()))
            await raw.expect(wire.ACCEPTED)
            own, other = f"soul/v1/alice/device/{device}/down/+", "soul/v1/bob/all/state"
            raw.send(wire.subscribe((own, 0), (other, 0)))
            await raw.expect(b"\x90\x04\x00\x01\x00\x80")
            async with await wire.Raw.open(address) as watch:
                watch.send(wire.connect("watch", "coordinator", mint("coordinator", "service")))
                await watch.expect(wire.ACCEPTED)
                watch.send(wire.subscribe(("soul/v1/#", 0)))
                await watch.expect(b"\x90\x03\x00\x01\x00")
                up = f"soul/v1/alice/device/{device}/up/state"
                raw.send(wire.publish(other, b"forged"), wire.publish(up, b"mine"))
                assert (await watch.message())[:2] == (up, b"mine")
            raw.send(wire.DISCONNECT)
        async with await wire.Raw.open(address) as raw:
            raw.send(wire.connect(device, "alice", "guessed"))
            await raw.expect(wire.REFUSED)
    finally:
        await stock.shutdown()
    ours: Running = await start(config=configured(section), verify=False)
    await ours.device()
    assert await ours.refused(new_device(), "alice", "guessed") == wire.REFUSED
