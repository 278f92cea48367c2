"""A TCP proxy that breaks as networks do.

cut        connections are reset, new ones refused         (the server's machine is down)
hold       nothing passes, all of it arrives later         (a tunnel, a roaming phone)
black_out  what was sent is lost, the connections are dead (a NAT forgot, a cable was pulled)
swallow    the same for the connections of this moment; new ones work
delay      each way takes so long
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class FaultyProxy:
    """Forwards to a port of this machine."""

    def __init__(self, target: int) -> None:
        self.port = 0
        self.delay = 0.0
        """How long (s) each way takes."""
        self._target = target
        self._pairs: set[_Pair] = set()
        self._passing = asyncio.Event()
        self._passing.set()
        self._dark = False
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def swallow(self) -> None:
        """Nothing passes any more on the connections that are open now; new ones work."""
        for pair in self._pairs:
            pair.silent = True

    def black_out(self) -> None:
        """Nothing passes any more, and new connections are silent as well."""
        self._dark = True
        self.swallow()

    def hold(self) -> None:
        """Nothing passes until `restore`, which lets all of it pass."""
        self._passing.clear()

    async def cut(self) -> None:
        """Reset all connections, and refuse new ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for pair in tuple(self._pairs):
            pair.reset()

    async def restore(self) -> None:
        """The path is back."""
        self._dark = False
        self._passing.set()
        if self._server is None:
            await self.listen()

    async def close(self) -> None:
        self._passing.set()
        await self.cut()
        while self._pairs:
            await asyncio.wait({pair.done for pair in self._pairs})

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pair = _Pair(self)
        self._pairs.add(pair)
        pair.silent = self._dark
        pair.writers.append(writer)
        pumps: list[asyncio.Future[None]] = []
        try:
            with suppress(OSError):
                far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
                pair.writers.append(far_writer)
                pumps += [
                    asyncio.ensure_future(pair.pump(reader, far_writer)),
                    asyncio.ensure_future(pair.pump(far_reader, writer)),
                ]
                await asyncio.wait(pumps)
        finally:
            for pump in pumps:
                pump.cancel()
            pair.reset()
            self._pairs.discard(pair)
            if not pair.done.done():
                pair.done.set_result(None)

    async def pass_on(self, due: float) -> None:
        """Return when what was sent may arrive."""
        await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
        await self._passing.wait()


class _Pair:
    def __init__(self, proxy: FaultyProxy) -> None:
        self.silent = False
        self.writers: list[asyncio.StreamWriter] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._proxy = proxy

    def reset(self) -> None:
        for writer in self.writers:
            writer.transport.abort()

    async def pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read at once, and write when its time has come, in order."""
        loop = asyncio.get_running_loop()
        on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def deliver() -> None:
            while True:
                due, data = await on_the_way.get()
                await self._proxy.pass_on(due)
                if not data:
                    return
                if not self.silent:
                    writer.write(data)
                    await writer.drain()

        delivering = asyncio.ensure_future(deliver())
        try:
            with suppress(ConnectionError):
                while data := await reader.read(65_536):
                    on_the_way.put_nowait((loop.time() + self._proxy.delay, data))
            on_the_way.put_nowait((loop.time() + self._proxy.delay, b""))
            with suppress(ConnectionError):
                await delivering
        finally:
            delivering.cancel()
        if not self.silent:
            writer.close()


@asynccontextmanager
async def faulty_proxy(target: int) -> AsyncIterator[FaultyProxy]:
    proxy = FaultyProxy(target)
    await proxy.listen()
    try:
        yield proxy
    finally:
        await proxy.close()
