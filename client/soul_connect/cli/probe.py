"""Whether a broker is behind an address: a bare CONNECT, with no credentials, by paho."""

import ssl
import time
import uuid
from typing import Any, Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from soul_connect.address import Address

_SECONDS: Final = 5.0
_TURN_SECONDS: Final = 0.1


def speaks_mqtt(address: Address, context: ssl.SSLContext | None) -> str | None:
    """Why what listens there is no MQTT broker; None if it is one. Blocks for 5 s at most.

    Any CONNACK will do: a broker that refuses strangers is a broker.
    """
    client = paho.Client(
        CallbackAPIVersion.VERSION2,
        client_id=str(uuid.uuid4()),
        protocol=paho.MQTTv311,
        transport=address.transport,
        reconnect_on_failure=False,
    )
    answers: list[object] = []

    def connected(_: Any, __: Any, ___: Any, reason: object, ____: Any) -> None:
        answers.append(reason)

    client.on_connect = connected
    client.connect_timeout = _SECONDS
    if address.transport == "websockets":
        client.ws_set_options(path=address.path)
    if context is not None:
        client.tls_set_context(context)
    deadline = time.monotonic() + _SECONDS
    try:
        client.connect(address.host, address.port)
        while not answers and time.monotonic() < deadline:
            code = client.loop(_TURN_SECONDS)
            if code is not MQTTErrorCode.MQTT_ERR_SUCCESS and not answers:
                return (
                    "it hangs up" if code is MQTTErrorCode.MQTT_ERR_CONN_LOST else "it answers something else"
                )
    except (OSError, ValueError, paho.WebsocketConnectionError) as error:
        return str(error)
    finally:
        client.disconnect()
    return None if answers else "it says nothing"
