"""All parts joined and running: what `main.py` starts.

The pure player (`soul.dap`) decides; here are its link, its engine, its buttons, its clock and its
flash. Whatever happens to one message or one file, the loops go on; if one of them does not, the
watchdog starts the chip again.
"""

import asyncio
import binascii
import gc
import json
import sys
import time

from soul import clock
from soul import session as sessions
from soul.buttons import Buttons
from soul.dap import Dap
from soul.mqtt_dial import Dialer
from soul.mqtt_link import Link
from soul.status import Console, Led, describe
from soul.store import Keeper, Store
from soul.supervisor import TIMEOUT, Supervisor
from soul.tracks import shelf
from soul.trial import Trial
from soul.wifi import Wifi

STATE = "state.json"
PAYLOAD = 22 * 1024
"""The largest message (bytes) to be sent here: a queue of 500 UUIDs and what is around it. Twice as much is
taken at the start: for the message, and for the queue that is kept."""

UPDATES_EVERY = 24 * 3600
"""How often (s) to look for another version."""

GOODBYE = 3
"""How long (s) the broker may take to acknowledge the goodbye."""

IDLE_WAIT = 0.5
"""The longest nap (s) of the player's loop: it looks at its clock, its flash and its status then."""


def load_config(path="config.json"):
    """The settings, complete.

    Raises:
        OSError: there are none.
        ValueError: they are not JSON, or something that is needed is missing.
    """
    with open(path) as file:
        config = json.load(file)
    for name in ("wifi", "host", "user", "device", "token", "name"):
        if not config.get(name):
            raise ValueError("config.json has no " + name + "; `soul-connect provision` writes one")
    config.setdefault("port", 8883)
    config.setdefault("max_payload_bytes", PAYLOAD)
    return config


def read_authority(config):
    """The certificate (PEM) of whom to trust, taken out of the settings: it is in their way in memory.

    Raises:
        OSError: its file is not there.
    """
    ca = config.pop("ca", None)
    if ca is None or ca.startswith("-----"):
        return ca
    with open(ca) as file:
        return file.read()


def make_engine(config, uptime):
    """The engine that `config` asks for: I2S, or a simulated one."""
    if config.get("engine") == "simulated":
        from soul.engine_sim import SimulatedEngine

        return SimulatedEngine(uptime)
    from soul.engine_i2s import I2SEngine

    return I2SEngine(config)


class App:
    """One player, from its settings."""

    def __init__(self, config, authority):
        """`authority`: the certificate (PEM) of whom to trust; None: no TLS."""
        import machine

        self._config = config
        self._machine = machine
        shelf.make(config["max_payload_bytes"])
        uptime = clock.Uptime()
        store = Store(STATE)
        self.engine = make_engine(config, uptime)
        self.dap = Dap(config, self.engine, uptime, store.load())
        self._keeper = Keeper(store, self.dap)
        self._wifi = Wifi(config["wifi"]["ssid"], config["wifi"].get("password", ""))
        self._turn = asyncio.Event()  # something is to be done
        self._beat = time.ticks_ms()
        self._tasks = []
        self._line = None
        self._update = Trial(uptime)
        told = self.dap.heard

        def heard(kind, serial, value=None):
            told(kind, serial, value)
            self._turn.set()

        self.engine.tell = heard
        self.link = Link(
            config,
            self._message,
            self.dap.topics,
            self._up,
            on_down=self._down,
            will=self.dap.will,
            before=self._before,
            log=print,
            dialer=Dialer(config["host"], config["port"], authority, config.get("server_hostname")),
        )
        self._screens: list = [Console()]
        self._leds = []
        if config.get("led") is not None:
            led = Led(machine.Pin(config["led"], machine.Pin.OUT))
            self._screens.append(led)
            self._leds.append(led)
        pins = {
            name: machine.Pin(number, machine.Pin.IN, machine.Pin.PULL_UP)
            for name, number in config.get("buttons", {}).items()
        }
        self._buttons = Buttons(pins, self._pressed)

    # What the parts call

    def _message(self, topic, payload):
        self.dap.received(topic, payload, self.link.retained)
        self._turn.set()

    def _up(self):
        self.dap.up()
        self._turn.set()

    def _down(self, by_peer):
        self.dap.down(by_peer)
        self._turn.set()

    def _is_displaced(self):
        return self.dap.session.phase == sessions.DISPLACED

    def _pressed(self, button):
        if self._is_displaced():
            self._machine.reset()
        self.dap.pressed(button)
        self._turn.set()

    async def _before(self, link):
        """A network and the time, before TLS: certificates have dates, and there is no battery."""
        while self._is_displaced():
            # Until someone presses a button: each would throw the other out, for ever.
            link.tell("offline")
            await asyncio.sleep(1)
        self.dap.attempt()
        link.tell("wifi")
        await self._wifi.up(alive=lambda: link.tell("wifi"))
        if not clock.is_set() or self._config.get("ntp_always"):
            link.tell("clock")
            server = self._config.get("ntp", "pool.ntp.org")
            clock.set_calendar(await clock.ask_ntp(server, self._config.get("ntp_port", 123)))

    # Loops

    async def _publish(self):
        """What the player says, in its order; a loss is told again by its next full report."""
        while True:
            await self._turn.wait()
            self._turn.clear()
            for topic, payload, qos in self.dap.take():
                self._tasks = [task for task in self._tasks if not task.done()]
                if len(self._tasks) >= 8:
                    await self._tasks[0]
                self._tasks.append(asyncio.create_task(self._say(topic, payload, qos)))
                await asyncio.sleep(0)

    async def _say(self, topic, payload, qos):
        try:
            await self.link.publish(topic, payload, qos)
        except OSError:
            pass  # offline: the coordinator asks again, and the next registration tells all

    async def _live(self):
        """The player's time."""
        dap = self.dap
        while True:
            self._beat = time.ticks_ms()
            due = dap.deadline()
            nap = IDLE_WAIT * 1000 if due is None else min(IDLE_WAIT * 1000, due - dap.now())
            if nap > 0:
                await asyncio.sleep(nap / 1000)
            else:
                dap.wake()
                self._turn.set()
                await asyncio.sleep(0)
            self.link.playing = dap.renderer.table.playing
            self._keeper.look()
            self._show()
            if self._is_displaced():
                dap.renderer.table.pause()
            elif dap.session.phase == sessions.ONLINE:
                self._update.succeeded()
            elif self._update.overdue():
                self._machine.reset()

    def _show(self):
        line, state = describe(self.dap, self.link.status)
        if line != self._line:
            self._line = line
            for screen in self._screens:
                screen.show(line, state)

    async def _blink(self):
        while True:
            for led in self._leds:
                led.beat()
            await asyncio.sleep(0.25)

    async def _updates(self):
        """Look for another version now and then, while it is quiet."""
        base, key = self._config.get("update_url"), self._config.get("update_key")
        while base and key:
            await asyncio.sleep(self._config.get("update_after", 60))
            if self.dap.renderer.table.playing or self.dap.session.phase != sessions.ONLINE:
                continue
            from soul import ota  # only where it is used: it takes 9 KB

            try:
                version = await ota.fetch(base, binascii.unhexlify(key))
            except (ota.UpdateError, OSError) as error:
                print("update:", error)
                await asyncio.sleep(UPDATES_EVERY)
                continue
            print("update: version", version)
            ota.swap(version)
            await self.leave()
            self._machine.reset()

    async def leave(self):
        """Say goodbye, and see it acknowledged; the music stops."""
        self.dap.renderer.table.pause()
        if self.link.online:
            try:
                await asyncio.wait_for(self.link.publish(*self.dap.goodbye()), GOODBYE)
            except (OSError, asyncio.TimeoutError):
                pass  # then it is the will that tells
        await self.link.close()

    async def run(self):
        """For ever. Ends only when cancelled."""
        watchdog = self._machine.WDT(timeout=TIMEOUT)
        beats = {"link": lambda: self.link.beat, "audio": self.engine.beat, "player": lambda: self._beat}
        supervisor = Supervisor(watchdog, beats)
        parts = [self.link, self.engine, self._buttons, supervisor]
        tasks = [asyncio.create_task(part.run()) for part in parts]
        tasks += [asyncio.create_task(work()) for work in (self._publish, self._blink, self._updates)]
        try:
            await self._live()
        finally:
            for task in tasks:
                task.cancel()


def main():
    """Play until power-off. Returns 0 where someone at the serial console wanted the prompt, else 1."""
    try:
        config = load_config()
        authority = read_authority(config)
    except (OSError, ValueError) as error:
        print("status trouble", error)
        return 1
    app = None
    try:
        app = App(config, authority)
        del authority
        # Rather often and early than at the last byte: what is free stays in large pieces.
        gc.collect()
        gc.threshold(gc.mem_free() // 16)
        asyncio.run(app.run())
    except KeyboardInterrupt:
        # Someone at the serial console. MicroPython's loop goes on where it was.
        if app is not None and sys.implementation.name == "micropython":
            asyncio.run(app.leave())
        return 0
    except Exception as error:
        if hasattr(sys, "print_exception"):
            sys.print_exception(error)
        else:
            print(error)
    return 1
