"""Files that are written whole or not at all, for nobody but their owner.

No part of the contract: it is here because all who keep secrets may import it.
"""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path


def write_privately(
    file: Path,
    content: bytes,
    mode: int = 0o600,
    put: Callable[[str, Path], None] = os.replace,
    *,
    sync: bool = True,
    like_folder: bool = True,
) -> None:
    """Write a file that is never seen half written.

    Args:
        file: where it goes.
        content: all of it.
        mode: its permissions.
        put: brings what was made, by its name, to `file`: `os.replace`, or what leaves alone what is there.
        sync: wait until content and name are on the disk. Without, a power failure may leave an empty file.
        like_folder: where root makes it, it belongs to the folder's owner (a service's), not to root.

    Raises:
        OSError: it cannot be written; what was there is untouched. Or the name of what was written may
            not be on the disk.
    """
    made = file.with_name(f".{file.name}.{os.urandom(6).hex()}")  # `tempfile` would take 10 ms to import
    try:
        with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            if mode != 0o600:
                os.fchmod(out.fileno(), mode)
            if like_folder:
                own_like(file.parent, out.fileno())
            out.write(content)
            if sync:
                out.flush()
                os.fsync(out.fileno())
        put(str(made), file)
    finally:  # after a Ctrl-C too: nothing of it is left lying about
        made.unlink(missing_ok=True)
    if sync:
        _sync_folder(file.parent)


def own_like(folder: Path, descriptor: int) -> None:
    """Give a new file to the owner of its folder, where root makes it for a service."""
    if os.geteuid() == 0:
        owner = folder.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def _sync_folder(folder: Path) -> None:
    """Without it a power failure may bring back the file that was replaced."""
    with contextlib.suppress(PermissionError):  # Windows opens no folder, nor do we one that we may not read
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
