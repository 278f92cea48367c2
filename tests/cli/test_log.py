"""What strangers send does not fill the server's log."""

import socket
import uuid

from broker import wire
from cli.conftest import House
from waiting import until


def test_nonsense_is_no_traceback_and_a_long_topic_no_long_line(house: House) -> None:
    server = house.server
    with socket.create_connection(("127.0.0.1", server.http_port), 10) as stranger:
        stranger.sendall(b"GET /\x1b[31m HTTP/1.1\r\nHost: h\r\n\r\n")
        assert stranger.recv(64).startswith(b"HTTP/1.0 400 ")
    device = str(uuid.uuid4())
    with socket.create_connection(("127.0.0.1", server.mqtt_port), 10) as client:
        client.sendall(wire.connect(device, "alice", house.token))
        assert client.recv(4) == wire.ACCEPTED
        client.sendall(wire.publish("soul/v1/bob/all/state\nforged " + "z" * 60_000, b"x"))
        (line,) = until(lambda: [each for each in server.process.errors if device in each])
    assert len(line) < 2_000
    assert not any("Traceback" in each for each in server.process.errors)
