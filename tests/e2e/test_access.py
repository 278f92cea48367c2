"""Strangers, expired and forged tokens, other people's topics: refused, and the victim notices nothing."""

import base64
import json
import queue
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from e2e.traffic import Traffic
from e2e.wire import WireDevice
from serving import Server
from waiting import until

REFUSED = 135
"""CONNACK 5, not authorized, as paho counts it (MQTT 5's number)."""


@pytest.fixture
def victim(server: Server) -> Iterator[WireDevice]:
    """Alice's device, online, which must not notice anything of what a test tries."""
    server.add_user("alice")
    server.add_user("mallory")
    with WireDevice(server.mqtt_port, "alice", server.token("alice"), name="Victim") as device:
        device.register()
        settle(device)
        yield device
        assert not device.closed(0)
        settle(device)


def settle(device: WireDevice) -> None:
    """Nothing is under way any more: the answer to a query is the next thing that is heard."""
    request = str(uuid.uuid4())
    device.up("query", {"type": "request_devices", "id": request})
    device.hear("devices_update", id=request)
    with pytest.raises(queue.Empty):
        device.heard.get_nowait()


def claims(user: str, **more: Any) -> dict[str, Any]:
    base = {"sub": user, "role": "device", "aud": "soul-connect", "jti": uuid.uuid4().hex}
    now = int(time.time())
    return {**base, "iat": now, "exp": now + 3_600, **more}


def signed_by_the_server(server: Server, payload: dict[str, Any]) -> str:
    key = load_pem_private_key((server.data_dir / "signing-key.pem").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return jwt.encode(payload, key, algorithm="ES256")


def unsigned(payload: dict[str, Any]) -> str:
    head, body = (
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
        for part in ({"alg": "none", "typ": "JWT"}, payload)
    )
    return f"{head}.{body}."


def code(server: Server, user: str, token: str, **options: Any) -> int | None:
    """The CONNACK code of a refusal; None: it was let in."""
    device = WireDevice(server.mqtt_port, user, token, **options)
    try:
        return device.connect().refused
    finally:
        device.client.disconnect()
        device.client.loop_stop()


def test_tokens_that_do_not_count(server: Server, victim: WireDevice) -> None:
    stranger = jwt.encode(claims("alice"), ec.generate_private_key(ec.SECP256R1()), algorithm="ES256")
    expired = signed_by_the_server(server, claims("alice", iat=1_700_000_000, exp=1_700_000_100))
    elsewhere = signed_by_the_server(server, claims("alice", aud="another"))
    service = signed_by_the_server(server, claims("alice", role="service"))
    public = (server.data_dir / "signing-key.pub.pem").read_bytes()
    with pytest.raises(jwt.InvalidKeyError):
        jwt.encode(claims("alice"), public, algorithm="HS256")
    for token in (stranger, expired, elsewhere, service, unsigned(claims("alice")), "", "x.y.z"):
        assert code(server, "alice", token, device=victim.id) == REFUSED, token
    # Mallory's own good token, under alice's name.
    assert code(server, "alice", server.token("mallory"), device=victim.id) == REFUSED
    good = signed_by_the_server(server, claims("alice"))
    assert code(server, "alice", good) is None


def test_other_peoples_topics(server: Server, victim: WireDevice) -> None:
    mallory = server.token("mallory")
    with WireDevice(server.mqtt_port, "mallory", mallory, name="Mallory") as attacker:
        attacker.register()
        for wanted in (
            "soul/v1/alice/#",
            "soul/v1/+/all/state",
            "soul/v1/#",
            "#",
            f"{victim.base}/down/+",
            "$share/g/soul/v1/alice/all/+",
            "soul/v1/mallory/#",
        ):
            done = subprocess.run(
                [
                    *("mosquitto_sub", "-h", "127.0.0.1", "-p", str(server.mqtt_port)),
                    *("-i", str(uuid.uuid4()), "-u", "mallory", "-P", mallory, "-t", wanted, "-W", "1", "-d"),
                ],
                capture_output=True,
                text=True,
                check=False,
            )
            assert "128" in done.stdout + done.stderr, (wanted, done.stdout, done.stderr)
        forged = {"type": "connection_lost", "conn": victim.conn}
        for topic in (f"{victim.base}/up/will", f"{victim.base}/down/execute", "soul/v1/alice/all/event"):
            attacker.client.publish(topic, json.dumps(forged), 1).wait_for_publish(5)
        close = {"type": "close", "user": "alice", "reason": "deleted"}
        attacker.client.publish("soul/v1/broker/close", json.dumps(close), 1).wait_for_publish(5)
        settle(victim)
    # A will on another user's topic, and one that is retained: refused at CONNECT.
    for own, retain in ((False, False), (True, True)):
        device = WireDevice(server.mqtt_port, "mallory", mallory)
        base = device.base if own else victim.base
        device.client.will_set(f"{base}/up/will", "{}", 1, retain=retain)
        try:
            assert device.connect().refused == REFUSED
        finally:
            device.client.loop_stop()


def test_a_guest_or_an_observer_with_a_devices_id(server: Server, victim: WireDevice) -> None:
    other = str(uuid.uuid4())
    guest = server.token("alice", "--role", "guest", "--device", other, "--scope", "control")
    assert code(server, "alice", guest, node="guest", device=victim.id) == REFUSED
    observer = server.token("alice", "--role", "observer")
    with Traffic(server, "alice", observer) as traffic:
        # An observer may use any client id, the victim's as well: its session is another one.
        subprocess.run(
            [
                *("mosquitto_sub", "-h", "127.0.0.1", "-p", str(server.mqtt_port), "-i", victim.id),
                *("-u", "alice", "-P", observer, "-t", "soul/v1/alice/#", "-W", "1"),
            ],
            capture_output=True,
            check=False,
        )
        settle(victim)
        publish = [
            *("mosquitto_pub", "-h", "127.0.0.1", "-p", str(server.mqtt_port), "-q", "1"),
            *("-u", "alice", "-P", observer, "-t", f"{victim.base}/up/will"),
            *("-m", json.dumps({"type": "connection_lost", "conn": victim.conn})),
        ]
        subprocess.run(publish, capture_output=True, check=False)
        settle(victim)
        assert not [one for _, _, one in traffic.messages() if one["type"] == "device_offline"]


def test_a_revoked_token_ends_its_connection_within_a_second(server: Server, victim: WireDevice) -> None:
    token = server.token("mallory")
    with WireDevice(server.mqtt_port, "mallory", token, name="Lost phone") as phone:
        phone.register()
        assert server.run("token", "revoke", token).returncode == 0
        assert phone.closed(1.5)  # the program itself takes a part of that to end
    assert code(server, "mallory", token) == REFUSED
    server.kill()
    server.start()
    assert code(server, "mallory", token) == REFUSED
    victim.come_back()
    victim.register()
    settle(victim)


def test_what_was_refreshed_from_a_stolen_token_ends_with_it(server: Server) -> None:
    server.add_user("mallory")
    stolen = server.token("mallory")
    request = Request(
        f"{server.http}/api/refresh", method="POST", headers={"Authorization": f"Bearer {stolen}"}
    )
    with urlopen(request, timeout=10) as answer:
        refreshed = json.load(answer)["token"]
    with WireDevice(server.mqtt_port, "mallory", refreshed, name="Thief") as thief:
        thief.register()
        assert server.run("token", "revoke", stolen).returncode == 0
        assert thief.closed(5)
    assert code(server, "mallory", refreshed) == REFUSED


def test_over_tls_and_websocket_as_well(server: Server, tmp_path: Path) -> None:
    del tmp_path
    server.add_user("alice")
    token = server.token("alice")
    with WireDevice(server.tls_port, "alice", token, name="Tls", ca=server.authority) as device:
        assert device.register()["device"]["name"] == "Tls"
    with WireDevice(server.http_port, "alice", token, name="Web", websocket=True) as device:
        assert device.register()["device"]["name"] == "Web"
    until(lambda: len(server.json("devices", token=token)) == 2, what="both are listed")
    assert code(server, "alice", "x", websocket=False) == REFUSED
