"""The link against a broker in memory: what the device is told, and when a message counts as sent."""

import asyncio
import struct

from soul import mqtt_link
from soul.mqtt_connection import LinkDown
from soul.mqtt_dial import refusal

CONFIG = {"host": "h", "port": 1, "user": "alice", "device": "d", "token": "t", "ca": None}
ACCEPTED = b"\x20\x02\x00\x00"


class Timing(mqtt_link.Timing):
    answer = 2_000
    first = 1
    most = 1
    refused = 1
    refused_most = 2


class Pipe:
    """A connection's stream, and the broker's end of it."""

    def __init__(self):
        self.inward = bytearray()
        self.outward = bytearray()
        self.arrived = asyncio.Event()
        self.sent = asyncio.Event()
        self.open = True

    # the device's end
    async def readinto(self, view):
        while self.open and not self.inward:
            self.arrived.clear()
            await self.arrived.wait()
        count = min(len(view), len(self.inward))
        view[:count] = self.inward[:count]
        self.inward = self.inward[count:]
        return count

    def write(self, data):
        if not self.open:
            raise OSError("closed")
        self.outward += data
        self.sent.set()

    async def drain(self):
        await asyncio.sleep_ms(0)

    # the broker's end
    def say(self, *packets):
        for packet in packets:
            self.inward += packet
        self.arrived.set()

    def close(self):
        self.open = False
        self.arrived.set()

    async def hear(self):
        """The next packet."""
        while not self._whole():
            self.sent.clear()
            await asyncio.wait_for(self.sent.wait(), 5)
        size = self._whole()
        packet = bytes(self.outward[:size])
        self.outward = self.outward[size:]
        return packet

    def _whole(self):
        at = 1
        size = 0
        while at < len(self.outward):
            size |= (self.outward[at] & 0x7F) << 7 * (at - 1)
            at += 1
            if not self.outward[at - 1] & 0x80:
                return at + size if len(self.outward) >= at + size else 0
        return 0

    async def introduced(self):
        assert (await self.hear())[0] == 0x10
        self.say(ACCEPTED)
        subscribe = await self.hear()
        assert subscribe[0] == 0x82
        self.say(b"\x90\x03" + subscribe[2:4] + b"\x01")


class Dialer:
    """Gives out pipes; the test takes the other ends."""

    def __init__(self):
        self.pipes = []
        self.dialled = asyncio.Event()
        self.current = None

    async def open(self, _seconds):
        self.current = Pipe()
        self.pipes.append(self.current)
        self.dialled.set()
        return self.current

    def close(self):
        if self.current:
            self.current.close()

    async def answer(self):
        """The broker's end of the next connection."""
        while not self.pipes:
            self.dialled.clear()
            await asyncio.wait_for(self.dialled.wait(), 5)
        return self.pipes.pop(0)


class Device:
    def __init__(self, **options):
        self.got = []
        self.said = []
        self.dialer = Dialer()
        self.link = mqtt_link.Link(
            CONFIG,
            options.pop("on_message", self._message),
            [("soul/v1/alice/device/d/down/+", 1)],
            lambda: self.said.append("up"),
            on_down=lambda by_peer: self.said.append("down" if by_peer else "lost"),
            on_status=self.said.append,
            timing=Timing,
            dialer=self.dialer,
            **options,
        )
        self.running = asyncio.create_task(self.link.run())

    def _message(self, topic, payload):
        self.got.append((topic, bytes(payload), self.link.retained))

    async def online(self):
        pipe = await self.dialer.answer()
        await pipe.introduced()
        await until(lambda: self.link.online)
        return pipe

    async def end(self):
        self.running.cancel()
        try:
            await self.running
        except asyncio.CancelledError:
            pass


async def until(condition):
    for _ in range(2_000):
        if condition():
            return
        await asyncio.sleep_ms(1)
    raise AssertionError("it did not come true")


def publish(payload, head=0x30, pid=b""):
    body = b"\x00\x01t" + pid + payload
    return struct.pack("!BB", head, len(body)) + body


async def attempt(link, topic, payload, qos):
    try:
        await link.publish(topic, payload, qos)
    except LinkDown:
        return False
    return True


async def heard(pipe, count):
    packets = []  # MicroPython knows no `await` in a comprehension
    for _ in range(count):
        packets.append(await pipe.hear())  # noqa: PERF401
    return packets


async def ends_of(tasks):
    ends = []
    for task in tasks:
        ends.append(await task)  # noqa: PERF401
    return ends


async def test_up_is_told_after_the_subscription_and_down_once():
    device = Device()
    pipe = await device.dialer.answer()
    assert (await pipe.hear())[0] == 0x10
    pipe.say(ACCEPTED)
    subscribe = await pipe.hear()
    assert not device.link.online
    assert not await attempt(device.link, "t", "x", 0)
    pipe.say(b"\x90\x03" + subscribe[2:4] + b"\x01")
    await until(lambda: "up" in device.said)
    pipe.close()
    await device.online()
    assert device.said == ["connecting", "online", "up", "down", "offline", "connecting", "online", "up"]
    await device.end()


async def test_a_message_counts_when_it_is_acknowledged():
    device = Device()
    pipe = await device.online()
    sending = asyncio.create_task(attempt(device.link, "t", "\u00e4", 1))
    packet = await pipe.hear()
    assert packet[0] == 0x32
    assert packet.endswith("\u00e4".encode())
    assert not sending.done()
    pipe.say(b"\x40\x02" + packet[5:7])
    assert await sending
    assert await attempt(device.link, "t", b"now", 0)
    assert await pipe.hear() == publish(b"now")
    await device.end()


async def test_no_more_than_eight_wait_for_the_broker_and_all_hear_of_a_loss():
    device = Device()
    pipe = await device.online()
    tasks = [asyncio.create_task(attempt(device.link, "t", b"x", 1)) for _ in range(30)]
    packets = await heard(pipe, 8)
    await asyncio.sleep_ms(5)
    assert not pipe.outward
    pipe.say(b"\x40\x02" + packets[3][5:7])
    assert (await pipe.hear())[0] == 0x32  # one made room for one
    pipe.close()
    assert sum(await ends_of(tasks)) == 1
    await device.online()
    assert await attempt(device.link, "t", b"x", 0)
    await device.end()


async def test_callbacks_that_fail_stop_nothing():
    def fails(_topic, _payload):
        raise ValueError("cannot")

    device = Device(on_message=fails)
    pipe = await device.online()
    pipe.say(publish(b"x", 0x32, b"\x00\x07"), publish(b"y", 0x32, b"\x00\x08"))
    assert await pipe.hear() == b"\x40\x02\x00\x07"
    assert await pipe.hear() == b"\x40\x02\x00\x08"
    assert device.link.failures == 2
    assert device.link.online
    await device.end()


async def test_a_retained_message_is_known_as_one():
    device = Device()
    pipe = await device.online()
    pipe.say(publish(b"old", 0x31), publish(b"new"))
    await until(lambda: len(device.got) == 2)
    assert device.got == [("t", b"old", True), ("t", b"new", False)]
    await device.end()


async def test_the_goodbye_is_the_last_word():
    device = Device()
    pipe = await device.online()
    tasks = [asyncio.create_task(attempt(device.link, "t", b"%d" % number, 0)) for number in range(5)]
    await asyncio.sleep_ms(0)
    await device.link.close()
    await asyncio.wait_for(device.running, 2)
    assert [packet[-1:] for packet in await heard(pipe, 5)] == [b"0", b"1", b"2", b"3", b"4"]
    assert await pipe.hear() == b"\xe0\x00"
    assert await ends_of(tasks) == [True] * 5
    assert not device.link.online


async def test_before_each_attempt_the_network_is_awaited_and_its_status_stays():
    tries = []

    async def before(link):
        tries.append(1)
        link.tell("wifi")
        if len(tries) < 3:
            raise OSError("no network")

    device = Device(before=before)
    await device.online()
    assert device.said == ["wifi", "connecting", "online", "up"]
    assert len(tries) == 3
    await device.end()


async def test_a_new_will_goes_with_each_connection():
    wills = []

    def will():
        wills.append(b"will %d" % len(wills))
        return "w", wills[-1], 1

    device = Device(will=will)
    for number in range(2):
        pipe = await device.dialer.answer()
        connect = await pipe.hear()
        assert b"will %d" % number in connect
        pipe.close()
    await device.end()


async def test_another_token_is_asked_for_when_it_is_refused():
    tokens = ["better"]

    async def new_token():
        if not tokens:
            raise OSError("nobody to ask")
        return tokens.pop()

    device = Device(new_token=new_token)
    for wanted in (b"\x00\x01t", b"better", b"better"):
        pipe = await device.dialer.answer()
        assert (await pipe.hear()).endswith(wanted)
        pipe.say(b"\x20\x02\x00\x05")
    await device.online()
    assert device.said == ["connecting", "refused: token", "online", "up"]
    await device.end()


async def test_a_will_that_fails_keeps_nobody_offline():
    def will():
        raise ValueError("no will")

    device = Device(will=will)
    await device.online()
    assert device.link.failures == 1
    assert device.said == ["connecting", "online", "up"]
    await device.end()


def test_what_mbedtls_says_is_a_status():
    for saying, status in (
        ("\nThe certificate is not correctly signed by the trusted CA\n", "refused: certificate"),
        (
            "\nThe certificate validity has expired\nThe certificate is not correctly signed",
            "refused: certificate",
        ),
        ("\nThe certificate Common Name (CN) does not match with the expected CN\n", "refused: host"),
        ("\nThe certificate validity has expired\n", "refused: certificate expired"),
        ("\nThe certificate validity starts in the future\n", "refused: certificate not yet valid"),
        ("\nThe certificate is signed with an unacceptable hash.\n", "refused: certificate"),
    ):
        assert refusal(ValueError(saying)) == status
    assert refusal(OSError(-0x2700)) == "refused: certificate"
    for error in (OSError(111), OSError(), EOFError(), KeyError("x")):
        assert refusal(error) is None


async def test_connecting_again_is_done_at_once_when_asked():
    device = Device()
    first = await device.online()
    device.link.reconnect()
    await device.online()
    assert not first.open
    assert device.link.connects == 2
    assert device.link.error == ""
    await device.end()
