"""Every seam of amqtt 0.12.1 that SoulBroker rests on, by name: another version moves none unnoticed."""

import asyncio
import inspect
import re
from pathlib import Path

import pytest
from amqtt.broker import Broker, BrokerContext, RetainedApplicationMessage, Server
from amqtt.events import BrokerEvents, MQTTEvents
from amqtt.mqtt.packet import MQTTFixedHeader
from amqtt.mqtt.publish import PublishPacket
from amqtt.plugins.base import BaseAuthPlugin, BasePlugin, BaseTopicPlugin
from amqtt.plugins.manager import PluginManager
from amqtt.session import IncomingApplicationMessage, Session

import soul_broker
from soul_broker.amqtt_gateway import ClientView
from soul_broker.listeners import listener_config
from soul_broker.server import SoulBroker
from soul_broker.session import SessionKey

SEAMS: dict[type, dict[str, list[str]]] = {
    Broker: {
        "_start_listeners": [],
        "_create_server_instance": ["listener_name", "listener_type", "address", "port", "ssl_context"],
        "_create_ssl_context": ["listener"],
        "_split_bindaddr_port": ["port_str", "default_port"],
        "_session_monitor": [],
        "_shutdown_broadcast_loop": [],
        "_authenticate": ["session", "_"],
        "_topic_filtering": ["session", "topic", "action"],
        "internal_message_broadcast": ["topic", "data", "qos"],
        "retain_message": ["source_session", "topic_name", "data", "qos"],
        "add_subscription": ["subscription", "session"],
        "create_offline_session": ["client_id"],
    },
    PluginManager: {
        "map_plugin_auth": ["session"],
        "map_plugin_topic": ["session", "topic", "action"],
        "is_topic_filtering_enabled": [],
        "get_plugin": ["name"],
    },
    Server: {"close_instance": []},
}

"""Methods of amqtt that SoulBroker overrides or calls, with their parameters."""

MADE: dict[type, list[str]] = {
    MQTTFixedHeader: ["packet_type", "flags", "length"],
    IncomingApplicationMessage: ["packet_id", "topic", "qos", "data", "retain"],
    RetainedApplicationMessage: ["source_session", "topic", "data", "qos"],
}
"""What is made of amqtt's for plugins to see, with what we give, in order."""

READ = {"sessions", "subscriptions", "retained_messages"}
"""Properties of the broker that `BrokerContext` reads, and with it the plugins."""


@pytest.mark.parametrize("owner", SEAMS, ids=lambda owner: owner.__name__)
def test_the_seams_are_as_they_were(owner: type) -> None:
    for name, parameters in SEAMS[owner].items():
        found = [each for each in inspect.signature(getattr(owner, name)).parameters if each != "self"]
        assert found == parameters, name


async def test_the_private_attributes_are_there() -> None:
    broker = SoulBroker(listener_config("127.0.0.1"))
    assert broker._servers == {}
    assert broker._loop is asyncio.get_running_loop()
    assert broker.transitions.state == "new"
    manager = broker.plugins_manager
    assert (manager._auth_plugins, manager._topic_plugins, manager._event_plugin_callbacks) == ([], [], {})


def test_start_and_shutdown_are_amqtts() -> None:
    assert SoulBroker._start_listeners is Broker._start_listeners
    assert SoulBroker._authenticate is Broker._authenticate
    assert SoulBroker._topic_filtering is Broker._topic_filtering
    assert SoulBroker._init_states is Broker._init_states
    for name in ("start", "shutdown"):
        assert f"super().{name}()" in inspect.getsource(getattr(SoulBroker, name))


def test_a_view_has_everything_that_a_session_has() -> None:
    view = ClientView(SessionKey("alice", "device", "c"), None)
    missing = [name for name in vars(Session()) if not hasattr(view, name)]
    assert missing == []
    assert isinstance(view, Session)


def test_every_override_is_a_seam_that_is_named() -> None:
    inherited = {name for name in vars(SoulBroker) if hasattr(Broker, name) and not name.startswith("__")}
    assert inherited - {"start", "shutdown"} - READ <= set(SEAMS[Broker])


def test_everything_private_that_is_used_is_named() -> None:
    sources = Path(str(soul_broker.__file__)).parent.glob("*.py")
    used = {
        name
        for source in sources
        for line in source.read_text("utf-8").splitlines()
        if "amqtt" in source.name or "SLF001" in line
        for name in re.findall(r"(?:manager|_broker|server)\.(_[a-z]\w*)", line)
    }
    named = {name for methods in SEAMS.values() for name in methods}
    assert used - named == {"_auth_plugins", "_topic_plugins", "_event_plugin_callbacks"}


@pytest.mark.parametrize("made", MADE, ids=lambda made: made.__name__)
def test_what_plugins_see_is_made_as_before(made: type) -> None:
    wanted = list(inspect.signature(made).parameters)
    assert wanted[: len(MADE[made])] == MADE[made]


def test_a_publish_packet_is_built_as_before() -> None:
    wanted = ["topic_name", "message", "packet_id", "dup_flag", "qos", "retain"]
    assert list(inspect.signature(PublishPacket.build).parameters) == wanted


def test_the_events_are_those_that_we_fire() -> None:
    fired = {
        "CLIENT_CONNECTED",
        "CLIENT_DISCONNECTED",
        "CLIENT_SUBSCRIBED",
        "CLIENT_UNSUBSCRIBED",
        "MESSAGE_RECEIVED",
        "MESSAGE_BROADCAST",
        "RETAINED_MESSAGE",
    }
    # amqtt itself fires the rest, around start and shutdown.
    others = {"PRE_START", "POST_START", "PRE_SHUTDOWN", "POST_SHUTDOWN"}
    assert {event.name for event in BrokerEvents} == fired | others
    assert {event.name for event in MQTTEvents} == {"PACKET_SENT", "PACKET_RECEIVED"}


def test_what_plugins_are_built_on_is_there() -> None:
    assert issubclass(BaseAuthPlugin, BasePlugin) and issubclass(BaseTopicPlugin, BasePlugin)
    assert list(inspect.signature(BaseAuthPlugin.authenticate).parameters) == ["self", "session"]
    asked = ["self", "session", "topic", "action"]
    assert list(inspect.signature(BaseTopicPlugin.topic_filtering).parameters) == asked
    context = {name for name, _ in inspect.getmembers(BrokerContext) if not name.startswith("_")}
    offered = {"broadcast_message", "retain_message", "add_subscription", "get_session"}
    assert offered | {"sessions", "subscriptions", "retained_messages"} <= context
