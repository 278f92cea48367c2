"""Files of the data directory: never seen half written, and the directory's owner's."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def place(file: Path, content: bytes, mode: int, put: Callable[[str, Path], None]) -> None:
    """Write a file that is never seen half written.

    Args:
        file: where it goes.
        content: all of it.
        mode: its permissions.
        put: brings what was made, by its name, to `file`: `os.replace`, or what leaves alone what is there.

    Raises:
        OSError: it cannot be written; what was there is untouched.
    """
    descriptor, made = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(stream.fileno(), mode)
            own_like(file.parent, stream.fileno())
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        put(made, file)
    finally:
        Path(made).unlink(missing_ok=True)


def own_like(directory: Path, descriptor: int) -> None:
    """Give a new file to the owner of its directory, where root makes it for a service."""
    if os.geteuid() == 0:
        owner = directory.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
