"""MQTT over WebSocket for tests, frame by frame."""

import asyncio
import base64
import os

from broker import wire
from broker.house import Running
from broker.wire import Raw


def upgrade(path: str = "/mqtt", *, subprotocol: str = "mqtt", headers: str = "") -> bytes:
    key = base64.b64encode(os.urandom(16)).decode()
    offered = f"Sec-WebSocket-Protocol: {subprotocol}\r\n" if subprotocol else ""
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{offered}{headers}\r\n"
    ).encode()


def frame(payload: bytes, opcode: int = 2, *, fin: bool = True, masked: bool = True) -> bytes:
    head = bytes([fin << 7 | opcode])
    mask_bit = 0x80 if masked else 0
    if len(payload) < 126:
        head += bytes([mask_bit | len(payload)])
    elif len(payload) < 65_536:
        head += bytes([mask_bit | 126]) + len(payload).to_bytes(2, "big")
    else:
        head += bytes([mask_bit | 127]) + len(payload).to_bytes(8, "big")
    if not masked:
        return head + payload
    mask = os.urandom(4)
    return head + mask + bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))


async def read_frame(raw: Raw) -> tuple[int, bytes]:
    async with asyncio.timeout(wire.WAIT):
        head = await raw.reader.readexactly(2)
        count = head[1]
        if count == 126:
            count = int.from_bytes(await raw.reader.readexactly(2), "big")
        elif count == 127:
            count = int.from_bytes(await raw.reader.readexactly(8), "big")
        return head[0], await raw.reader.readexactly(count)


async def opened(running: Running, **options: str) -> Raw:
    """A WebSocket that has said nothing yet."""
    raw = await running.stack.enter_async_context(await Raw.open(running.broker.addresses["http"]))
    raw.send(upgrade(**options))
    async with asyncio.timeout(wire.WAIT):
        head = await raw.reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    assert b"Sec-WebSocket-Protocol: mqtt\r\n" in head
    return raw
