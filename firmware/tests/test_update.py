"""Updates: verified, written beside, swapped, and taken back if they do not work."""

import binascii
import hashlib
import json
import os
import time

import boot
import esp32
from soul import ota, trial
from wav_server import WavServer

KEY = b"k" * 32
HOME = os.getcwd()


def room():
    """A folder of its own, with a version in it."""
    folder = "/tmp/soul-test-%d-%d" % (time.ticks_ms() % 1_000_000, len(os.listdir("/tmp")))
    os.mkdir(folder)
    os.chdir(folder)
    os.mkdir("soul")
    put("soul/app.py", "one")
    return folder


def put(path, text):
    with open(path, "w") as file:
        file.write(text)


def text_of(path):
    with open(path) as file:
        return file.read()


def leave(folder):
    os.chdir(HOME)
    trial.remove(folder)


def offer(version, files, key=KEY, **more):
    rows = {
        path: [binascii.hexlify(hashlib.sha256(data).digest()).decode(), len(data)]
        for path, data in files.items()
    }
    rows.update(more)
    text = json.dumps({"version": version, "files": rows})
    mac = binascii.hexlify(ota.hmac_sha256(key, text.encode())).decode()
    return json.dumps({"manifest": text, "mac": mac}).encode()


def refused(data, running=1):
    try:
        ota.verify(data, KEY, running)
    except ota.UpdateError as error:
        return str(error)
    raise AssertionError("it was taken")


def test_hmac_is_the_one_of_rfc_4231():
    assert binascii.hexlify(ota.hmac_sha256(b"\x0b" * 20, b"Hi There")) == (
        b"b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
    )
    long = ota.hmac_sha256(b"\xaa" * 131, b"Test Using Larger Than Block-Size Key - Hash Key First")
    assert binascii.hexlify(long).startswith(b"60e431591ee0b67f")
    assert ota.same(b"ab", b"ab") and not ota.same(b"ab", b"ac") and not ota.same(b"ab", b"abc")


def test_only_what_is_ours_whole_and_newer_is_taken():
    good = offer(2, {"soul/app.py": b"two"})
    version, files = ota.verify(good, KEY, 1)
    assert version == 2 and list(files) == ["soul/app.py"]
    assert (
        "no update" in refused(b"{}")
        and "no update" in refused(b"[")
        and "no update" in refused(b'{"manifest":1}')
    )
    assert "not from who" in refused(offer(2, {}, key=b"x" * 32))
    assert "not from who" in refused(good.replace(b"app", b"apq"))
    assert "newer" in refused(good, running=2) and "newer" in refused(good, running=3)
    for path in ("boot.py", "soul/../boot.py", "soul/a/b.py", "soul/x.txt", "soul/.py/", "/soul/a.py"):
        assert "does not belong" in refused(offer(2, {path: b""}))
    assert "does not belong" in refused(offer(2, {}, **{"soul/a.py": ["0" * 64, 1 << 30]}))
    assert refused(b"[" * 20_000 + b"]" * 20_000) == "this is no update"


async def test_an_update_is_fetched_swapped_and_stays_once_online():
    folder = room()
    server = WavServer()
    await server.start()
    server.files["/u/update.json"] = offer(7, {"soul/app.py": b"seven", "soul/new.py": b"x" * 9_000})
    server.files["/u/soul/app.py"] = b"seven"
    server.files["/u/soul/new.py"] = b"x" * 9_000
    assert await ota.fetch(server.url("/u"), KEY) == 7
    assert text_of("soul/app.py") == "one" and text_of("soul.new/app.py") == "seven"
    ota.swap(7)
    assert boot.settle(esp32.NVS("soul")) == "on trial"
    assert text_of("soul/app.py") == "seven" and text_of("soul.old/app.py") == "one"

    class Uptime:
        ms = 0

        def now(self):
            return self.ms

    uptime = Uptime()
    watched = trial.Trial(uptime)
    assert not watched.overdue()
    uptime.ms = 181_000
    assert watched.overdue()
    watched.succeeded()
    assert not watched.overdue() and not trial.exists("soul.old")
    assert boot.settle(esp32.NVS("soul")) == "nothing"
    try:
        await ota.fetch(server.url("/u"), KEY)
    except ota.UpdateError as error:
        assert "newer" in str(error)
    else:
        raise AssertionError("fetched again")
    server.stop()
    leave(folder)


async def test_a_file_that_is_cut_changed_or_missing_changes_nothing():
    folder = room()
    server = WavServer()
    await server.start()
    for data in (b"seve", b"eight", None):
        server.files = {"/u/update.json": offer(7, {"soul/app.py": b"seven"})}
        if data is not None:
            server.files["/u/soul/app.py"] = data
        try:
            await ota.fetch(server.url("/u"), KEY)
        except ota.UpdateError:
            assert text_of("soul/app.py") == "one" and not trial.exists(ota.WHOLE)
        else:
            raise AssertionError("it was taken")
    server.stop()
    leave(folder)


def test_a_version_that_does_not_come_online_is_taken_back():
    folder = room()
    os.mkdir("soul.new")
    put("soul.new/app.py", "two")
    put("soul.new/whole", "2")
    ota.swap(2)
    done = [boot.settle(esp32.NVS("soul")) for _ in range(4)]
    assert done == ["on trial", "on trial", "on trial", "taken back"]
    assert text_of("soul/app.py") == "one" and text_of("soul.bad/app.py") == "two"
    assert boot.settle(esp32.NVS("soul")) == "nothing"
    assert trial.read("version") == 2  # the bad one is not fetched again
    leave(folder)


def test_a_power_cut_in_a_swap_is_finished_at_the_next_start():
    folder = room()
    os.mkdir("soul.new")
    put("soul.new/app.py", "two")
    put("soul.new/whole", "2")
    trial.write(trial=1, version=2)
    os.rename("soul", "soul.old")  # and here the power goes
    assert boot.settle(esp32.NVS("soul")) == "on trial"
    assert text_of("soul/app.py") == "two"
    # Without a whole new one, the old one comes back.
    os.rename("soul", "soul.gone")
    assert boot.settle(esp32.NVS("soul")) == "nothing"
    assert text_of("soul/app.py") == "one"
    leave(folder)


def test_a_device_that_was_never_updated_starts():
    folder = room()
    assert boot.settle(esp32.NVS("soul")) == "nothing" and trial.read("version") == 0
    leave(folder)
