"""A device that has a link and nothing else: what the tests of the link drive, over MQTT and stdout.

    micropython link_board.py CONFIG      CONFIG is a JSON file: the link's config and `timing`

Every line it prints is `WORD JSON`. A message on `down/execute` is a request: {"do": ...}.
"""

import asyncio
import binascii
import gc
import hashlib
import json
import os
import sys
import time

from soul import mqtt_link

config = json.load(open(sys.argv[1]))
root = f"soul/v1/{config['user']}/device/{config['device']}/"


class Timing(mqtt_link.Timing):
    pass


for name, value in config.get("timing", {}).items():
    setattr(Timing, name, value)


def say(word, *values):
    print(word, json.dumps(values))


class Board:
    def __init__(self):
        self.conn = ""
        self.requests = []
        self.wake = asyncio.Event()
        self.tokens = config.get("tokens", [])
        self.hold = None
        if config.get("ca_file"):
            config["ca"] = open(config["ca_file"]).read()
        self.link = mqtt_link.Link(
            config,
            self.message,
            config.get("topics") or [(root + "down/+", 1), (f"soul/v1/{config['user']}/all/+", 1)],
            self.up,
            on_down=lambda by_peer: say("down", self.link.error, by_peer),
            will=self.will,
            new_token=self.token if "tokens" in config else None,
            on_status=lambda status: say("status", status),
            timing=Timing,
            log=lambda text: say("log", text),
        )
        self.link.playing = config.get("playing", False)

    def will(self):
        self.conn = binascii.hexlify(os.urandom(8)).decode()
        return root + "up/will", json.dumps({"type": "connection_lost", "conn": self.conn}), 1

    async def token(self):
        token = self.tokens.pop(0) if self.tokens else None
        say("asked", token is not None)
        return token

    def up(self):
        say("up", self.link.connects)

    def message(self, topic, payload):
        if not topic.endswith("/execute"):
            say("got", topic, len(payload), self.link.retained)
            return
        try:
            request = json.loads(bytes(payload))
        except ValueError:
            digest = hashlib.sha256(payload).digest()
            say("got", topic, len(payload), binascii.hexlify(digest[:8]).decode())
            return
        if request["do"] == "raise":
            raise KeyError("asked to")
        if len(self.requests) < 100:
            self.requests.append(request)
            self.wake.set()

    async def work(self):
        while True:
            await self.wake.wait()
            self.wake.clear()
            while self.requests:
                request = self.requests.pop(0)
                await getattr(self, "do_" + request["do"])(request)

    async def do_publish(self, request):
        """`count` messages of `size` bytes at `qos`, 30 at a time: more than the link takes at once."""
        ends = []

        async def some():
            while started[0] < request["count"]:
                started[0] += 1
                payload = json.dumps({"type": "ping", "t0": started[0]}) + " " * request.get("size", 0)
                try:
                    await self.link.publish(root + "up/ping", payload, request["qos"])
                    ends.append(True)
                except mqtt_link.LinkDown:
                    ends.append(False)

        started = [0]
        for task in [asyncio.create_task(some()) for _ in range(30)]:
            await task
        say("published", sum(ends), len(ends) - sum(ends))

    async def do_reconnect(self, request):
        """Connect anew `count` times; the heap in use after the 20th and the last."""
        heap = None
        for number in range(1, request["count"] + 1):
            before = self.link.connects
            self.link.reconnect()
            while self.link.connects == before:
                await asyncio.sleep_ms(5)
            if number in (20, request["count"]):
                gc.collect()
                heap = (gc.mem_alloc(), heap)
        say("heap", heap[1][0], heap[0])

    async def do_set(self, request):
        for name, value in request["values"].items():
            setattr(self.link, name, value)
        say("set", sorted(request["values"]))

    async def do_pid(self, request):
        """Count packet ids from here."""
        self.link._packets.pid = request["pid"]
        say("pid", request["pid"])

    async def do_stall(self, request):
        """Hold the loop, as flash memory does while it is written."""
        time.sleep_ms(request["ms"])
        say("stalled", request["ms"])

    async def do_tell(self, _):
        gc.collect()
        say("told", self.link.failures, self.link.oversize, gc.mem_alloc())

    async def do_close(self, _):
        await self.link.publish(
            root + "up/disconnect", json.dumps({"type": "disconnect", "conn": self.conn, "reason": "user"}), 1
        )
        await self.link.close()


async def main():
    board = Board()
    working = asyncio.create_task(board.work())
    await board.link.run()
    working.cancel()
    say("ended")


asyncio.run(main())
