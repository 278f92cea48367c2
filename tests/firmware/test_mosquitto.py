"""mosquitto with the ACL file of the grants: accounts are apart, devices are tied to their ids."""

import uuid
from collections.abc import Iterator

import pytest

from broker import wire
from firmware.houses import MosquittoHouse
from soul_protocol.tokens import SERVICE_USER

ACCEPTED = b"\x20\x02\x00\x00"


@pytest.fixture(scope="module")
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MosquittoHouse]:
    house = MosquittoHouse(tmp_path_factory.mktemp("mosquitto"))
    try:
        house.open()
        yield house
    finally:
        house.kill()


@pytest.fixture(scope="module")
def tokens(mosquitto: MosquittoHouse) -> dict[str, str]:
    return {name: mosquitto.account(name) for name in ("ann", "ben")}


async def enter(house: MosquittoHouse, user: str, token: str, device: str) -> wire.Raw:
    raw = await wire.Raw.open(("127.0.0.1", house.mqtt_port))
    raw.send(wire.connect(device, user, token))
    await raw.expect(ACCEPTED)
    return raw


async def test_a_device_says_and_hears_its_own_and_nothing_else(
    mosquitto: MosquittoHouse, tokens: dict[str, str]
) -> None:
    first, second = str(uuid.uuid4()), str(uuid.uuid4())
    service = mosquitto.service_token()
    async with (
        await enter(mosquitto, SERVICE_USER, service, "backstage") as backstage,
        await enter(mosquitto, "ann", tokens["ann"], first) as ann,
        await enter(mosquitto, "ann", tokens["ann"], second) as other,
        await enter(mosquitto, "ben", tokens["ben"], str(uuid.uuid4())) as ben,
    ):
        backstage.send(wire.subscribe(("soul/v1/+/+/+/up/+", 0)))
        await backstage.expect(b"\x90\x03\x00\x01\x00")
        # What nobody may hears nobody: mosquitto looks when it delivers.
        for raw in (ann, other, ben):
            raw.send(wire.subscribe(("#", 0), ("soul/v1/#", 0), packet_id=1))
            await raw.receive()
        ping = f"soul/v1/ann/device/{first}/up/ping"
        state = f"soul/v1/ann/device/{first}/up/state"
        for raw in (other, ben):
            raw.send(wire.publish(ping, b"{}", qos=1, packet_id=2))
            raw.send(wire.publish(f"soul/v1/ann/device/{first}/down/execute", b"{}", qos=1, packet_id=3))
            raw.send(wire.publish("soul/v1/ann/all/state", b"{}", qos=1, retain=True, packet_id=4))
            raw.send(wire.publish("soul/v1/coordinator", b"{}", qos=1, retain=True, packet_id=5))
            raw.send(wire.publish(f"soul/v1/ann/guest/{first}/up/ping", b"{}", qos=1, packet_id=6))
            for _ in range(5):
                assert (await raw.receive())[0] in {0x40, 0x30, 0x31}
        ann.send(wire.publish(state, b"mine"))
        message = await backstage.message()
        assert (message.topic, message.payload) == (state, b"mine")
        backstage.send(wire.publish(f"soul/v1/ann/device/{first}/down/execute", b"yours"))
        while (message := await ann.message()).payload != b"yours":
            # The coordinator could make nothing of what she said, and says so to her alone.
            assert message.topic in {"soul/v1/coordinator", f"soul/v1/ann/device/{first}/down/reply"}
        # What is retained for everybody reaches them; nothing of `first` reaches the others.
        for raw in (other, ben):
            raw.send(wire.PING)
            while (packet := await raw.receive()) != wire.PONG:
                assert b"soul/v1/coordinator" in packet or packet[0] == 0x40, packet


@pytest.mark.parametrize(("user", "token"), [("ann", "wrong"), ("nobody", "x"), ("", "")])
async def test_who_is_not_known_is_refused(
    mosquitto: MosquittoHouse, tokens: dict[str, str], user: str, token: str
) -> None:
    assert set(tokens) == {"ann", "ben"}
    async with await wire.Raw.open(("127.0.0.1", mosquitto.mqtt_port)) as raw:
        raw.send(wire.connect("device", user or None, token or None))
        assert (await raw.receive())[3] == 5
