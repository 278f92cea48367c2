"""Files of whoever runs this program, and in folders that may not be there yet."""

from pathlib import Path

from soul_protocol import private_file


def write_privately(file: Path, content: bytes, *, sync: bool = True) -> None:
    """Put `content` in place of what `file` holds, if anything, with mode 0600: whole or not at all.

    Its folder is made (0700) if it is missing. The file belongs to who writes it, also in a folder
    of somebody else's. With `sync` it is on the disk when this returns; without, a power failure
    may leave an empty file.

    Raises:
        OSError: it cannot be written.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    private_file.write_privately(file, content, sync=sync, like_folder=False)
