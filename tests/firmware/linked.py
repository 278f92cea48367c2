"""`firmware/tests/link_board.py` on the real MicroPython: what it is told, and what it says."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from firmware.board import FIRMWARE, micropython
from serving import Process
from waiting import until


class Linked:
    """A device with a link and nothing else."""

    def __init__(self, folder: Path, **config: Any) -> None:
        self.device = config.setdefault("device", str(uuid.uuid4()))
        self.user = config["user"]
        self.root = f"soul/v1/{self.user}/device/{self.device}"
        file = folder / f"{self.device}.json"
        file.write_text(json.dumps(config))
        self.process: Process = micropython(FIRMWARE / "tests" / "link_board.py", str(file))

    def said(self, word: str) -> list[list[Any]]:
        """What it printed after `word`, so far."""
        split = (line.partition(" ") for line in self.process.lines)
        return [json.loads(rest) for first, _, rest in split if first == word]

    def wait(self, word: str, count: int = 1, *, seconds: float = 15.0) -> list[Any]:
        """What it printed after the `count`th `word`."""

        def found() -> list[list[Any]]:
            said = self.said(word)
            assert said or word == "ended" or self.process.returncode is None, self.process.output
            return said[count - 1 : count]

        what = f"{count} x {word!r}"
        return until(found, seconds=seconds, what=lambda: f"{what}: {self.process.output}")[0]

    def until_status(self, status: str, *, seconds: float = 15.0) -> None:
        """It showed this status, now or before."""
        until(lambda: [status] in self.said("status"), seconds=seconds, what=lambda: self.process.output)


@contextmanager
def linked(folder: Path, **config: Any) -> Iterator[Linked]:
    """Running; killed at the end."""
    device = Linked(folder, **config)
    try:
        yield device
    finally:
        device.process.kill()
