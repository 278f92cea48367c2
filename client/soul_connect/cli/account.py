"""Logging in over HTTP, and the user's settings file that keeps the token."""

import json
import re
import ssl
import tomllib
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, Request, build_opener

from soul_connect.cli.exits import CliError, Exit
from soul_connect.private_file import write_privately
from soul_connect.settings import user_config_file
from soul_connect.settings_values import SettingsError

_ANSWER_SECONDS: Final = 10
_ANSWER_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Granted:
    """What a login gave. `expires_at` is as the server says it."""

    token: str
    user: str
    expires_at: object


def broker_address(address: str) -> str:
    """The MQTT address behind a web address: the same port, over WebSocket.

    Raises:
        CliError: it is no web address.
    """
    try:
        parts = urlsplit(address)
        known = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        known = None
    if not known or parts.username is not None:
        raise CliError(Exit.USAGE, f"{address!r} is not a web address such as http://music.local:8080.")
    scheme = "wss" if parts.scheme == "https" else "ws"
    return f"{scheme}://{parts.netloc}{parts.path.rstrip('/')}/mqtt"


def log_in(address: str, user: str, password: str, ca: Path | None) -> Granted:
    """Ask the server for a token.

    Raises:
        CliError: unreachable, refused, or not a server of ours.
    """
    body = json.dumps({"user": user, "password": password}).encode()
    return _granted(address.rstrip("/"), "login", body, ca)


def renew(url: str, token: str, ca: Path | None) -> Granted:
    """Ask the server behind a WebSocket address for a token in place of one that ends, or has ended.

    Raises:
        CliError: unreachable, or refused.
    """
    parts = urlsplit(url)
    scheme = "https" if parts.scheme == "wss" else "http"
    address = f"{scheme}://{parts.netloc}{parts.path.removesuffix('/mqtt')}"
    return _granted(address, "refresh", b"", ca, token=token)


def keep_in_place_of(old: str, new: str) -> None:
    """Put a token into the user's settings file, if the old one is there."""
    file = user_config_file()
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    if (line := f"token = {json.dumps(old)}") in text:
        write_privately(file, text.replace(line, f"token = {json.dumps(new)}").encode())


def remember(url: str, token: str, ca: Path | None) -> Path:
    """Write address and token into the user's settings file, which keeps its other lines.

    Raises:
        SettingsError: the file is there and is not TOML.
        OSError: it cannot be written.
    """
    file = user_config_file()
    old = file.read_text(encoding="utf-8") if file.exists() else ""
    values = {"url": url, "token": token} | ({"ca": str(ca.absolute())} if ca is not None else {})
    kept = [line for line in old.splitlines() if not re.match(r"\s*(url|token|ca)\s*=", line)]
    # First, so that they stay outside of any [table].
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    text = "\n".join([*lines, *kept]) + "\n"
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise SettingsError(f"{file} is not valid TOML: mend or remove it, and log in again.") from None
    write_privately(file, text.encode())
    return file


class _NoRedirect(HTTPRedirectHandler):
    """A password goes where the user said, and nowhere else."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None


def _granted(address: str, what: str, body: bytes, ca: Path | None, *, token: str | None = None) -> Granted:
    answer = _post(f"{address}/api/{what}", body, ca, token=token)
    try:
        return Granted(str(answer["token"]), str(answer["user"]), answer.get("expires_at"))
    except KeyError:
        raise CliError(Exit.REJECTED, f"{address} does not answer like a Soul Connect server.") from None


def _post(address: str, body: bytes, ca: Path | None, *, token: str | None = None) -> dict[str, Any]:
    headers = {"Content-Type": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    request = Request(address, body, headers)  # noqa: S310 (http or https, checked)
    try:
        trust = ssl.create_default_context(cafile=ca)
        with build_opener(_NoRedirect, HTTPSHandler(context=trust)).open(
            request, timeout=_ANSWER_SECONDS
        ) as answer:
            found = json.loads(answer.read(_ANSWER_BYTES))
    except HTTPError as error:
        with error:
            raise _refused(error.code, address) from None
    except ssl.SSLError as error:
        raise CliError(Exit.USAGE, f"The authority in {ca} cannot be used: {error.reason}.") from None
    except (URLError, OSError, HTTPException) as error:
        raise _unreachable(address, error) from None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise CliError(Exit.REJECTED, f"{address} does not answer like a Soul Connect server.")
    return found


def _refused(status: int, address: str) -> CliError:
    match status:
        case 401 | 403:
            return CliError(Exit.REFUSED, "The name or the password is wrong.")
        case 429:
            return CliError(Exit.REJECTED, "Too many tries: wait a minute, then try again.")
        case 400 | 422:
            return CliError(Exit.USAGE, "The server does not understand this name or password.")
    return CliError(Exit.REJECTED, f"{address} does not answer like a Soul Connect server (HTTP {status}).")


def _unreachable(address: str, error: Exception) -> CliError:
    reason = error.reason if isinstance(error, URLError) else error
    if isinstance(reason, ssl.SSLCertVerificationError):
        return CliError(
            Exit.UNREACHABLE,
            f"The certificate of {address} is not trusted ({reason.verify_message}): "
            "give the server's authority with --ca FILE.",
        )
    host = urlsplit(address).netloc
    return CliError(Exit.UNREACHABLE, f"{host} cannot be reached: {_plain(reason)}. Is the server running?")


def _plain(reason: object) -> str:
    return str(getattr(reason, "strerror", None) or reason)
