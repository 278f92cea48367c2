"""The devices as last seen, kept in a file: a shell that completes a name cannot wait for the network.

Every command that connects writes them; a TAB reads them, and has them looked up again in
the background if they are old. Only the standard library is used: a TAB has 0.2 s.
"""

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from soul_connect.private_file import write_privately
from soul_connect.settings import ClientSettings
from soul_connect.settings_values import SettingsError

_OLD_SECONDS: Final = 60
_ID_CHARACTERS: Final = 8
_FILE_BYTES: Final = 64 * 1024
_SAFE: Final = frozenset("-_.+@%")
"""What no shell takes for more than it is, beside letters and digits."""
_SPECIAL: Final = str.maketrans(dict.fromkeys("\\`$\"'", "_"))
"""What zsh would obey in the text beside a word, which typer's script evaluates. Any guest has a name."""


@dataclass(frozen=True, slots=True)
class Known:
    """A device, for a shell."""

    id: str
    name: str
    kind: str
    is_online: bool


def known_file(environ: Mapping[str, str] = os.environ) -> Path:
    """`$XDG_CACHE_HOME/soul-connect/devices.json`, or under `~/.cache`."""
    home = environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME") or Path.home()) / ".cache"
    return Path(home) / "soul-connect" / "devices.json"


def remember(owner: str, devices: Iterable[Known]) -> None:
    """Keep them; whoever cannot write there completes no names, and nothing else is lost."""
    file = known_file()
    text = json.dumps({"owner": owner, "devices": [asdict(each) for each in devices]})
    with contextlib.suppress(OSError):
        write_privately(file, text.encode(), sync=False)


def recall(owner: str) -> tuple[list[Known], bool]:
    """The devices of this owner, and whether that is fresh."""
    file = known_file()
    try:
        fresh = time.time() - file.stat().st_mtime < _OLD_SECONDS
        with file.open(encoding="utf-8") as text:
            found = json.loads(text.read(_FILE_BYTES))
        if found["owner"] != owner:
            return [], False
        return [Known(**each) for each in found["devices"]], fresh
    except (OSError, ValueError, TypeError, KeyError):
        return [], False


def owner_of(settings: ClientSettings) -> str | None:
    """Whose devices on which server; None without a token of ours."""
    from soul_connect.cli.tokens import token_user  # noqa: PLC0415 (only with a token)

    user = token_user(settings.token) if settings.token else None
    return None if user is None else f"{user} {settings.url}"


def words(incomplete: str) -> list[tuple[str, str]]:
    """What a shell offers for DEVICE: a word that needs no quotes, and what it means."""
    try:
        settings = ClientSettings.load()
    except SettingsError:
        return []
    owner = owner_of(settings)
    if owner is None:
        return []
    devices, fresh = recall(owner)
    if not fresh:
        _look_again()
    lower = incomplete == incomplete.lower()
    offered = []
    for each in devices:
        word = _word(each, devices)
        word = word.lower() if lower else word
        presence = "online" if each.is_online else "offline"
        if word.startswith(incomplete):
            offered.append((word, f"{each.name.translate(_SPECIAL)}, {each.kind}, {presence}"))
    return offered


def _word(device: Known, devices: list[Known]) -> str:
    """The shortest beginning in whole words that means this device alone, or else of its id."""
    first = device.name.split(" ", 1)[0]
    whole = first == device.name
    plain = all(each.isalnum() or each in _SAFE for each in first)
    same = [each for each in devices if each.name.casefold().startswith(first.casefold())]
    if plain and (whole or len(same) == 1):
        return first
    return device.id[:_ID_CHARACTERS]


def _look_again() -> None:
    """For the next TAB."""
    import subprocess  # noqa: PLC0415 (only if they are old)

    with contextlib.suppress(OSError):
        subprocess.Popen(
            [sys.executable, "-m", "soul_connect", "devices", "--json"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env={key: value for key, value in os.environ.items() if not key.startswith("_SOUL_CONNECT")},
        )
