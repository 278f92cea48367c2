"""`provision`: all that one hardware player needs, in a folder to be copied onto it."""

# ruff: noqa: PLC0415 (a command imports what it needs when it runs: see __init__)

import json
import secrets
import socket
import sys
import time
import uuid
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from soul_connect.cli.accounts import PANEL, DataDir, accounts_of, checked_ttl
from soul_connect.cli.exits import CliError, Exit
from soul_connect.cli.running import find_running
from soul_connect.private_file import write_privately
from soul_connect.settings import ServerSettings, parse_ttl

CONFIG: Final = "config.json"
AUTHORITY: Final = "ca.pem"
UPDATE_KEY: Final = "update.key"

WIRING: Final[dict[str, Any]] = {
    "i2s": {"sck": 5, "ws": 6, "sd": 7},
    "buttons": {"play": 10, "next": 11, "previous": 12, "louder": 13, "softer": 14},
    "led": 2,
}
"""Pins of an ESP32-S3 that nothing else needs; firmware/README.md draws them."""

SSID_BYTES: Final = 32


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel=PANEL)(provision)


def provision(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the files go; made if need be.")],
    *,
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="What the player is called.")],
    wifi: Annotated[str, typer.Option("--wifi", metavar="SSID", help="The wireless network that it joins.")],
    password_stdin: Annotated[
        bool,
        typer.Option("--password-stdin", help="Read the network's password from the first line of stdin."),
    ] = False,
    user: Annotated[
        str | None,
        typer.Option("--user", metavar="NAME", help="Whose player it is; may be left out for one."),
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(
            "--host", metavar="HOST", help="The server as the player finds it; this machine's name."
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            "--port",
            metavar="PORT",
            min=1,
            max=65535,
            help="Its TLS port; the running server's unless set.",
        ),
    ] = None,
    authority: Annotated[
        Path | None,
        typer.Option("--ca", metavar="FILE", help="Who signed its certificate, if that is not its own."),
    ] = None,
    library: Annotated[
        str | None,
        typer.Option("--library", metavar="URL", help="Where tracks are, as http://nas/{id}.wav."),
    ] = None,
    ttl: Annotated[
        str,
        typer.Option(
            "--ttl", callback=checked_ttl, metavar="TIME", help="How long its token lives: 15m, 4h or 365d."
        ),
    ] = "365d",
    as_json: Annotated[bool, typer.Option("--json", help="Say what was made as JSON.")] = False,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="The server's settings file.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Write a hardware player's settings, certificate authority and token, to be copied onto it.

    Run again on the same folder, it keeps the player's identity, wiring and update key.

    Example: soul-connect provision pocket --name Pocket --wifi home
    """
    settings = ServerSettings.load(config, {"data_dir": data_dir, "tls_port": port})
    title, tls_port = _device_name(name), _tls_port(settings, port)
    _check(wifi, library)
    old = _known(folder / CONFIG)
    lifetime = parse_ttl(ttl)
    with accounts_of(settings.data_dir) as accounts:
        owner = user or _only_user([one.name for one in accounts.users()])
        trusted, place = _authority(settings, authority, host)
        password = _password(wifi, from_stdin=password_stdin)
        device = old.get("device") or str(uuid.uuid4())
        issued = accounts.issue(owner, device=device, ttl=lifetime)
    made = {
        **old,
        "name": title,
        "user": owner,
        "device": device,
        "token": issued.token,
        "host": place,
        "port": tls_port,
        "ca": AUTHORITY,
        "wifi": {"ssid": wifi, "password": password},
        "library": library or old.get("library", "{id}"),
        **{word: old.get(word, WIRING[word]) for word in WIRING},
        "update_key": old.get("update_key") or secrets.token_hex(32),
    }
    # In UTF-8, without escapes: MicroPython makes no letter of the two halves that JSON writes for an emoji.
    text = json.dumps(made, indent=2, ensure_ascii=False) + "\n"
    _write(folder, {CONFIG: text, AUTHORITY: trusted, UPDATE_KEY: made["update_key"] + "\n"})
    if as_json:
        facts = {"folder": str(folder), "files": [CONFIG, AUTHORITY, UPDATE_KEY], "device_id": device}
        facts |= {"name": title, "user": owner, "host": place, "port": tls_port}
        print(json.dumps({**facts, "expires_at": int((time.time() + lifetime) * 1000)}))  # noqa: T201
    else:
        copy = f"mpremote fs cp {folder / CONFIG} {folder / AUTHORITY} :"
        print(f"{title} is ready in {folder}. Copy it onto the player: {copy}", file=sys.stderr)  # noqa: T201


def _check(wifi: str, library: str | None) -> None:
    if not 0 < len(wifi.encode()) <= SSID_BYTES:
        raise CliError(Exit.USAGE, "--wifi is the name of a network: 1 to 32 bytes.")
    if library is not None and ("://" not in library or "{id}" not in library):
        raise CliError(Exit.USAGE, "--library is an address with {id} in it, as http://nas/{id}.wav.")


def _tls_port(settings: ServerSettings, given: int | None) -> int:
    """Where the player connects; where a server runs, that one's port unless another was given."""
    running = find_running(settings.data_dir) if given is None else None
    port = settings.tls_port if running is None else running.tls_port
    if not port:
        raise CliError(Exit.USAGE, "The server's TLS port is off; a player connects by TLS: --port.")
    return port


def _device_name(name: str) -> str:
    from pydantic import TypeAdapter, ValidationError

    from soul_protocol.models import DeviceName

    try:
        return TypeAdapter(DeviceName).validate_python(name)
    except ValidationError:
        raise CliError(
            Exit.USAGE, "--name has 1 to 64 characters, none of them a control character."
        ) from None


def _known(file: Path) -> dict[str, Any]:
    """What is there already."""
    try:
        found = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        found = None
    if not isinstance(found, dict):
        raise CliError(
            Exit.USAGE, f"{file} is not a player's settings; name another folder, or move it away."
        )
    return found


def _authority(settings: ServerSettings, given: Path | None, host: str | None) -> tuple[str, str]:
    """Whom the player trusts (PEM), and by which name it finds the server."""
    if given is None and settings.tls_cert is not None:
        raise CliError(
            Exit.USAGE, "The server has a certificate from elsewhere; --ca FILE names who signed it."
        )
    if given is not None:
        place = host or socket.getfqdn()
        try:
            text = given.read_text("ascii")
        except (OSError, ValueError) as error:
            raise CliError(Exit.USAGE, f"{given} cannot be read: {error}.") from None
        if "-----BEGIN CERTIFICATE-----" not in text:
            raise CliError(Exit.USAGE, f"{given} has no certificate in it (PEM).")
        return text, place
    try:
        from soul_broker.certificates import names_of, own_certificates
        from soul_broker.errors import CertificateError
    except ModuleNotFoundError as error:
        text = f"This needs the server's parts ({error.name} is missing): pip install 'soul-connect[server]'."
        raise CliError(Exit.USAGE, text) from None
    try:
        own = own_certificates(settings.data_dir)
        names = names_of(own.certificate)
    except CertificateError as error:
        raise CliError(Exit.USAGE, f"{error}.") from None
    place = host or next((name for name in names if name.endswith(".local")), names[0])
    if place not in names:
        raise CliError(
            Exit.USAGE,
            f"The server's certificate does not name {place}: --host one of {', '.join(names)}.",
        )
    assert own.authority is not None  # noqa: S101 (our own always has one)
    return own.authority.read_text("ascii"), place


def _password(ssid: str, *, from_stdin: bool) -> str:
    """The network's, never from the command line: that is for all to see."""
    if from_stdin:
        password = sys.stdin.readline().removesuffix("\n").removesuffix("\r")
    elif sys.stdin.isatty():
        from getpass import getpass

        password = getpass(f"Password of {ssid} (empty for an open network): ")
    else:
        raise CliError(Exit.USAGE, "There is no terminal to ask for the password on; use --password-stdin.")
    if password and not 8 <= len(password.encode()) <= 64:
        raise CliError(Exit.USAGE, "The password of a wireless network has 8 to 63 characters, or none.")
    return password


def _only_user(names: list[str]) -> str:
    if len(names) == 1:
        return names[0]
    if not names:
        raise CliError(Exit.USAGE, "There are no users yet; `soul-connect user add NAME` makes one.")
    raise CliError(Exit.USAGE, f"Whose player is it? --user one of {', '.join(names)}.")


def _write(folder: Path, files: dict[str, str]) -> None:
    """Each file whole or not at all, for its owner only: there are secrets in them."""
    try:
        for name, text in files.items():
            write_privately(folder / name, text.encode())
    except OSError as error:
        raise CliError(Exit.USAGE, f"{folder} cannot be written: {error.strerror}.") from None
