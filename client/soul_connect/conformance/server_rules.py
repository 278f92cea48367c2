"""Rules that a server keeps: how devices arrive, what is refused, and who may do what."""

import json

from soul_connect.conformance.house import NAME, House
from soul_connect.conformance.peer import fresh, peer
from soul_connect.conformance.verdict import Broken, Rules, must
from soul_connect.link import LinkLost, LinkRefused
from soul_protocol.down import (
    CommandResult,
    DeviceOffline,
    DevicesUpdate,
    Error,
    OfflineReason,
    PlaybackStateMessage,
    Pong,
    Registered,
    ResultStatus,
)
from soul_protocol.errors import Code
from soul_protocol.roles import Role
from soul_protocol.topics import UpChannel as Up
from soul_protocol.topics import all_topic, up_topic


class _Cut(Exception):  # noqa: N818 (a signal)
    """Leave a connection without DISCONNECT."""


ARRIVAL = Rules()
rule = ARRIVAL.rule


@rule("Arrival", "Whoever has not registered gets `not_registered`")
async def unregistered(house: House) -> None:
    async with peer(house.dial(fresh()), prompt=house.prompt) as one:
        await house.say(one, Up.QUERY, {"type": "request_state", "id": fresh()})
        error = await one.expect(Error, what="error")
        must(error.code is Code.NOT_REGISTERED, f"the error was {error.code}")


@rule("Arrival", "`register` is answered by `registered` with its `conn`, and the whole snapshot")
async def registers(house: House) -> None:
    remote, answer = await house.join(renders=False, name=f"{NAME} remote")
    house.devices["remote"] = remote
    must(answer.device_id == remote.dial.client_id, "device_id is another device's")
    must(answer.device.id == remote.dial.client_id, "device is another one")
    must(any(one.id == answer.device_id for one in answer.devices), "devices[] does not hold the receiver")
    for name in ("a", "b"):
        house.devices[name], _ = await house.join(renders=True, name=f"{NAME} {name}")


@rule("Names and places", "A name that is taken gets a suffix")
async def names(house: House) -> None:
    house.one("a")
    other, answer = await house.join(renders=False, name=f"{NAME} A")
    house.devices["other"] = other
    must(answer.device.name != f"{NAME} A", "two devices have one name")
    must(answer.device.name.startswith(f"{NAME} A"), f"the name became {answer.device.name!r}")


@rule("Names and places", "An ephemeral device is not listed")
async def ephemeral(house: House) -> None:
    async with peer(house.dial(fresh()), prompt=house.prompt) as one:
        answer = await house.register(one, device=house.description(renders=False), ephemeral=True)
        me = one.dial.client_id
        must(all(device.id != me for device in answer.devices), "it is listed")


@rule("Time", "`ping` is answered by `pong` with its `t0`, and t1 <= t2")
async def pings(house: House) -> None:
    remote = house.one("remote")
    await house.say(remote, Up.PING, {"type": "ping", "t0": 12_345}, qos=0)
    pong = await remote.expect(Pong)
    must(pong.t0 == 12_345, f"t0 came back as {pong.t0}")
    must(pong.t1 <= pong.t2, "it was sent before it was received")


@rule("Messages up", "`request_devices` is answered with its id")
async def asks_devices(house: House) -> None:
    remote, name = house.one("remote"), fresh()
    await house.say(remote, Up.QUERY, {"type": "request_devices", "id": name})
    await remote.expect(DevicesUpdate, lambda it: it.id == name)


@rule("Messages up", "`request_state` is answered with its id")
async def asks_state(house: House) -> None:
    await house.state()


async def _refused(house: House, channel: Up, payload: bytes, what: str) -> None:
    remote = house.one("remote")
    before = await house.state()
    remote.forget()
    await house.say(remote, channel, payload)
    error = await remote.find(Error, within=house.prompt / 2)
    rejected = None
    if error is None:
        rejected = await remote.find(CommandResult, lambda it: it.status is ResultStatus.REJECTED, within=1)
    code = error.code if error is not None else None if rejected is None else rejected.code
    must(code is Code.INVALID_COMMAND, f"{what} got {code or 'no answer'}")
    must((await house.state()).sequence == before.sequence, f"{what} changed the state")


@rule("The wire", "Broken JSON gets `invalid_command` and changes nothing")
async def broken_json(house: House) -> None:
    await _refused(house, Up.COMMAND, b'{"type": "playback_command"', "broken JSON")


@rule("The wire", "An unknown `type` gets `invalid_command` and changes nothing")
async def unknown_type(house: House) -> None:
    await _refused(house, Up.COMMAND, json.dumps({"type": "sing", "id": fresh()}).encode(), "an unknown type")


@rule("The wire", "A bad value gets `invalid_command` and changes nothing")
async def bad_value(house: House) -> None:
    command = {"type": "set_volume", "volume": 7}
    message = {"type": "playback_command", "id": fresh(), "command": command}
    await _refused(house, Up.COMMAND, json.dumps(message).encode(), "a volume of 7")


@rule("The wire", "A message on the wrong topic for its kind gets `invalid_command`")
async def wrong_topic(house: House) -> None:
    message = {"type": "request_state", "id": fresh()}
    await _refused(house, Up.COMMAND, json.dumps(message).encode(), "a query on up/command")


@rule("The wire", "Unknown fields are ignored")
async def unknown_fields(house: House) -> None:
    remote, name = house.one("remote"), fresh()
    await house.say(remote, Up.QUERY, {"type": "request_state", "id": name, "colour": "green"})
    await remote.expect(PlaybackStateMessage, lambda it: it.id == name)


@rule("The wire", "Empty payloads are ignored")
async def empty_payloads(house: House) -> None:
    remote = house.one("remote")
    remote.forget()
    await house.say(remote, Up.COMMAND, b"")
    await house.state()
    must(await remote.find(Error, within=0) is None, "an empty payload got an error")


@rule("Roles and ACL", "A device does not hear other users: that subscription is refused")
async def other_users(house: House) -> None:
    for topic in (all_topic("conformance-nobody", "+"), f"soul/v1/{house.user}/#", "#"):
        try:
            async with peer(house.dial(fresh(), filters=(topic,))):
                raise Broken(f"SUBSCRIBE {topic} was granted")
        except LinkLost:
            continue


@rule("Roles and ACL", "A device does not speak for another one: that is dropped")
async def other_devices(house: House) -> None:
    remote, victim = house.one("remote"), house.one("b")
    topic = up_topic(house.user, Role.DEVICE, victim.dial.client_id, Up.DISCONNECT)
    victim.forget()
    try:
        await remote.publish(topic, {"type": "disconnect", "conn": victim.conn, "reason": "quit"})
    except Broken as lost:  # another engine may close instead
        raise Broken(f"{lost} (an engine may do that; this check then ends here)") from None
    told = await remote.find(DeviceOffline, lambda it: it.device_id == victim.dial.client_id, within=1)
    must(told is None, "it was believed")


@rule("Roles and ACL", "A token that is none is refused with CONNACK 5 (or 4)")
async def bad_tokens(house: House) -> None:
    try:
        async with peer(house.dial(fresh(), token="e30.e30.AAAA"), prompt=house.prompt):  # noqa: S106 (a token that is none)
            raise Broken("it was let in")
    except LinkRefused:
        return
    except LinkLost as lost:
        raise Broken(f"it was not refused in words: {lost}") from None


@rule("Presence", "A goodbye takes a device offline at once, a connection that is cut within 4 s")
async def presence(house: House) -> None:
    remote = house.one("remote")

    async def joins(*, clean: bool) -> str:
        device = fresh()
        topic, conn = up_topic(house.user, Role.DEVICE, device, Up.WILL), "0123456789abcdef"
        will = (topic, json.dumps({"type": "connection_lost", "conn": conn}).encode())
        try:
            async with peer(house.dial(device, will=will), prompt=house.prompt) as one:
                one.conn = conn
                name = f"{NAME} {device[:4]}"
                await house.register(one, device=house.description(renders=False, name=name))
                if not clean:
                    raise _Cut  # noqa: TRY301 (it leaves the block above, too)
                await house.say(one, Up.DISCONNECT, {"type": "disconnect", "conn": conn, "reason": "quit"})
        except _Cut:
            pass
        return device

    for clean, reason, within in (
        (True, OfflineReason.DISCONNECT, 1.0),
        (False, OfflineReason.CONNECTION_LOST, 4.5),
    ):
        device = await joins(clean=clean)

        def is_it(one: DeviceOffline, device: str = device) -> bool:
            return one.device_id == device

        gone = await remote.expect(DeviceOffline, is_it, within=within, what=f"device_offline ({reason})")
        must(gone.reason is reason, f"the reason was {gone.reason}")
        name = fresh()
        await house.say(remote, Up.MANAGE, {"type": "delete_device", "id": name, "device_id": device})
        must((await house.end(name)).status is ResultStatus.APPLIED, "an offline device could not be deleted")


@rule("Names and places", "A device can be renamed")
async def renames(house: House) -> None:
    remote, name = house.one("remote"), fresh()
    me = house.one("b").dial.client_id
    message = {"type": "rename_device", "id": name, "device_id": me, "name": f"{NAME} renamed"}
    remote.forget()
    await house.say(remote, Up.MANAGE, message)
    must((await house.end(name)).status is ResultStatus.APPLIED, "it was not applied")
    await remote.expect(
        DevicesUpdate, lambda it: any(one.id == me and one.name == f"{NAME} renamed" for one in it.devices)
    )


ENDINGS = Rules()
rule = ENDINGS.rule


@rule("Topics", "`all/state` and `all/devices` are retained, nothing under `down` is")
async def retained(house: House) -> None:
    house.one("remote")
    async with peer(house.dial(fresh()), prompt=house.prompt) as one:
        for kind in (PlaybackStateMessage, DevicesUpdate):
            found = await one.find(kind)
            must(found is not None, f"no retained {kind.__name__}")
        await house.register(one, device=house.description(renders=False), ephemeral=True)
        must(
            not any(it.retained and "/down/" in it.topic for it in one.heard), "a retained message under down"
        )


@rule("Privacy", "A deleted device's connection is closed, and its id refused from then on")
async def deletes(house: House) -> None:
    other, name = house.one("other"), fresh()
    device = other.dial.client_id
    await house.say(
        house.one("remote"), Up.MANAGE, {"type": "delete_device", "id": name, "device_id": device}
    )
    must((await house.end(name)).status is ResultStatus.APPLIED, "it was not applied")
    await other.find(Registered, lambda _: False, within=house.prompt)  # ends when the connection does
    must(other.closed, "the connection is still open")
    try:
        async with peer(house.dial(device), prompt=house.prompt):
            raise Broken("it was let in again with its old token")
    except LinkRefused:
        del house.devices["other"]


@rule("Limits", "More than 100 requests in a minute get `rate_limited` with `retry_after_ms`")
async def limits(house: House) -> None:
    async with peer(house.dial(fresh()), prompt=house.prompt) as one:
        await house.register(one, device=house.description(renders=False), ephemeral=True)
        for _ in range(110):
            await house.say(one, Up.QUERY, {"type": "request_state", "id": fresh()})
        error = await one.expect(Error, lambda it: it.code is Code.RATE_LIMITED, what="rate_limited")
        must(error.retry_after_ms, "it does not say when to go on")
