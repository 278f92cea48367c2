"""`Player`: a renderer, from any audio engine."""

from pathlib import Path

from soul_connect.client import ConnectClient, TokenSource
from soul_connect.device_file import DeviceFile
from soul_connect.players.engine import Engine
from soul_protocol.models import DeviceType


class Player:
    """A device that plays music. `await player.run()` does everything."""

    def __init__(
        self,
        engine: Engine,
        *,
        url: str,
        token: str,
        name: str,
        device_file: DeviceFile | None = None,
        device_id: str | None = None,
        device_type: DeviceType = DeviceType.DESKTOP,
        volume: float = 1.0,
        max_payload_bytes: int | None = None,
        ca_file: Path | None = None,
        new_token: TokenSource | None = None,
    ) -> None:
        """One of `device_file` and `device_id` is needed, or a token that names its device."""
        raise NotImplementedError

    @property
    def client(self) -> ConnectClient:
        """The connection, to look at and to send commands with."""
        raise NotImplementedError

    async def run(self) -> None:
        """Play what is asked until cancelled; then stop, say goodbye and return.

        Raises:
            EngineError: the engine cannot start, or is gone for good.
            LinkError: the server refuses this device for good (not: is unreachable; that is waited for).
        """
        raise NotImplementedError
