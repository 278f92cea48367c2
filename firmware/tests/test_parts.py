"""The parts around the player: flash, watchdog, buttons, status, network."""

import os
import time

import machine
import network
from rig import Rig
from soul import clock
from soul.buttons import Button
from soul.status import Led, describe
from soul.store import Keeper, Store
from soul.supervisor import Supervisor
from soul.wifi import Wifi

PATH = "/tmp/soul-test-%d-state.json" % (time.ticks_ms() % 100_000)


def forget():
    for path in (PATH, PATH + ".new"):
        try:
            os.remove(path)
        except OSError:
            pass


def test_what_was_saved_comes_back_and_what_is_broken_does_no_harm():
    forget()
    store = Store(PATH)
    assert store.load() == {}
    store.save({"volume": 0.25})
    assert Store(PATH).load() == {"volume": 0.25}
    with open(PATH) as file:
        whole = file.read()
    for text in ("", "{", "[1]", "null", '{"volume": 0.2}', whole[:-1], whole[:-1] + "]", whole[9:]):
        with open(PATH, "w") as file:
            file.write(text)
        assert Store(PATH).load() == {}
    # Power went between removing the old and renaming the new (FAT).
    os.rename(PATH, PATH + ".new")
    with open(PATH + ".new", "w") as file:
        file.write(whole)
    assert Store(PATH).load() == {"volume": 0.25}
    forget()


class Counting:
    """A store that counts, and may be full."""

    def __init__(self):
        self.saved = []
        self.full = False

    def save(self, kept):
        if self.full:
            raise OSError(28)
        self.saved.append(kept)


def test_it_is_saved_at_pause_and_track_and_else_every_30_s():
    rig, store = Rig(), Counting()
    rig.arrive()
    keeper = Keeper(store, rig.dap)
    rig.command("set_queue", tracks=["a?duration_ms=100000", "b"], start_index=0, queue_rev=1)
    rig.command("play")
    for _ in range(1_810):  # 90.5 s
        rig.run(50, step=50)
        keeper.look()
    assert len(store.saved) == 4  # play, 30, 60, 90
    rig.command("pause")
    keeper.look()
    assert len(store.saved) == 5 and store.saved[-1]["last_known_state"]["is_playing"] is False
    assert 89_000 < store.saved[-1]["last_known_state"]["position_ms"] < 91_000
    for _ in range(100):
        rig.run(1_000, step=1_000)
        keeper.look()
    assert len(store.saved) == 5
    rig.command("next", queue_position=1)
    rig.run(20)
    keeper.look()
    assert len(store.saved) == 6


def test_turning_the_volume_is_saved_once_and_a_full_flash_ends_nothing():
    rig, store = Rig(), Counting()
    rig.arrive()
    keeper = Keeper(store, rig.dap)
    for _ in range(40):
        rig.dap.pressed("louder")
        rig.dap.pressed("softer")
        rig.dap.pressed("softer")
        rig.run(150)
        keeper.look()
    rig.run(6_000)
    keeper.look()
    assert 1 <= len(store.saved) <= 3 and store.saved[-1]["volume"] == 0
    store.full = True
    rig.dap.pressed("louder")
    rig.run(6_000)
    keeper.look()
    assert keeper.failures == 1


def test_the_watchdog_is_fed_only_while_all_are_alive():
    now = time.ticks_ms()
    beats = {"link": now, "audio": now}
    watchdog = machine.WDT(timeout=9_000)
    supervisor = Supervisor(watchdog, {name: (lambda name=name: beats[name]) for name in beats})
    assert supervisor.look() == [] and watchdog.meals == 1
    beats["audio"] = time.ticks_add(now, -8_500)
    assert supervisor.look() == ["audio"] and watchdog.meals == 1
    beats["audio"] = time.ticks_ms()
    assert supervisor.look() == [] and watchdog.meals == 2


class Line:
    """A pin with a story: one letter a look, 0 is pressed."""

    def __init__(self, story):
        self.story = iter(story)

    def value(self):
        return int(next(self.story))


def presses(name, story):
    button = Button(name, Line(story))
    return [place for place in range(len(story)) if button.look()]


def test_buttons_are_debounced_and_volume_repeats():
    assert presses("play", "1101011") == []
    assert presses("play", "1000000000") == [2]
    assert presses("play", "10001000") == [2, 6]
    assert presses("play", "0" * 200) == [1]
    held = presses("louder", "0" * 100)
    assert held[0] == 1 and held[1] == 26
    assert all(late - early >= 5 for early, late in zip(held[:-1], held[1:])) and len(held) > 8


def test_a_line_for_people():
    rig = Rig()
    assert describe(rig.dap, "connecting") == ("connecting", "offline")
    assert describe(rig.dap, "refused: token") == ("refused: token", "trouble")
    rig.connect()
    assert describe(rig.dap, "online") == ("arriving", "offline")
    rig.register()
    assert describe(rig.dap, "online") == ("Pocket", "idle")
    rig.command("set_queue", tracks=["x?error=not_found", "a", "b"], start_index=0, queue_rev=1)
    rig.command("play")
    rig.run(50)
    line, state = describe(rig.dap, "online")
    assert line == "playing 2/3, not_found at x?error=not_found" and state == "playing"
    rig.command("pause")
    assert describe(rig.dap, "offline")[0].endswith(", offline")
    assert describe(rig.dap, "online")[1] == "paused"


def test_the_led_blinks_as_it_is():
    pin = machine.Pin(2, machine.Pin.OUT)
    led = Led(pin)
    levels = {}
    for state in ("playing", "paused", "idle", "offline", "trouble"):
        led.show("", state)
        levels[state] = ""
        for _ in range(16):
            led.beat()
            levels[state] += str(pin.level)
    assert levels["playing"] == "1" * 16 and levels["trouble"] == "10" * 8
    assert len(set(levels.values())) == 5


async def test_the_network_comes_up_or_says_why_not():
    wifi = Wifi("home", "secret")
    assert not wifi.connected()
    await wifi.up()
    assert wifi.connected() and wifi._station.settings == {"pm": 0}
    await wifi.up()
    assert wifi._station.attempts == 1
    wifi._station.isconnected = lambda: False
    try:
        await wifi.up(0.2)
    except OSError as error:
        assert "home" in str(error)
    else:
        raise AssertionError("it came up")
    assert network.STA_IF == 0


def test_the_calendar_is_set_in_the_epoch_of_the_port():
    clock.set_calendar(1_800_000_000)
    assert machine.RTC.was_set[:3] == (2027, 1, 15) and machine.RTC.was_set[4:7] == (8, 0, 0)
    assert clock.is_set()
    real = time.gmtime
    since_2000 = 946_684_800

    def of_2000(seconds=None):
        return real(since_2000 if seconds is None else seconds + since_2000)

    class Esp32:
        """An ESP32's `time`: it starts in 2000."""

        gmtime = staticmethod(of_2000)

        @staticmethod
        def time():
            return 1_800_000_000 - since_2000

    old, clock.time = clock.time, Esp32
    try:
        assert clock.unix_time() == 1_800_000_000
        clock.set_calendar(1_800_000_000)
        assert machine.RTC.was_set[:3] == (2027, 1, 15)
    finally:
        clock.time = old
