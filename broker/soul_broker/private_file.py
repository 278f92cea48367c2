"""Files of the data directory: written whole or not at all, for nobody but the directory's owner."""

import os
import tempfile
from pathlib import Path


def write_privately(path: Path, content: bytes) -> None:
    """Put a file with mode 0600 in place, whole or not at all, and wait for the disk.

    Raises:
        OSError: it cannot be written; what was there is untouched.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            own_like(path.parent, file.fileno())
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:  # a Ctrl-C too: nothing of it is left lying about
        Path(name).unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def own_like(directory: Path, descriptor: int) -> None:
    """Give a new file to the owner of its directory, where root makes it for a service."""
    if os.geteuid() == 0:
        owner = directory.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
