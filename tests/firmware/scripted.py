"""A broker that does as a test says, over TLS: every byte, and when."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from broker import wire

ACCEPTED = b"\x20\x02\x00\x00"
Script = Callable[[wire.Raw], Awaitable[None]]


class Scripted:
    """Runs `script` for each connection; what comes after the last one is like the last one."""

    def __init__(self, *scripts: Script) -> None:
        self._scripts = scripts
        self.port = 0
        self.connections = 0
        """How many shook hands."""
        self.errors: list[BaseException] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        script = self._scripts[min(self.connections, len(self._scripts)) - 1]
        try:
            await script(wire.Raw(reader, writer))
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the device ended it, or the test
        except Exception as error:  # noqa: BLE001 (the test looks)
            self.errors.append(error)
        finally:
            writer.transport.abort()


@asynccontextmanager
async def scripted(certificate: tuple[Path, Path], *scripts: Script) -> AsyncIterator[Scripted]:
    """Listening, on 127.0.0.1."""
    made = Scripted(*scripts)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        await made.serve(reader, writer)

    listening = socket.socket()
    listening.setsockopt(
        socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024
    )  # full soon, where a script does not read
    listening.bind(("127.0.0.1", 0))
    made.port = listening.getsockname()[1]
    server = await asyncio.start_server(serve, sock=listening, ssl=context)
    try:
        yield made
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert not made.errors, made.errors


async def introduced(raw: wire.Raw) -> None:
    """Take CONNECT and SUBSCRIBE as a broker does."""
    connect = await raw.receive()
    assert connect[0] == 0x10
    raw.send(ACCEPTED)
    subscribe = await raw.receive()
    assert subscribe[0] == 0x82
    number, filters = _subscription(subscribe)
    raw.send(wire.packet(0x90, number + b"\x01" * filters))


def _subscription(packet: bytes) -> tuple[bytes, int]:
    at = 2 if packet[1] < 0x80 else 3
    number, at, filters = packet[at : at + 2], at + 2, 0
    while at < len(packet):
        at += 3 + int.from_bytes(packet[at : at + 2], "big")
        filters += 1
    return number, filters


async def silent(raw: wire.Raw) -> None:
    """Read whatever comes, for ever, and say nothing."""
    while await raw.reader.read(4096):
        pass
