"""Files that are written whole or not at all, and that nobody but their owner may read."""

import os
from pathlib import Path


def write_privately(file: Path, content: bytes, *, sync: bool = True) -> None:
    """Put `content` in place of what `file` holds, if anything, with mode 0600.

    Its folder is made (0700) if it is missing. With `sync` the content is on the disk before it
    takes the place of the old; without, a power failure may leave an empty file.

    Raises:
        OSError: it cannot be written; what was there is untouched.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = file.with_name(f".{file.name}.{os.urandom(6).hex()}")  # `tempfile` would take 10 ms to import
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(content)
            if sync:
                out.flush()
                os.fsync(out.fileno())
        new.replace(file)
    except BaseException:  # a Ctrl-C too: nothing of it is left lying about
        new.unlink(missing_ok=True)
        raise
