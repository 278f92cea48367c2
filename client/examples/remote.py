"""A remote control: type play, pause, next or previous."""

import sys
from os import environ

from soul_connect.sync import ConnectClient, SoulConnectError

me = ConnectClient(url=environ["SOUL_CONNECT_URL"], token=environ["SOUL_CONNECT_TOKEN"], ephemeral=True)
with me:
    buttons = {"play": me.play, "pause": me.pause, "next": me.next, "previous": me.previous}
    for word in map(str.strip, sys.stdin):
        try:
            print(buttons[word]().status, me.state.track_id, me.position_ms() // 1000, "s", flush=True)
        except (KeyError, SoulConnectError) as error:
            print(error, flush=True)
