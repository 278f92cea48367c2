"""Who this device is, what it played and how loud, kept in a file between runs."""

import json
import uuid
from pathlib import Path

from pydantic import ConfigDict, ValidationError

from soul_connect.private_file import write_privately
from soul_protocol.ids import DeviceId
from soul_protocol.models import LastKnownState
from soul_protocol.units import Volume
from soul_protocol.wire import Wire, optional


class DeviceFileError(ValueError):
    """The file is there, but is not one that `DeviceFile` wrote; it is left untouched."""


class Remembered(Wire):
    """What the file holds. `last_known_state` belongs to the epoch that it names."""

    model_config = ConfigDict(extra="allow")

    device_id: DeviceId
    name: str | None = optional()
    last_known_state: LastKnownState | None = optional()
    volume: Volume | None = optional()


class DeviceFile:
    """A device id, made once, with the device's name, its volume and its last known state.

    The id is this device's identity: two devices with copies of one file displace each other.
    Written whole or not at all, readable by its owner only.
    """

    def __init__(self, path: Path) -> None:
        """Read `path`, or make a new identity and write it.

        Raises:
            DeviceFileError: what is there cannot be understood.
            OSError: it cannot be read or written.
        """
        self._path = path
        try:
            text = path.read_bytes()
        except FileNotFoundError:
            self._kept = Remembered(device_id=str(uuid.uuid4()))
            self._write(self._kept)
            return
        try:
            self._kept = Remembered.model_validate_json(text)
        except ValidationError:
            raise DeviceFileError(f"{path} is not a device file") from None

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self._path

    @property
    def device_id(self) -> str:
        """A lower-case UUID, the same for ever."""
        return self._kept.device_id

    @property
    def name(self) -> str | None:
        """The name that the coordinator last gave this device."""
        return self._kept.name

    @property
    def last_known_state(self) -> LastKnownState | None:
        """What was played last, with its epoch."""
        return self._kept.last_known_state

    @property
    def volume(self) -> float | None:
        """How loud it was last, 0.0-1.0."""
        return self._kept.volume

    def keep_name(self, name: str) -> None:
        """Remember the name; writes only where it is another."""
        self._change(name=name)

    def keep_state(self, state: LastKnownState | None) -> None:
        """Remember what is played, or that nothing is; writes only where it is something else."""
        self._change(last_known_state=state)

    def keep_volume(self, volume: float) -> None:
        """Remember how loud it is, 0.0-1.0; writes only where it is another."""
        self._change(volume=volume)

    def _change(self, **fields: object) -> None:
        kept = self._kept.model_copy(update=fields)
        if kept != self._kept:
            self._write(kept)
            self._kept = kept  # only now: what could not be written is tried again

    def _write(self, kept: Remembered) -> None:
        text = json.dumps(kept.model_dump(mode="json"), indent=1)
        write_privately(self._path, text.encode() + b"\n")
