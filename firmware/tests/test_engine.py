"""The real engine against a real web server and a DAC that keeps what it plays."""

import asyncio
import struct
import time

from machine import I2S
from soul import engine_i2s, wav_http
from soul.engine import ADVANCED, ENDED, FAILED, LOADED
from soul.engine_i2s import I2SEngine
from soul.gain import factor, scale16, scale32
from wav_server import WavServer, ramp, wav

PINS = {"sck": 1, "ws": 2, "sd": 3}


class Stage:
    """An engine that runs, its server, and what it told."""

    def __init__(self, buffer=64 * 1024):
        self.server = WavServer()
        self.engine = I2SEngine({"i2s": PINS, "buffer": buffer, "library": "{id}"})
        self.told = []
        self.engine.tell = lambda kind, serial, value=None: self.told.append((kind, serial, value))
        self.running = None

    async def begin(self):
        await self.server.start()
        self.engine._library = self.server.url("/{id}")
        self.running = asyncio.create_task(self.engine.run())
        I2S.heard = bytearray()
        I2S.formats.clear()
        I2S.silence = 0
        return self

    async def end(self):
        self.engine.stop()
        self.running.cancel()
        self.server.stop()
        await asyncio.sleep(0)

    async def until(self, condition, seconds=20):
        start = time.ticks_ms()
        while not condition():
            assert time.ticks_diff(time.ticks_ms(), start) < seconds * 1000, self.told
            await asyncio.sleep(0.005)

    async def event(self, kind, serial):
        """The value of an event that is told within some seconds."""
        await self.until(lambda: any(one[:2] == (kind, serial) for one in self.told))
        return next(one for one in self.told if one[:2] == (kind, serial))[2]


def near(heard, samples):
    """The place in `samples` (of a ramp in 16-bit stereo) at which `heard` goes on."""
    return samples.find(bytes(heard[:64]))


async def test_every_sample_of_a_file_sounds_once_and_in_order():
    for bits, channels in ((16, 2), (32, 2), (16, 1)):
        stage = await Stage().begin()
        samples = ramp(16_000, bits, channels)
        stage.server.files["/a"] = wav(samples, 32000, bits, channels)
        stage.engine.load(1, "a", 0, True)
        assert await stage.event(LOADED, 1) == 500
        await stage.event(ENDED, 1)
        assert bytes(I2S.heard) == samples, (bits, channels)
        assert I2S.formats == [(32000, bits, channels - 1)]
        await stage.end()


async def test_it_loads_in_silence_at_a_position_and_begins_when_told():
    stage = await Stage().begin()
    samples = ramp(16_000)
    stage.server.files["/a"] = wav(samples, 32000)
    stage.engine.load(1, "a", 200, False)
    await stage.event(LOADED, 1)
    assert stage.engine.position_ms() == 200 and not I2S.heard
    stage.engine.play()
    await stage.event(ENDED, 1)
    assert bytes(I2S.heard) == samples[6_400 * 4 :]
    await stage.end()


async def test_the_next_track_follows_without_a_gap():
    stage = await Stage().begin()
    one, two = ramp(12_345), ramp(7_777, start=20_000)
    stage.server.files.update({"/a": wav(one, 32000), "/b": wav(two, 32000)})
    stage.engine.load(1, "a", 0, True)
    stage.engine.set_next(2, "b")
    assert await stage.event(ADVANCED, 2) == 243
    stage.engine.set_next(3, None)
    await stage.event(ENDED, 2)
    assert bytes(I2S.heard) == one + two
    assert len(I2S.formats) == 1  # the DAC was never stopped
    await stage.end()


async def test_a_track_that_begins_in_the_middle_of_a_slice_is_heard_whole():
    stage = await Stage().begin()
    # A slice ends at half the buffer and at its end, and is taken 16 KB before: not yet at the border.
    one, two = ramp(10_000), ramp(12_000, start=20_000)
    stage.server.files.update({"/a": wav(one, 32000), "/b": wav(two, 32000)})
    stage.engine.load(1, "a", 0, True)
    stage.engine.set_next(2, "b")
    await stage.event(ADVANCED, 2)
    await stage.event(ENDED, 2)
    assert bytes(I2S.heard) == one + two
    await stage.end()


class Interrupted:
    """A clock of a machine that does something else, for 8 ms, before each time that it is read."""

    ticks_diff = time.ticks_diff

    @staticmethod
    def ticks_ms():
        time.sleep(0.008)  # what is imitated
        return time.ticks_ms()


async def test_no_sample_is_lost_on_a_machine_that_is_interrupted_everywhere():
    stage = await Stage(buffer=32 * 1024).begin()
    one, two = ramp(30_000), ramp(8_000, start=20_000)
    stage.server.files.update({"/a": wav(one, 32000), "/b": wav(two, 32000)})
    I2S.begins_after, engine_i2s.time = 0.05, Interrupted
    try:
        stage.engine.load(1, "a", 0, True)
        stage.engine.set_next(2, "b")
        await stage.event(ADVANCED, 2)
        await stage.event(ENDED, 2)
    finally:
        I2S.begins_after, engine_i2s.time = 0, time
    assert bytes(I2S.heard) == one + two
    await stage.end()


async def test_a_next_track_of_another_format_follows_all_the_same():
    stage = await Stage().begin()
    one, two = ramp(6_001, channels=1), ramp(8_000, 32)
    stage.server.files.update({"/a": wav(one, 32000, channels=1), "/b": wav(two, 44100, 32)})
    stage.engine.load(1, "a", 0, True)
    stage.engine.set_next(2, "b")
    await stage.event(ADVANCED, 2)
    await stage.event(ENDED, 2)
    assert I2S.formats == [(32000, 16, 0), (44100, 32, 1)]
    assert bytes(I2S.heard[-len(two) :]) == two
    assert bytes(I2S.heard) == one + two
    await stage.end()


async def test_another_next_than_the_one_that_was_read_ahead():
    stage = await Stage().begin()
    one, two, three = ramp(12_000), ramp(4_000, start=20_000), ramp(4_000, start=40_000)
    stage.server.files.update({"/a": wav(one, 32000), "/b": wav(two, 32000), "/c": wav(three, 32000)})
    stage.engine.load(1, "a", 0, True)
    stage.engine.set_next(2, "b")
    ring, segments = stage.engine._ring, stage.engine._segments
    await stage.until(lambda: len(segments) == 2 and ring.filled > segments[1].start)
    stage.engine.set_next(3, "c")
    await stage.event(ADVANCED, 3)
    await stage.event(ENDED, 3)
    heard = bytes(I2S.heard)
    assert heard.endswith(three)
    assert two[400:800] not in heard
    assert not any(one[:2] == (ADVANCED, 2) for one in stage.told)
    await stage.end()


async def test_pause_is_silent_at_once_and_play_goes_on_there():
    stage = await Stage().begin()
    samples = ramp(32_000)
    stage.server.files["/a"] = wav(samples, 32000)
    stage.engine.load(1, "a", 0, True)
    await stage.until(lambda: stage.engine.position_ms() >= 200)
    stage.engine.pause()
    at, count = stage.engine.position_ms(), len(I2S.heard)
    await asyncio.sleep(0.1)  # in which 12,800 bytes would sound
    assert len(I2S.heard) == count and stage.engine.position_ms() == at
    # A position is where the sound is: within 100 ms (of 128 bytes) on the busiest machine.
    assert abs(count - at * 128) <= 12_800
    stage.engine.play()
    await stage.event(ENDED, 1)
    after = bytes(I2S.heard[count:])
    assert samples.endswith(after) and abs(near(after, samples) - at * 128) <= 128
    await stage.end()


async def test_seek_in_the_buffer_and_beyond_it():
    stage = await Stage(buffer=32 * 1024).begin()
    samples = ramp(40_000)
    stage.server.files["/a"] = wav(samples, 32000)
    stage.engine.load(1, "a", 0, True)
    await stage.until(lambda: stage.engine.position_ms() >= 60)
    stage.engine.seek(200)  # there already: nothing is asked for
    assert stage.server.asked == [("/a", None)]
    await stage.until(lambda: stage.engine.position_ms() >= 260)
    count = len(I2S.heard)
    stage.engine.seek(1_000)
    assert stage.engine.position_ms() == 1_000
    await stage.event(ENDED, 1)
    after = bytes(I2S.heard[count:])
    assert after.endswith(samples[1_000 * 128 :])
    assert stage.server.asked[-1] == ("/a", 44 + 1_000 * 128)
    assert len([one for one in stage.told if one[0] == LOADED]) == 1
    await stage.end()


async def test_a_seek_before_it_is_loaded_counts():
    stage = await Stage().begin()
    samples = ramp(16_000)
    stage.server.files["/a"] = wav(samples, 32000)
    stage.engine.load(1, "a", 0, True)
    stage.engine.seek(300)
    await stage.event(LOADED, 1)
    await stage.event(ENDED, 1)
    assert bytes(I2S.heard) == samples[300 * 128 :]
    await stage.end()


async def test_a_slow_network_is_an_underrun_and_nothing_is_lost():
    stage = await Stage().begin()
    samples = ramp(16_000)
    stage.server.files["/a"] = wav(samples, 32000)
    stage.server.pace = 50_000  # of 128,000 that it takes
    stage.engine.load(1, "a", 0, True)
    await stage.event(ENDED, 1)
    assert stage.engine.underruns >= 1
    assert bytes(I2S.heard) == samples
    await stage.end()


async def test_a_machine_that_is_held_up_for_900_ms_plays_on():
    stage = await Stage(buffer=256 * 1024).begin()
    samples = ramp(40_000)
    stage.server.files["/a"] = wav(samples, 32000)
    stage.engine.load(1, "a", 0, True)
    await stage.until(lambda: stage.engine._given > 120_000)
    before, silence, count = stage.engine.underruns, I2S.silence, len(I2S.heard)
    time.sleep(0.9)  # what is tested: a TLS handshake holds the loop
    await stage.until(lambda: len(I2S.heard) >= count + 900 * 128)
    assert I2S.silence == silence  # the DAC had enough all the time
    await stage.event(ENDED, 1)
    assert stage.engine.underruns == before and bytes(I2S.heard) == samples
    await stage.end()


async def test_the_volume_is_heard_at_once():
    stage = await Stage().begin()
    samples = ramp(16_000)
    stage.server.files["/a"] = wav(samples, 32000)
    stage.engine.set_volume(0.5)
    stage.engine.load(1, "a", 0, True)
    await stage.until(lambda: stage.engine.position_ms() >= 150)
    stage.engine.set_volume(1.0)
    count = len(I2S.heard)
    await stage.event(ENDED, 1)
    quiet = bytearray(samples[:count])
    scale16(quiet, count // 2, factor(0.5))
    assert bytes(I2S.heard[:count]) == bytes(quiet)
    assert samples.endswith(bytes(I2S.heard[count:]))
    await stage.end()


def test_the_factor_of_16_and_32_bits():
    assert factor(0) == 0 and factor(1) == 256 and factor(0.5) == 64
    for gain in (0, 1, 64, 200, 256):
        values = (-32768, -1, 0, 1, 300, 32767)
        data = bytearray(struct.pack("<6h", *values))
        scale16(data, 6, gain)
        assert struct.unpack("<6h", data) == tuple(value * gain >> 8 for value in values)
        values = (-(1 << 31), -1, 0, 65_536, 123_456_789, (1 << 31) - 1)
        data = bytearray(struct.pack("<6i", *values))
        scale32(data, 6, gain)
        assert struct.unpack("<6i", data) == tuple(value * gain >> 8 for value in values)


async def test_what_cannot_be_played_fails_and_stop_forgets_it():
    stage = await Stage().begin()
    stage.engine.load(1, "none", 0, True)
    assert await stage.event(FAILED, 1) == "not_found"
    stage.server.files["/high"] = wav(ramp(1000), 96000)
    stage.engine.load(2, "high", 0, True)
    assert await stage.event(FAILED, 2) == "bad_format"
    stage.server.files["/a"] = wav(ramp(8_000), 32000)
    stage.engine.load(3, "a", 0, True)
    stage.engine.stop()
    stage.engine.load(4, "a", 0, True)
    stage.engine.set_next(5, "none")
    assert await stage.event(FAILED, 5) == "not_found"
    assert bytes(I2S.heard) == ramp(8_000)
    assert not any(one[1] == 3 for one in stage.told)
    await stage.end()


async def test_a_server_that_goes_away_in_a_track_fails_it_after_what_there_is():
    wav_http.TRIES = 2
    stage = await Stage().begin()
    samples = ramp(16_000)
    stage.server.files["/a"] = wav(samples, 32000)
    stage.server.faults["/a"] = {"cut": 30_000}
    stage.engine.load(1, "a", 0, True)
    await stage.event(LOADED, 1)
    stage.server.faults["/a"] = {"status": 503}
    assert await stage.event(FAILED, 1) == "connection_lost"
    heard = bytes(I2S.heard)
    assert samples.startswith(heard) and len(heard) >= 29_900
    await stage.end()
