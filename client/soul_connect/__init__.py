"""Soul Connect's client library.

    async with ConnectClient(url="mqtts://home", token=token, ephemeral=True) as client:
        await client.pause()

`ConnectClient` is a remote control (`soul_connect.sync` has one without asyncio), `Player`
with an `Engine` a device that plays. What they take and give (commands, devices, states) is
in `soul_protocol`; what can go wrong is drawn in `soul_connect.errors`.
"""

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from soul_connect.client import ConnectClient as ConnectClient
    from soul_connect.device_file import DeviceFile as DeviceFile
    from soul_connect.errors import SoulConnectError as SoulConnectError
    from soul_connect.players.engine import Advanced as Advanced
    from soul_connect.players.engine import Engine as Engine
    from soul_connect.players.engine import EngineError as EngineError
    from soul_connect.players.engine import PlayingChanged as PlayingChanged
    from soul_connect.players.engine import PositionJumped as PositionJumped
    from soul_connect.players.engine import TrackEnded as TrackEnded
    from soul_connect.players.engine import TrackFailed as TrackFailed
    from soul_connect.players.engine import VolumeChanged as VolumeChanged
    from soul_connect.players.player import Player as Player
    from soul_connect.players.simulated import SimulatedEngine as SimulatedEngine

__all__ = [
    "Advanced",
    "ConnectClient",
    "DeviceFile",
    "Engine",
    "EngineError",
    "Player",
    "PlayingChanged",
    "PositionJumped",
    "SimulatedEngine",
    "SoulConnectError",
    "TrackEnded",
    "TrackFailed",
    "VolumeChanged",
]

_ENGINE: Final = "soul_connect.players.engine"
_HOMES: Final = {
    "Advanced": _ENGINE,
    "ConnectClient": "soul_connect.client",
    "DeviceFile": "soul_connect.device_file",
    "Engine": _ENGINE,
    "EngineError": _ENGINE,
    "Player": "soul_connect.players.player",
    "PlayingChanged": _ENGINE,
    "PositionJumped": _ENGINE,
    "SimulatedEngine": "soul_connect.players.simulated",
    "SoulConnectError": "soul_connect.errors",
    "TrackEnded": _ENGINE,
    "TrackFailed": _ENGINE,
    "VolumeChanged": _ENGINE,
}


def __getattr__(name: str) -> Any:
    """Import on first use: `import soul_connect` alone costs nothing (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 (the same reason)

    return getattr(import_module(_HOMES[name]), name)
