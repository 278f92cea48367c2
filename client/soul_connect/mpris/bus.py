"""On the session bus for as long as somebody wants it."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from dbus_fast import NameFlag, RequestNameReply
from dbus_fast.aio import MessageBus

from soul_connect.client import ConnectClient
from soul_connect.mpris.root import Root
from soul_connect.mpris.service import Controls

BUS_NAME: Final = "org.mpris.MediaPlayer2.soul_connect"
OBJECT_PATH: Final = "/org/mpris/MediaPlayer2"


@asynccontextmanager
async def on_the_bus(client: ConnectClient) -> AsyncIterator[str]:
    """Be a player on the session bus; yields the bus name.

    Raises:
        OSError: there is no session bus.
    """
    try:
        bus = await MessageBus().connect()
    except Exception as error:
        # dbus-fast's own errors have no base that all its versions share; the command says this one.
        raise OSError(f"there is no session bus: {error}") from error
    controls = Controls(client)
    try:
        bus.export(OBJECT_PATH, Root())
        bus.export(OBJECT_PATH, controls)
        name = BUS_NAME
        if await bus.request_name(name, NameFlag.DO_NOT_QUEUE) is not RequestNameReply.PRIMARY_OWNER:
            # The specification's way for a second one.
            name = f"{BUS_NAME}.instance{os.getpid()}"
            await bus.request_name(name, NameFlag.DO_NOT_QUEUE)
        watching = asyncio.ensure_future(_watch(client, controls))
        try:
            yield name
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
    finally:
        bus.disconnect()


async def _watch(client: ConnectClient, controls: Controls) -> None:
    async def each(changes: AsyncIterator[Any]) -> None:
        async for _ in changes:
            controls.look()

    async with asyncio.TaskGroup() as tasks:
        for changes in (client.subscribe_state(), client.subscribe_devices(), client.subscribe_online()):
            tasks.create_task(each(changes))
