"""Runs `main` of a ROMFS image, whose bytecode stays where it lies: in no heap, as what is frozen in flash.

micropython frozen.py IMAGE
"""

import gc
import os
import sys

import ffi
import uctypes
import vfs


def _flash(path):
    """The image's bytes, in memory of the C library."""
    size = os.stat(path)[6]
    flash = uctypes.bytearray_at(ffi.open(None).func("P", "malloc", "L")(size), size)
    with open(path, "rb") as image:
        assert image.readinto(flash) == size
    return flash


vfs.mount(vfs.VfsRom(_flash(sys.argv[1])), "/rom")
sys.path.insert(0, "/rom")
del _flash
gc.collect()
import main  # noqa: E402, F401 (it plays for ever)
