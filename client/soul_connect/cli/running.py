"""Where the running server is found, noted in its data directory.

Ports are options of `serve`, and `invite` and `provision` have no other way to know them.
"""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from soul_connect.private_file import write_privately

_FILE: Final = "running.json"
_BYTES: Final = 4_096


@dataclass(frozen=True, slots=True)
class Running:
    """A server that runs.

    Attributes:
        page: the address of its page for the world or, where none is set, for this network.
            None: it has none.
        tls_port: 0 where it is off.
    """

    page: str | None
    tls_port: int


@contextlib.contextmanager
def noted(data_dir: Path, running: Running) -> Iterator[None]:
    """Keep the note as long as the block runs. That of a server which was killed is replaced.

    Raises:
        OSError: it cannot be written.
    """
    file = data_dir / _FILE
    write_privately(file, json.dumps(asdict(running)).encode(), sync=False)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            file.unlink(missing_ok=True)


def find_running(data_dir: Path) -> Running | None:
    """What the server on this data directory noted, if one runs."""
    try:
        with (data_dir / _FILE).open("rb") as file:
            found = json.loads(file.read(_BYTES))
        page, tls_port = found["page"], found["tls_port"]
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return Running(page if isinstance(page, str) else None, tls_port if isinstance(tls_port, int) else 0)
