"""Updates over the network: verified, written beside, swapped, and taken back if they do not work.

What is offered is `update.json`: `{"manifest": TEXT, "mac": HEX}`. TEXT is JSON: `{"version": N, "files":
{"soul/dap.py": [sha256, size], ...}}`; the mac is HMAC-SHA256 (RFC 2104) over TEXT with the key that
`soul-connect provision` gave this device. A MAC, not a signature: stock MicroPython verifies none, and
the key is this device's own, so that a stolen device opens no other. An older version than the running
one is refused, so that nobody brings back an old mistake by an old file.

    soul.new  being written        soul  running        soul.old  the one before, until the new one was online

`boot.py` counts the starts of a new version, and takes the old one back after three that did not end
online; it also finishes a swap that a power cut interrupted.
"""

import binascii
import hashlib
import json
import os

from soul.http import HttpError, get
from soul.trial import OLD, read, remove, write

NEW, RUNNING = "soul.new", "soul"
WHOLE = NEW + "/whole"
"""Exists once all of a new version is there and verified."""

MOST = 256 * 1024
"""The largest file (bytes); the manifest may be a tenth of it."""


class UpdateError(Exception):
    """An update that is not to be trusted, or did not come whole. Nothing was changed."""


def hmac_sha256(key, text):
    """HMAC-SHA256 (RFC 2104)."""
    if len(key) > 64:
        key = hashlib.sha256(key).digest()
    key += bytes(64 - len(key))
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in key))
    inner.update(text)
    outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in key))
    outer.update(inner.digest())
    return outer.digest()


def same(one, other):
    """Whether two byte strings are equal, in a time that tells nothing of where they differ."""
    difference = len(one) ^ len(other)
    for a, b in zip(one, other):  # noqa: B905 (MicroPython's has no `strict`)
        difference |= a ^ b
    return difference == 0


def _is_ours(path):
    name = path[5:]
    good = name and all(c.isalpha() or c.isdigit() or c in "_." for c in name) and ".." not in name
    return path.startswith("soul/") and good and name.endswith((".py", ".mpy"))


def verify(offer, key, running):
    """The version and files of an offer (bytes of `update.json`).

    Raises:
        UpdateError: it is not ours, not sound, or not newer than version `running`.
    """
    try:
        outside = json.loads(offer)
        text = outside["manifest"].encode()
        mac = binascii.unhexlify(outside["mac"])
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError, MemoryError):  # nested too deeply
        raise UpdateError("this is no update") from None
    if not same(hmac_sha256(key, text), mac):
        raise UpdateError("the update is not from who made this device")
    manifest = json.loads(text)
    version, files = manifest["version"], manifest["files"]
    if version <= running:
        raise UpdateError("nothing newer")
    for path, (digest, size) in files.items():
        if not _is_ours(path) or len(digest) != 64 or not 0 <= size <= MOST:
            raise UpdateError("the update has a file that does not belong: " + path)
    return version, files


async def fetch(base, key, context=None):
    """Bring a newer version beside the running one; returns its number.

    `base`: the address of the folder that has `update.json` and the files.

    Raises:
        UpdateError: there is none, or it is not to be trusted.
    """
    try:
        response = await get(base + "/update.json", None, context)
        if response.length is None or response.length > MOST // 10:
            await response.close()
            raise UpdateError("this is no update")
        offer = await response.readexactly(response.length)
        await response.close()
        version, files = verify(offer, key, read("version"))
        remove(NEW)
        os.mkdir(NEW)
        for path, (digest, size) in files.items():
            await _bring(base + "/" + path, NEW + path[4:], digest, size, context)
    except HttpError as error:
        raise UpdateError(error.code) from None
    with open(WHOLE, "w") as file:
        file.write(str(version))
    return version


async def _bring(url, path, digest, size, context):
    response = await get(url, None, context)
    view, seen, left = memoryview(bytearray(4096)), hashlib.sha256(), size
    try:
        with open(path, "wb") as file:
            while left:
                count = await response.readinto(view[: min(4096, left)])
                if not count:
                    break
                seen.update(view[:count])
                file.write(view[:count])
                left -= count
    finally:
        await response.close()
    if left or not same(binascii.hexlify(seen.digest()), digest.encode()):
        raise UpdateError("a file did not come as it was made: " + path)


def swap(version):
    """Put what was fetched in place. Restart right after: the new version is on trial then.

    A power cut at any point is finished by `boot.py`.
    """
    remove(OLD)
    write(trial=1, version=version)
    os.rename(RUNNING, OLD)
    os.rename(NEW, RUNNING)
