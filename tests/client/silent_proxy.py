"""A TCP proxy that can let the connections it has fall silent: open, and nothing passes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class SilentProxy:
    """Forwards to a port of this machine."""

    def __init__(self, target: int) -> None:
        self.port = 0
        self._target = target
        self._pairs: set[_Pair] = set()

    def swallow(self) -> None:
        """Nothing passes any more on the connections that are open now; new ones work."""
        for pair in self._pairs:
            pair.silent = True

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        pair = _Pair()
        self._pairs.add(pair)
        try:
            await asyncio.wait(
                [
                    asyncio.ensure_future(pair.pump(reader, far_writer)),
                    asyncio.ensure_future(pair.pump(far_reader, writer)),
                ]
            )
        finally:
            self._pairs.discard(pair)


class _Pair:
    silent = False

    async def pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65_536):
                if not self.silent:
                    writer.write(data)
                    await writer.drain()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@asynccontextmanager
async def silent_proxy(target: int) -> AsyncIterator[SilentProxy]:
    proxy = SilentProxy(target)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await server.wait_closed()
