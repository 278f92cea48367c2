"""umqtt.simple as it is, on its own: what makes a link of our own necessary.

micropython umqtt_board.py CONFIG TRAP
"""

import json
import socket
import sys

import tls
import usocket
from umqtt.simple import MQTTClient

config = json.load(open(sys.argv[1]))


class Ussl:
    """What umqtt 1.3.4 imports as `ussl`, on the `tls` of today."""

    @staticmethod
    def wrap_socket(sock, ca=None, server_hostname=None):
        context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
        context.verify_mode = tls.CERT_REQUIRED
        context.load_verify_locations(ca)
        return context.wrap_socket(sock, server_hostname=server_hostname)


sys.modules["ussl"] = Ussl
assert usocket.socket is socket.socket


def say(*what):
    print(*what)


def client():
    made = MQTTClient(
        config["device"],
        config["host"],
        config["port"],
        config["user"],
        config["token"],
        30,
        ssl=True,
        ssl_params={"ca": open(config["ca_file"]).read(), "server_hostname": config["server_hostname"]},
    )
    made.set_callback(lambda topic, payload: say("got", topic, len(payload)))
    return made


def ids():
    """A packet id past 65535."""
    mqtt = client()
    mqtt.connect()
    mqtt.pid = 65_534
    mqtt.publish(b"t", b"1", qos=1)
    mqtt.publish(b"t", b"2", qos=1)


def nested():
    """A message is published while another is being acknowledged."""
    mqtt = client()

    def echo(_topic, _payload):
        mqtt.publish(b"inner", b"", qos=1)
        say("inner done")

    mqtt.set_callback(echo)
    mqtt.connect()
    mqtt.publish(b"outer", b"", qos=1)


def certificate():
    """A certificate that is not trusted."""
    client().connect()


def topic():
    """A filter of more than 122 bytes."""
    mqtt = client()
    mqtt.connect()
    mqtt.subscribe(b"soul/v1/" + b"u" * 64 + b"/device/" + config["device"].encode() + b"/down/+", 1)


def letters():
    """A payload that is text, and not all of it ASCII."""
    mqtt = client()
    mqtt.connect()
    mqtt.publish(b"t", "K\u00fcche")
    mqtt.ping()


try:
    globals()[sys.argv[2]]()
    say("done")
except Exception as error:
    say("raised", type(error).__name__)
