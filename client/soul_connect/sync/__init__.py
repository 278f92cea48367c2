"""Soul Connect for threads and scripts: the same names, without asyncio.

    with ConnectClient(url="mqtts://home", token=token, ephemeral=True) as client:
        client.pause()

The session is the same as that of the asyncio client (`soul_connect.session`); under it is
paho-mqtt with its own thread.
"""

from soul_connect.errors import SoulConnectError
from soul_connect.sync.client import ConnectClient
from soul_connect.sync.values import Subscription

__all__ = ["ConnectClient", "SoulConnectError", "Subscription"]
