"""A program that says when it is online: to be put to sleep by signals."""

import asyncio
import os

from soul_connect import ConnectClient


async def main() -> None:
    client = ConnectClient(
        url=os.environ["SOUL_CONNECT_URL"], token=os.environ["SOUL_CONNECT_TOKEN"], ephemeral=True
    )
    async with client:
        async for online in client.subscribe_online():
            print("online" if online else "offline", flush=True)  # noqa: T201 (that is how it is heard)


asyncio.run(main())
