"""Settings: of the client, of the server, and where the data directory is.

Later ones give way to earlier ones: an option of the command line, the environment
(`SOUL_CONNECT_` and the key in capitals), the settings file, the default. Only the standard
library is used, so that `soul-connect --help` stays quick.
"""

import difflib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Literal

from soul_connect import settings_values as values
from soul_connect.settings_values import Kind, SettingsError, parse_ttl

__all__ = [
    "ClientSettings",
    "ServerSettings",
    "SettingsError",
    "default_data_dir",
    "find_data_dir",
    "parse_ttl",
]

PREFIX: Final = "SOUL_CONNECT_"
DEFAULT_URL: Final = "mqtt://127.0.0.1:1883"


def user_config_file(environ: Mapping[str, str] = os.environ) -> Path:
    """The user's own settings: `$XDG_CONFIG_HOME/soul-connect/config.toml`, or under `~/.config`."""
    home = environ.get("XDG_CONFIG_HOME") or _home(environ) / ".config"
    return Path(home) / "soul-connect" / "config.toml"


def default_data_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """Where the data is unless someone says otherwise: systemd's state directory, else the user's."""
    if states := environ.get("STATE_DIRECTORY"):
        return Path(states.split(":")[0])
    home = environ.get("XDG_DATA_HOME") or _home(environ) / ".local" / "share"
    return Path(home) / "soul-connect"


def find_data_dir(option: Path | None = None, environ: Mapping[str, str] = os.environ) -> Path:
    """The data directory, not yet made: `option`, the environment, the user's file, the default.

    Raises:
        SettingsError: the user's file is bad.
    """
    if option is not None:
        return option.absolute()
    found = ClientSettings.load(environ).data_dir
    return found.absolute() if found else default_data_dir(environ).absolute()


def _is(kind: Kind) -> dict[str, Kind]:
    return {"kind": kind}


_BROKER: Final = values.url("mqtt", "mqtts", "ws", "wss")
_PATH: Final = values.path()
_PORT: Final = values.integer(0, 65535)


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """What a client needs to connect, from the environment and then the user's file.

    Attributes:
        url: `mqtt://`, `mqtts://`, `ws://` or `wss://` and the host.
        token: the token (a JWT); never shown by `repr`.
        ca: a PEM file of the authority that signed the server's certificate; None: the system's.
        data_dir: the server's data directory, where one is set.
    """

    url: str = field(default=DEFAULT_URL, metadata=_is(_BROKER))
    token: str | None = field(default=None, metadata=_is(values.text()), repr=False)
    ca: Path | None = field(default=None, metadata=_is(_PATH))
    data_dir: Path | None = field(default=None, metadata=_is(_PATH))

    @classmethod
    def load(
        cls, environ: Mapping[str, str] = os.environ, overrides: Mapping[str, object] | None = None
    ) -> "ClientSettings":
        """Read them; `overrides` are the command line's, where None is not given.

        Raises:
            SettingsError: a key is unknown, or a value bad.
        """
        file = user_config_file(environ)
        table = _read_file(file) if file.is_file() else {}
        return cls(**_collect(cls, table, file, environ, overrides or {}))


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What `serve`, `broker` and `coordinator` can be told. `config/soul-connect.toml` explains each.

    Ports: 0 turns a listener off. `login_ttl` is in seconds. Paths are absolute once loaded.
    """

    data_dir: Path = field(metadata=_is(_PATH))
    host: str = field(default="127.0.0.1", metadata=_is(values.text()))
    mqtt_port: int = field(default=1883, metadata=_is(_PORT))
    tls_port: int = field(default=8883, metadata=_is(_PORT))
    http_port: int = field(default=8080, metadata=_is(_PORT))

    public_url: str | None = field(default=None, metadata=_is(values.url("http", "https")))
    allowed_origins: tuple[str, ...] = field(
        default=(),
        metadata=_is(values.items('web origins such as "https://music.example.org"', values.is_origin)),
    )
    trusted_proxies: tuple[str, ...] = field(
        default=(),
        metadata=_is(values.items('addresses or networks such as "10.0.0.0/8"', values.is_network)),
    )
    web_dir: Path | None = field(default=None, metadata=_is(_PATH))

    music_dir: Path | None = field(default=None, metadata=_is(_PATH))
    stream_url: str | None = field(default=None, metadata=_is(values.url_with("{track}", "http", "https")))
    stream_origins: tuple[str, ...] = field(
        default=(),
        metadata=_is(values.items('web origins such as "https://radio.example.org"', values.is_origin)),
    )

    tls_cert: Path | None = field(default=None, metadata=_is(_PATH))
    tls_key: Path | None = field(default=None, metadata=_is(_PATH))
    tls_client_ca: Path | None = field(default=None, metadata=_is(_PATH))
    tls_client_certificate: Literal["required", "optional"] = field(
        default="required", metadata=_is(values.choice("required", "optional"))
    )

    broker_url: str | None = field(default=None, metadata=_is(_BROKER))
    broker_ca: Path | None = field(default=None, metadata=_is(_PATH))
    broker_password_file: Path | None = field(default=None, metadata=_is(_PATH))

    durability: Literal["normal", "full"] = field(
        default="normal", metadata=_is(values.choice("normal", "full"))
    )
    login_ttl: int = field(default=30 * 24 * 3600, metadata=_is(values.duration()))
    max_connections: int = field(default=20_000, metadata=_is(values.integer(1, 1_000_000)))
    max_connections_per_user: int = field(default=64, metadata=_is(values.integer(1, 1_000_000)))
    max_strangers_per_address: int = field(default=2_000, metadata=_is(values.integer(0, 1_000_000)))
    flood_messages: int = field(default=1_000, metadata=_is(values.integer(100, 1_000_000)))
    flood_megabytes: int = field(default=128, metadata=_is(values.integer(1, 1_000_000)))
    log_level: Literal["debug", "info", "warning", "error"] = field(
        default="info", metadata=_is(values.choice("debug", "info", "warning", "error"))
    )
    log_format: Literal["text", "json"] = field(default="text", metadata=_is(values.choice("text", "json")))

    @classmethod
    def load(
        cls,
        config_file: Path | None = None,
        overrides: Mapping[str, object] | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> "ServerSettings":
        """Read them; `overrides` are the command line's, where None is not given.

        Raises:
            SettingsError: the file cannot be read, a key is unknown, or a value bad.
        """
        file = config_file or Path("soul-connect.toml")
        table = _read_file(config_file) if config_file else {}
        found = _collect(cls, table, file, environ, overrides or {})
        found.setdefault("data_dir", find_data_dir(environ=environ))
        settings = cls(**found)
        if (settings.tls_cert is None) != (settings.tls_key is None):
            raise SettingsError("tls_cert and tls_key belong together: set both, or neither.")
        return settings


def _collect(
    settings: type[ClientSettings | ServerSettings],
    table: Mapping[str, object],
    file: Path,
    environ: Mapping[str, str],
    overrides: Mapping[str, object],
) -> dict[str, Any]:
    kinds: dict[str, Kind] = {each.name: each.metadata["kind"] for each in fields(settings)}
    for key in table:
        if key not in kinds:
            near = difflib.get_close_matches(key, kinds, n=1)
            hint = f"did you mean {near[0]}?" if near else f"allowed are {', '.join(kinds)}."
            raise SettingsError(f"{file}: there is no setting {key}; {hint}")
    for key in overrides:
        if key not in kinds:
            raise KeyError(key)
    found: dict[str, Any] = {}
    for key, kind in kinds.items():
        if (given := overrides.get(key)) is not None:
            plain = str(given) if isinstance(given, Path) else given
            found[key] = _read(kind, plain, Path.cwd(), f"--{key.replace('_', '-')}")
        elif text := environ.get(PREFIX + key.upper()):
            found[key] = _read(kind, kind.from_text(text), Path.cwd(), PREFIX + key.upper())
        elif key in table:
            found[key] = _read(kind, table[key], file.parent.absolute(), f"{file}: {key}")
    return found


def _read(kind: Kind, value: object, base: Path, where: str) -> object:
    try:
        return kind.read(value, base)
    except ValueError as error:
        raise SettingsError(f"{where} must be {error}.") from None


def _read_file(file: Path) -> dict[str, object]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror or error}.") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{file} is not UTF-8 text.") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{file} is not valid TOML: {error}.") from None


def _home(environ: Mapping[str, str]) -> Path:
    return Path(environ["HOME"]) if environ.get("HOME") else Path.home()
